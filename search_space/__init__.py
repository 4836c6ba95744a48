"""What can be built, and what it costs on paper: spaces, architectures, layers and their costs.

The only dependencies are numpy and pydantic: a space is data.
"""
