"""ZB-H2: more forward passes first, so that gradients of weights fill all of the bubble, at twice the memory."""

import numpy as np

from steelyard.strategies.schedule import Passes, PipelineSchedule, sends_in_turn
from steelyard.units import Count


def bubble_ticks_zero_bubble_h2(stages: Count, chunks: Count, micro_batches: Count, passes: Passes) -> Count:
    r"""Ticks that a stage idles while the pipeline fills and drains, a tick being one micro-batch.

    .. math:: (p - 1)\,\max(f + b - 2w,\; 0)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one here [-]
        micro_batches: micro-batches of a step; the bubble does not depend on them [-]
        passes: what of a tick forward passes (f), gradients of inputs (b) and of weights (w) take [-]

    Source: Qi et al. 2023, arXiv 2401.10241, table 2: (p-1)(T_F+T_B-2T_W), none where all three are equal.
    Limits: ticks of equal length; the optimizer's step is validated afterwards, so that no stage waits for all.

    >>> from steelyard.strategies.schedule import THIRDS
    >>> round(float(bubble_ticks_zero_bubble_h2(4, 1, 8, Passes(0.375, 0.375, 0.25))), 9)
    0.75
    """
    return (stages - 1) * np.maximum(passes.forward + passes.inputs - 2 * passes.weights, 0.0)


def in_flight_zero_bubble_h2(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations each stage holds at once, until the gradients of its weights are there.

    .. math:: \min(m,\; 2p - 1)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one here [-]
        rank: the stage, from 0; each holds as many [-]
        micro_batches: micro-batches m of a step [-]

    Source: Qi et al. 2023, arXiv 2401.10241, table 2: (2p-1) M_B.
    Limits: what waits for gradients of weights alone is taken as large as what waits for all of them.

    >>> float(in_flight_zero_bubble_h2(4, 1, 3, 8))
    7.0
    """
    held: Count = np.minimum(2 * stages - 1, micro_batches) + np.zeros_like(rank)
    return held


ZERO_BUBBLE_H2 = PipelineSchedule(
    name="zb-h2",
    code=4,
    chunked=False,
    falls=True,
    bubble_ticks=bubble_ticks_zero_bubble_h2,
    sends=sends_in_turn,
    in_flight=in_flight_zero_bubble_h2,
    splits=True,
    also=("zb2p", "zerobubble2p"),
    pattern=r"\bzb-?(h2|2p)\b|zero[ -]?bubble[ -]?(h2|2p)\b",
)
