"""GPipe: all micro-batches forward, then all of them backward."""

import numpy as np

from steelyard.strategies.schedule import Passes, PipelineSchedule, sends_in_turn
from steelyard.units import Count


def bubble_ticks_gpipe(stages: Count, chunks: Count, micro_batches: Count, passes: Passes) -> Count:
    r"""Ticks that a stage idles while the pipeline fills and drains, a tick being one micro-batch.

    .. math:: p - 1

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one here [-]
        micro_batches: micro-batches of a step; the bubble does not depend on them [-]
        passes: what of a tick each pass takes, which does not matter here [-]

    Source: Huang et al. 2018, arXiv 1811.06965, section 2.3: the bubble is (p-1)/(m+p-1) of a step.
    Limits: ticks of equal length.

    >>> from steelyard.strategies.schedule import THIRDS
    >>> bubble_ticks_gpipe(4, 1, 12, THIRDS) / (12 + bubble_ticks_gpipe(4, 1, 12, THIRDS))
    0.2
    """
    return stages - 1


def in_flight_gpipe(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations every stage holds at once: all of a step.

    .. math:: m

    Args:
        stages: pipeline stages [-]
        chunks: chunks of a stage, one here [-]
        rank: the stage, from 0; each holds as many [-]
        micro_batches: micro-batches m of a step [-]

    Source: Huang et al. 2018, arXiv 1811.06965, section 2.3; Narayanan et al. 2021, arXiv 2104.04473, section 2.2.1:
        the activations of all m micro-batches are kept.

    >>> float(in_flight_gpipe(4, 1, 3, 64))
    64.0
    """
    held: Count = micro_batches + np.zeros_like(rank)
    return held


GPIPE = PipelineSchedule(
    name="gpipe",
    code=2,
    chunked=False,
    falls=True,
    bubble_ticks=bubble_ticks_gpipe,
    sends=sends_in_turn,
    in_flight=in_flight_gpipe,
    pattern=r"\bg-?pipe\b",
)
