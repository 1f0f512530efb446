"""Fits of kernels: products, attention, memory and collectives to measured operators."""
