"""Policies that propose architectures and learn from what was observed."""
