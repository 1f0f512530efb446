"""Whether memory decides rightly: rows that ran out of it and rows that ran, judged as `plan` judges a layout.

A layout *fits* if the upper end of the 90 % interval of its device memory is within the device's nominal memory, *does
not fit* if the lower end is above it, and *may not fit* in between.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.runs.run import is_known
from steelyard.evidence.score.outcomes import BoundedPredictions


@dataclass(frozen=True, slots=True)
class Feasibility:
    """The three answers on rows that ran out of memory and on rows that ran, as shares of them.

    Rows whose layout or recompute was chosen so that they fit say nothing here and are left out.
    """

    ran_out: int
    ran_out_fits: float  # share called "fits": a plan that fails
    ran_out_may_not: float
    ran_out_does_not: float
    ran: int
    ran_fits: float
    ran_may_not: float
    ran_does_not: float  # share called "does not fit": a plan that is missed
    left_out: float  # share of all these rows judged by constants that were fitted without their source


def feasibility(found: RunFrame, device: BoundedPredictions) -> Feasibility:
    """Judge every row that says how it was laid out and how it went, given its predicted device memory."""
    limit = np.broadcast_to(np.asarray(found.machine.memory_bytes, dtype=float), len(found))
    told = np.array([not assumed & {"layout", "recompute"} for assumed in found.assumed], dtype=bool)
    told &= found.labels.use != "context"
    out = told & np.array([run.out_of_memory == "yes" for run in found.runs], dtype=bool)
    ran = told & np.array([is_known(one.peak_memory_bytes) and not one.out_of_memory for one in found.runs], dtype=bool)
    low, high = device.low > limit, device.high <= limit
    return Feasibility(
        ran_out=int(out.sum()),
        ran_out_fits=_share(high, out),
        ran_out_may_not=_share(~high & ~low, out),
        ran_out_does_not=_share(low, out),
        ran=int(ran.sum()),
        ran_fits=_share(high, ran),
        ran_may_not=_share(~high & ~low, ran),
        ran_does_not=_share(low, ran),
        left_out=_share(device.held_out, out | ran),
    )


def _share(true: NDArray[np.bool_], rows: NDArray[np.bool_]) -> float:
    return float(np.mean(true[rows])) if rows.any() else math.nan
