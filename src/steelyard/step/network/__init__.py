"""Seconds that traffic holds the wires: collectives, where their ranks lie, what a step sends."""
