"""Fits of what accelerators draw in each state, to measured watts."""
