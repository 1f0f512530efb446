"""Fits of the catalog's kernels, stacks and power to measurements: `make fit`."""
