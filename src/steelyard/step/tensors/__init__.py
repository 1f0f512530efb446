"""Tensors of a step: how they are kept, and the bytes of those that one rank has beside its states."""
