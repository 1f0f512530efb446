"""Fits of what stacks hold beyond what is documented of them, to measured peaks."""
