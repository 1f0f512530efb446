"""The pipeline's schedule: ticks that it idles, messages that it sends, micro-batches that a stage holds."""

import numpy as np

from steelyard.units import Count


def bubble_ticks(stages: Count, chunks: Count) -> Count:
    r"""Ticks that a stage idles while the pipeline fills and drains, a tick being one micro-batch of all its chunks.

    .. math:: \frac{p - 1}{v}

    Args:
        stages: pipeline stages p [-]
        chunks: chunks v of a stage (1: not interleaved) [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2: the bubble over the ideal time of m micro-batches is
        (p-1)/m for 1F1B and (p-1)/(v m) interleaved.
    Limits: ticks of equal length.

    >>> bubble_ticks(8, 1) / 64, bubble_ticks(8, 4) / 64
    (0.109375, 0.02734375)
    """
    return (stages - 1) / chunks


def sends(stages: Count, chunks: Count, micro_batches: Count) -> Count:
    r"""Messages between stages that one stage waits for in a step, forward and backward.

    .. math:: 2\,(v\,m + p - 1)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks v of a stage [-]
        micro_batches: micro-batches m of a step [-]

    Source: derived from Narayanan et al. 2021, arXiv 2104.04473, section 2.2: each chunk of each micro-batch crosses
        once in each direction, after p - 1 hops until the pipeline is full; interleaving sends v times as much.

    >>> sends(4, 1, 8), sends(4, 2, 8)
    (22, 38)
    """
    return 2 * (chunks * micro_batches + stages - 1)


def in_flight(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations stage r of p holds at once under 1F1B.

    .. math:: \min\Big(m,\; p - r \;\text{or}\; \frac{2(p - r - 1) + (v - 1)\,p + 1}{v}\;[v > 1]\Big)

    Args:
        stages: pipeline stages p.
        chunks: chunks v of a stage (1: not interleaved).
        rank: stage r, from 0.
        micro_batches: micro-batches m of a step.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2; on the first stage interleaving holds
        1 + (p-1)/(pv) as much, Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.3.

    >>> in_flight(4, 1, 0, 8), in_flight(4, 1, 0, 2), in_flight(4, 1, 3, 8)
    (4.0, 2.0, 1.0)
    >>> in_flight(4, 3, 0, 8) / in_flight(4, 1, 0, 8) - 1, 3 / (4 * 3)
    (0.25, 0.25)
    """
    warm_up = (2 * (stages - rank - 1) + (chunks - 1) * stages + 1) / chunks
    return np.minimum(np.where(np.asarray(chunks) > 1, warm_up, stages - rank), micro_batches)
