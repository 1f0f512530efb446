"""Rows of configurations that a calibration has measured: what their steps are by it, as an estimate has it."""

from dataclasses import dataclass

import numpy as np

from steelyard.catalog import Catalog, step_shift_row
from steelyard.catalog.local.step_shift import MEASURED_STEP
from steelyard.evidence.frames.frame import RunFrame
from steelyard.planner.measured.exact import configuration_text
from steelyard.tables import take
from steelyard.units import Array


@dataclass(frozen=True, slots=True)
class MeasuredExactly:
    """What calibrations have measured of exactly each row."""

    scale: Array  # of its predicted seconds; 1 where nothing was measured
    log_sd: Array  # of a repetition; NaN where nothing was measured


def row_text(found: RunFrame, row: int, stack: str, catalog: Catalog) -> str:
    """Return what decides the step of a row (`configuration_text`), counted for a stack."""
    layout, job, rule = take(found.layout, row), take(found.job, row), found.rules[row]
    return configuration_text(str(found.labels.accelerator[row]), layout, stack, rule.order, job, catalog)


def measured_exactly(found: RunFrame, catalog: Catalog) -> MeasuredExactly:
    """Return what calibrations have measured of exactly the rows of a frame, in place of the shift of their stacks.

    Source: `planner.measured.exact.as_measured`, which does the same of an estimate.
    """
    scale, log_sd = np.ones(len(found)), np.full(len(found), np.nan)
    if any(quantity == MEASURED_STEP for _, _, quantity in catalog.local.steps):
        for row in range(len(found)):
            stack = str(found.labels.stack[row])
            own = catalog.local.steps.get((row_text(found, row, stack, catalog), "any", MEASURED_STEP))
            if own is not None:
                shift = step_shift_row(stack, str(found.labels.accelerator[row]), catalog)
                scale[row], log_sd[row] = own.value / (shift.value if shift else 1.0), own.log_sd
    return MeasuredExactly(scale, log_sd)
