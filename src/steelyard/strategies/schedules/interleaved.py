"""Interleaved 1F1B: a stage holds v chunks of blocks, so that the pipeline fills v times as fast."""

import numpy as np

from steelyard.strategies.schedule import Passes, PipelineSchedule, YesNo, sends_in_turn
from steelyard.units import Count


def bubble_ticks_interleaved(stages: Count, chunks: Count, micro_batches: Count, passes: Passes) -> Count:
    r"""Ticks that a stage idles while the pipeline fills and drains, a tick being one micro-batch of all its chunks.

    .. math:: \frac{p - 1}{v}

    Args:
        stages: pipeline stages p [-]
        chunks: chunks v of a stage [-]
        micro_batches: micro-batches of a step; the bubble does not depend on them [-]
        passes: what of a tick each pass takes, which does not matter here [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.2: the bubble over the ideal time of m micro-batches is
        (p-1)/(v m).
    Limits: ticks of equal length.

    >>> from steelyard.strategies.schedule import THIRDS
    >>> bubble_ticks_interleaved(8, 4, 64, THIRDS) / 64
    0.02734375
    """
    return (stages - 1) / chunks


def in_flight_interleaved(stages: Count, chunks: Count, rank: Count, micro_batches: Count) -> Count:
    r"""Micro-batches whose activations stage r of p holds at once, in all its chunks.

    .. math:: \min\Big(m,\; \frac{2(p - r - 1) + (v - 1)\,p + 1}{v}\Big)

    Args:
        stages: pipeline stages p [-]
        chunks: chunks v of a stage [-]
        rank: stage r, from 0 [-]
        micro_batches: micro-batches m of a step [-]

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.2; on the first stage interleaving holds
        1 + (p-1)/(pv) as much as 1F1B, Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.3.

    >>> in_flight_interleaved(4, 3, 0, 8), 4 * (1 + 3 / (4 * 3))
    (5.0, 5.0)
    """
    return np.minimum((2 * (stages - rank - 1) + (chunks - 1) * stages + 1) / chunks, micro_batches)


def dividing_stages(stages: Count, micro_batches: Count) -> YesNo:
    """Return whether the stages divide the micro-batches, as interleaving needs.

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2.2: micro-batches are a multiple of the stages.

    >>> bool(dividing_stages(4, 8)), bool(dividing_stages(4, 10))
    (True, False)
    """
    divided: YesNo = np.equal(np.asarray(micro_batches) % np.maximum(stages, 1), 0)
    return divided


INTERLEAVED = PipelineSchedule(
    name="interleaved",
    code=1,
    chunked=True,
    falls=True,
    bubble_ticks=bubble_ticks_interleaved,
    sends=sends_in_turn,
    in_flight=in_flight_interleaved,
    takes=dividing_stages,
    needs="a number of micro-batches that the stages divide",
    also=("interleaved1f1b",),
)
