"""What a pipeline schedule says of itself: when stages wait, what they send, how much they hold."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.units import Count, Share

YesNo = bool | np.bool_ | NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Passes:
    """How the seconds of one micro-batch on one stage are shared out: they sum to 1."""

    forward: Share
    inputs: Share  # the backward pass up to the gradients of inputs, what it repeats of the forward pass included
    weights: Share  # gradients of weights, which nobody waits for


THIRDS = Passes(1 / 3, 1 / 3, 1 / 3)
"""A forward product and its two gradients cost the same (arXiv 2104.04473, appendix)."""


def any_number(stages: Count, micro_batches: Count) -> YesNo:
    """Return that a schedule runs whatever the stages and micro-batches.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.1: nothing is asked of them.

    >>> any_number(3, 7)
    True
    """
    return True


@dataclass(frozen=True, slots=True)
class PipelineSchedule:
    """One order in which the stages of a pipeline take micro-batches forward and backward."""

    name: str  # as people write it
    code: int  # its number in `tables.Layout`
    chunked: bool  # a stage holds several chunks of blocks, which are not neighbours
    falls: bool  # micro-batches in flight never rise from one stage to the next, so equal stages stand for the first
    bubble_ticks: Callable[[Count, Count, Count, Passes], Count]  # of stages, chunks, micro-batches, a tick's passes
    sends: Callable[[Count, Count, Count], Count]  # of stages, chunks, micro-batches
    in_flight: Callable[[Count, Count, Count, Count], Count]  # of stages, chunks, rank, micro-batches
    chunks_most: float = math.inf  # chunks of a stage that it runs at most, if it runs several
    splits: bool = False  # gradients of weights wait, so that its bubble depends on what passes take
    mirrored: bool = False  # a device holds two stages, one as far from the end as the other from the start
    overlapped: bool = False  # tokens go to experts and back while a pass of another micro-batch computes
    folded: bool = False  # chunks lie there and back, so that the first stage has both ends of the model
    takes: Callable[[Count, Count], YesNo] = any_number  # whether it runs so many stages and micro-batches
    needs: str = ""  # of what it takes, in words
    also: tuple[str, ...] = ()  # other names, in small letters without hyphens
    pattern: str = ""  # what rows of measured runs write of it; empty: they never name it

    def runs(self, chunks: Count) -> YesNo:
        """Return whether it runs stages of so many chunks.

        >>> one = PipelineSchedule("v", 9, True, True, min, min, min, chunks_most=2)
        >>> [bool(one.runs(chunks)) for chunks in (1, 2, 3)]
        [False, True, False]
        """
        several = np.greater(chunks, 1)
        return several & np.less_equal(chunks, self.chunks_most) if self.chunked else np.logical_not(several)


def sends_in_turn(stages: Count, chunks: Count, micro_batches: Count) -> Count:
    r"""Messages between stages that one stage waits for in a step, forward and backward.

    .. math:: 2\,(v\,m + p - 1)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks v of a stage [-]
        micro_batches: micro-batches m of a step [-]

    Source: derived from Narayanan et al. 2021, arXiv 2104.04473, section 2.2: each chunk of each micro-batch crosses
        once in each direction, after p - 1 hops until the pipeline is full; interleaving sends v times as much.

    >>> sends_in_turn(4, 1, 8), sends_in_turn(4, 2, 8)
    (22, 38)
    """
    return 2 * (chunks * micro_batches + stages - 1)
