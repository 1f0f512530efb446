"""What a pipeline schedule says of itself: when stages wait, what they send, how much they hold."""

from collections.abc import Callable
from dataclasses import dataclass

from steelyard.units import Count


@dataclass(frozen=True, slots=True)
class PipelineSchedule:
    """One order in which the stages of a pipeline take micro-batches forward and backward."""

    name: str  # as people write it
    code: int  # its number in `tables.Layout`
    chunked: bool  # a stage holds several chunks of blocks, which are not neighbours
    falls: bool  # micro-batches in flight never rise from one stage to the next, so equal stages stand for the first
    bubble_ticks: Callable[[Count, Count, Count], Count]  # of stages, chunks, micro-batches
    sends: Callable[[Count, Count, Count], Count]  # of stages, chunks, micro-batches
    in_flight: Callable[[Count, Count, Count, Count], Count]  # of stages, chunks, rank, micro-batches


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
