"""ZB-H1: as 1F1B, gradients of weights filling a part of the bubble, at the memory of 1F1B."""

import numpy as np

from steelyard.strategies.schedule import Passes, PipelineSchedule, sends_in_turn
from steelyard.units import Count


def bubble_ticks_zero_bubble_h1(stages: Count, chunks: Count, micro_batches: Count, passes: Passes) -> Count:
    r"""Ticks that a stage idles while the pipeline fills and drains, a tick being one micro-batch.

    .. math:: (p - 1)\,\max(f + b - w,\; b)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one here [-]
        micro_batches: micro-batches of a step; the bubble does not depend on them [-]
        passes: what of a tick forward passes (f), gradients of inputs (b) and of weights (w) take [-]

    Source: Qi et al. 2023, arXiv 2401.10241, table 2: (p-1)(T_F+T_B-T_W), a third of that of 1F1B where all three are
        equal; derived by running the order: (p-1) T_B where gradients of weights take longer than forward passes.
    Limits: ticks of equal length; the optimizer's step is validated afterwards, so that no stage waits for all.

    >>> from steelyard.strategies.schedule import THIRDS
    >>> round(float(bubble_ticks_zero_bubble_h1(4, 1, 8, THIRDS)), 9)
    1.0
    """
    return (stages - 1) * np.maximum(passes.forward + passes.inputs - passes.weights, passes.inputs)


def in_flight_zero_bubble_h1(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations each stage holds at once, until the gradients of its weights are there.

    .. math:: \min(m,\; p)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one here [-]
        rank: the stage, from 0; each holds as many [-]
        micro_batches: micro-batches m of a step [-]

    Source: Qi et al. 2023, arXiv 2401.10241, table 2: p M_B; section 2.1: all stages hold as many; ZB-V, too: Qi et al.
        2024, arXiv 2405.15362, section 3: the activations of 1F1B's first stage, p M_B, on every device.
    Limits: what waits for gradients of weights alone is taken as large as what waits for all of them.

    >>> float(in_flight_zero_bubble_h1(4, 1, 3, 8))
    4.0
    """
    held: Count = np.minimum(stages, micro_batches) + np.zeros_like(rank)
    return held


ZERO_BUBBLE_H1 = PipelineSchedule(
    name="zb-h1",
    code=3,
    chunked=False,
    falls=True,
    bubble_ticks=bubble_ticks_zero_bubble_h1,
    sends=sends_in_turn,
    in_flight=in_flight_zero_bubble_h1,
    splits=True,
    also=("zb1p", "zerobubble1p", "zerobubble"),
    pattern=r"\bzb-?(h1|1p)\b|zero[ -]?bubble(?![ -]?(v|h2|2p)\b)",
)
