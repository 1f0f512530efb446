"""What the code that runs and a catalog's constants predict of a frame's rows: seconds of a step, bytes of a device.

Beside these stand what a calibration measured of exactly a row, and figures too far from the predicted ones to be any.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from steelyard.catalog import Catalog, step_shift_row
from steelyard.catalog.local.slips import unit_slip
from steelyard.catalog.local.step_shift import MEASURED_STEP
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.measured import Measured
from steelyard.evidence.runs.exclusions import excluded
from steelyard.planner.measured.exact import configuration_text
from steelyard.step import StagedJob, memory, stage_job, time
from steelyard.tables import Job, Kernels, Layout, Machine, Stack, StepMemory, StepTime, take
from steelyard.units import Array

PEAK_KINDS = ("allocated", "reserved", "device")
"""The kinds of peak memory that are published."""


def predict_step(job: Job, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack) -> tuple[Array, Array]:
    """Return seconds of a step and bytes of a device: what chooses among layouts that a row leaves open."""
    staged = stage_job(job, layout)
    seconds = time(staged, machine, kernels, stack).total_s
    return np.asarray(seconds), np.asarray(memory(staged, machine, stack).device_bytes)


@lru_cache(maxsize=2)
def staged_runs(found: RunFrame) -> StagedJob:
    """Return the jobs of a frame cut into the stages of their layouts."""
    return stage_job(found.job, found.layout)


@lru_cache(maxsize=2)
def step_times(found: RunFrame) -> StepTime:
    """Return the predicted parts of a step of every row."""
    return time(staged_runs(found), found.machine, found.kernels, found.stack)


def step_seconds(found: RunFrame) -> Array:
    """Return the predicted seconds of a step of every row."""
    return _column(found, step_times(found).total_s)


def peak_bytes(found: RunFrame) -> dict[str, Array]:
    """Return the predicted peak of every row, by kind of memory (`PEAK_KINDS`)."""
    held = held_memory(found)
    return {name: _column(found, getattr(held, f"{name}_bytes")) for name in PEAK_KINDS}


@lru_cache(maxsize=2)
def held_memory(found: RunFrame) -> StepMemory:
    """Return where the bytes of every row's heaviest rank go."""
    return memory(staged_runs(found), found.machine, found.stack)


def measured_peak(seen: Measured, peaks: dict[str, Array]) -> Array:
    """Return, for every row, the predicted peak of the kind of memory that was measured; NaN where none was."""
    return np.select([seen.memory_metric == name for name in peaks], list(peaks.values()), default=np.nan)


def _column(found: RunFrame, values: Any) -> Array:
    return np.broadcast_to(np.asarray(values, dtype=float), len(found)).copy()


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


def slip_reasons(found: RunFrame, seen: Measured, seconds: Array, held: Array) -> tuple[str, ...]:
    """Return why each run's figures are no measurements of it: all of them are refused with one; empty: they may be.

    Args:
        found: the runs.
        seen: what was measured of them.
        seconds: of a step, predicted.
        held: bytes of the heaviest device, predicted.
    """
    ratios = np.broadcast(seen.step_s / seconds, seen.memory_bytes / held)
    return tuple(_reason(found, seen, index, float(a), float(b)) for index, (a, b) in enumerate(ratios))


def _reason(found: RunFrame, seen: Measured, index: int, time_ratio: float, memory_ratio: float) -> str:
    run, texts = found.runs[index], []
    for kind, what, metric, ratio in (
        ("time", "step time", str(seen.time_metric[index]), time_ratio),
        ("memory", "peak memory", "memory", memory_ratio),
    ):
        if ratio > 0 and not excluded(run, kind) and (slip := unit_slip(metric, ratio, run.devices)):
            texts.append(f"its {what} is {slip}")
    return f"{'; '.join(texts)}; correct the file, or leave the run out" if texts else ""
