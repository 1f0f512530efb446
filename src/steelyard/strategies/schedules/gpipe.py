"""GPipe: all micro-batches forward, then all of them backward, with the bubble of 1F1B."""

import numpy as np

from steelyard.strategies.schedule import PipelineSchedule, sends_in_turn
from steelyard.strategies.schedules.one_forward_one_backward import bubble_ticks_1f1b
from steelyard.units import Count


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
    bubble_ticks=bubble_ticks_1f1b,
    sends=sends_in_turn,
    in_flight=in_flight_gpipe,
    also=("afab",),
    pattern=r"\bg-?pipe\b|\bafab\b|all[ -]forward[ -]all[ -]backward",
)
