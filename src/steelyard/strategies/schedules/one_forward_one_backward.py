"""1F1B: after a warm-up each stage alternates one forward and one backward pass."""

import numpy as np

from steelyard.strategies.schedule import Passes, PipelineSchedule, sends_in_turn
from steelyard.units import Count


def bubble_ticks_1f1b(stages: Count, chunks: Count, micro_batches: Count, passes: Passes) -> Count:
    r"""Ticks that a stage idles while the pipeline fills and drains, a tick being one micro-batch.

    .. math:: p - 1

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one here [-]
        micro_batches: micro-batches of a step; the bubble does not depend on them [-]
        passes: what of a tick each pass takes, which does not matter here [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.1: the bubble over the ideal time of m micro-batches is
        (p-1)/m; GPipe, too: Huang et al. 2018, arXiv 1811.06965, section 2.3: (p-1)/(m+p-1) of a step.
    Limits: ticks of equal length.

    >>> from steelyard.strategies.schedule import THIRDS
    >>> bubble_ticks_1f1b(8, 1, 64, THIRDS) / 64
    0.109375
    """
    return stages - 1


def in_flight_1f1b(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations stage r of p holds at once.

    .. math:: \min(m,\; p - r)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one here [-]
        rank: stage r, from 0 [-]
        micro_batches: micro-batches m of a step [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.1: at most p micro-batches are outstanding.

    >>> in_flight_1f1b(4, 1, 0, 8), in_flight_1f1b(4, 1, 0, 2), in_flight_1f1b(4, 1, 3, 8)
    (4, 2, 1)
    """
    return np.minimum(stages - rank, micro_batches)


ONE_FORWARD_ONE_BACKWARD = PipelineSchedule(
    name="1f1b",
    code=0,
    chunked=False,
    falls=True,
    bubble_ticks=bubble_ticks_1f1b,
    sends=sends_in_turn,
    in_flight=in_flight_1f1b,
)
