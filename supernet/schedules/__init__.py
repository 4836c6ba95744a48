"""Schedules: which sub-networks each step of a training trains, towards what, at which rate."""
