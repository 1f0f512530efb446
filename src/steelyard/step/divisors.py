"""How a layout divides the rows of a model: the one place where parallel axes meet models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.step.sums import added
from steelyard.tables import Kept, Layout, Part
from steelyard.units import Count


@dataclass(frozen=True, slots=True)
class Divisors:
    """The number by which a layout divides each kind of split; a row names its splits by these fields."""

    whole: Count  # replicated on each rank: 1
    tensor: Count  # heads, columns or rows of a product
    sequence: Count  # the residual stream under sequence parallelism
    expert: Count  # products of whole experts
    expert_tensor: Count  # columns or rows of an expert
    expert_ranks: Count  # parameters of experts
    expert_sequence: Count  # rows that reach the experts


def divisors(layout: Layout) -> Divisors:
    """Return the divisors of a layout.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.3 (tensor); Korthikanti et al. 2022, arXiv 2205.05198,
        section 4.2.2 (sequence); Lepikhin et al. 2020, arXiv 2006.16668, section 2.2 (experts).
        Megatron-core, `expert_tensor_parallel_size` (experts may be divided otherwise than the rest).
    Limits: without sequence parallelism tensor ranks that experts do not use repeat their rows.
    """
    sequence = np.where(layout.sp, layout.tp, 1.0)
    return Divisors(
        whole=1.0,
        tensor=layout.tp,
        sequence=sequence,
        expert=layout.ep,
        expert_tensor=layout.etp,
        expert_ranks=layout.ep * layout.etp,
        expert_sequence=np.maximum(sequence / layout.etp, 1.0),
    )


def divided(parts: Sequence[Part | Kept], by: Divisors) -> Count:
    """Return what one rank has of a quantity: the sum of its parts, each divided.

    Args:
        parts: amounts by kind and divisor
        by: the number of each divisor

    Source: every quantity of a row but the time of a kernel is linear in the rank's share of it.

    >>> fourfold = Divisors(1.0, 4.0, 1.0, 1.0, 4.0, 4.0, 1.0)
    >>> divided((Part("stream", "whole", 10.0), Part("mlp", "tensor", 8.0)), fourfold)
    12.0
    """
    return added(part.amount / getattr(by, part.split) for part in parts)
