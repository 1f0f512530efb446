"""DualPipe: micro-batches enter at both ends, and every device holds a stage of either direction."""

import numpy as np

from steelyard.strategies.schedule import Passes, PipelineSchedule, YesNo, sends_in_turn
from steelyard.units import Count


def bubble_ticks_dual_pipe(stages: Count, chunks: Count, micro_batches: Count, passes: Passes) -> Count:
    r"""Ticks that a device idles while the pipeline fills and drains, a tick being one micro-batch.

    .. math:: \Big(\frac{p}{2} - 1\Big)\,\max(f + b + w + b + w - 3w,\; 0)

    Args:
        stages: pipeline stages p, an even number [-]
        chunks: chunks of a stage, one of each direction here [-]
        micro_batches: micro-batches of a step, of both directions; the bubble does not depend on them [-]
        passes: what of a tick forward passes (f), gradients of inputs (b) and of weights (w) take [-]

    Source: DeepSeek-V3, arXiv 2412.19437, table 2: (p/2-1)(F&B+B-3W), B being both gradients, F&B a forward and a
        backward pass that overlap each other's traffic.
    Limits: ticks of equal length; F&B is one tick.

    >>> from steelyard.strategies.schedule import THIRDS
    >>> round(float(bubble_ticks_dual_pipe(8, 1, 20, THIRDS)), 9)
    2.0
    """
    idle = passes.forward + 2 * (passes.inputs + passes.weights) - 3 * passes.weights
    return np.maximum(stages / 2 - 1, 0.0) * np.maximum(idle, 0.0)


def in_flight_dual_pipe(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations each device holds at once, of both directions.

    .. math:: \min(m,\; p + 1)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks of a stage, one of each direction here [-]
        rank: the device, from 0; each holds as many [-]
        micro_batches: micro-batches m of a step [-]

    Source: DeepSeek-V3, arXiv 2412.19437, table 2: p + 1.

    >>> float(in_flight_dual_pipe(8, 1, 3, 20))
    9.0
    """
    held: Count = np.minimum(stages + 1, micro_batches) + np.zeros_like(rank)
    return held


def both_ways(stages: Count, micro_batches: Count) -> YesNo:
    """Return whether stages and micro-batches are even and these are at least two a stage; a lone stage runs any.

    Source: github.com/deepseek-ai/DualPipe dualpipe/dualpipe.py, assertions of `step`.

    >>> [bool(both_ways(*one)) for one in ((8, 20), (8, 14), (8, 21), (7, 20), (1, 1))]
    [True, False, False, False, True]
    """
    even = np.equal(np.asarray(stages) % 2, 0) & np.equal(np.asarray(micro_batches) % 2, 0)
    taken: YesNo = np.equal(stages, 1) | (even & np.greater_equal(micro_batches, 2 * np.asarray(stages)))
    return taken


DUAL_PIPE = PipelineSchedule(
    name="dualpipe",
    code=6,
    chunked=False,
    falls=True,
    bubble_ticks=bubble_ticks_dual_pipe,
    sends=sends_in_turn,
    in_flight=in_flight_dual_pipe,
    splits=True,
    mirrored=True,
    overlapped=True,
    takes=both_ways,
    needs="even numbers of stages and micro-batches, of these at least two a stage",
    pattern=r"\bdual-?pipe\b",
)
