"""What runs measured of exactly the configurations that they are of: it stands beside what they tell of others."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from steelyard.catalog import Fitted
from steelyard.catalog.local.step_shift import MEASURED_STEP, PUBLISHER_LOG_SD, repeated_shift
from steelyard.evidence.calibration.fitting import FittedShift, Fitting


def scatter_of(gaps: Sequence[float]) -> float:
    """Return the robust spread of repetitions about their median: 1.48 times the median distance, a normal's.

    >>> round(scatter_of([0.0, 0.1, 2.3]), 3), scatter_of([0.2])
    (0.148, 0.0)
    """
    return 1.4826 * float(np.median(np.abs(np.subtract(gaps, np.median(gaps)))))


def measured_rows(fitting: Fitting, made: FittedShift, blank: Fitted) -> list[Fitted]:
    """Return a local row for each configuration whose step was measured, repetitions of it together.

    Args:
        fitting: the runs, with the pair of stack and chip of each and how far its chip is open
        made: what they set: what is predicted of each with its shift
        blank: what all rows have in common

    Source: `repeated_shift`, of the median of repetitions; where they scatter more than repetitions do, as they do.
    """
    of, gaps = fitting.of, dict[str, list[float]]()
    opened: dict[str, float] = {}
    shifts = made.shifts.of(fitting.pairs)
    for place in np.flatnonzero(fitting.timed):
        row = int(of.owner[place])
        text = fitting.texts[row]
        gaps.setdefault(text, []).append(math.log(of.measured[place] / made.predicted[place]) + float(shifts[row]))
        opened[text] = math.hypot(PUBLISHER_LOG_SD, fitting.open_log_sds.get(str(fitting.pairs[row]), 0.0))
    found = []
    for text, some in gaps.items():
        middle = float(np.median(some))
        here = repeated_shift(middle, opened[text], len(some))
        value, log_sd = float(np.exp(here.log)), round(max(here.log_sd, scatter_of(some)), 4)
        note = "its step over that of shipped and calibrated constants, in place of the shift of its stack on its chip"
        found.append(
            replace(
                blank, entity=text, precision="any", quantity=MEASURED_STEP, value=value, unit="1", log_sd=log_sd,
                rows=len(some), note=note,
            )
        )  # fmt: skip
    return found
