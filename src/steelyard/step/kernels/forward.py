"""Seconds of the kernels of a forward pass, by kind."""

from dataclasses import dataclass

from steelyard.units import Seconds


@dataclass(frozen=True, slots=True)
class Forward:
    """One forward pass of one micro-batch through one block, or through the blocks of a stage."""

    gemm_s: Seconds
    attention_s: Seconds
    pointwise_s: Seconds
