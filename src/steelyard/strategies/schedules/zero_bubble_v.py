"""ZB-V: two chunks a stage, laid as a V, whose gradients of weights fill the bubble at the memory of ZB-H1."""

import numpy as np

from steelyard.strategies.schedule import Passes, PipelineSchedule, sends_in_turn
from steelyard.strategies.schedules.zero_bubble_h1 import in_flight_zero_bubble_h1
from steelyard.units import Count


def bubble_ticks_zero_bubble_v(stages: Count, chunks: Count, micro_batches: Count, passes: Passes) -> Count:
    r"""Ticks that a stage idles while the pipeline fills and drains, a tick being one micro-batch.

    .. math:: (p - 1)\,\max(b - w,\; 0)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, two here [-]
        micro_batches: micro-batches of a step; the bubble does not depend on them [-]
        passes: what of a tick forward passes (f), gradients of inputs (b) and of weights (w) take [-]

    Source: Qi et al. 2023, arXiv 2401.10241, section 6: none where all passes are equal; derived by running the
        order of github.com/pytorch/pytorch torch/distributed/pipelining/schedules.py, ScheduleZBVZeroBubble, where they
        are not.
    Limits: gradients of weights take no longer than forward passes, these no longer than gradients of inputs; the
        optimizer's step is validated afterwards.

    >>> from steelyard.strategies.schedule import THIRDS
    >>> round(float(bubble_ticks_zero_bubble_v(4, 2, 8, Passes(0.25, 0.5, 0.25))), 9)
    0.75
    """
    return (stages - 1) * np.maximum(passes.inputs - passes.weights, 0.0)


ZERO_BUBBLE_V = PipelineSchedule(
    name="zb-v",
    code=5,
    chunked=True,
    falls=True,
    bubble_ticks=bubble_ticks_zero_bubble_v,
    sends=sends_in_turn,
    in_flight=in_flight_zero_bubble_h1,
    chunks_most=2,
    splits=True,
    folded=True,
    also=("zbv", "zerobubblev", "zbvzerobubble"),
    pattern=r"\bzb-?v\b|zbv ?zero ?bubble|zero[ -]?bubble[ -]?v\b",
)
