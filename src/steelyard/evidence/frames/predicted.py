"""What the code that runs and a catalog's constants predict of a frame's rows: seconds of a step, bytes of a device.

Beside these stand what a calibration measured of exactly a row or of others like it, and figures too far from the
predicted ones to be any.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from steelyard.catalog import Catalog
from steelyard.catalog.local.slips import unit_slip
from steelyard.catalog.local.step_shift import MEASURED_STEP
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.measured import Measured
from steelyard.evidence.runs.exclusions import excluded
from steelyard.planner.measured.alike import gap_logs, measured_gaps, measured_name
from steelyard.planner.measured.exact import configuration_text, network_of
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
class MeasuredAlike:
    """What calibrations have measured of exactly each row, or tell of it by what is alike."""

    scale: Array  # of its predicted seconds; 1 where nothing was measured
    log_sd: Array  # of a repetition; NaN where exactly it was not measured


def row_text(found: RunFrame, row: int, stack: str, catalog: Catalog) -> str:
    """Return what decides the step of a row (`configuration_text`), counted for a stack."""
    layout, job, rule = take(found.layout, row), take(found.job, row), found.rules[row]
    stated = not found.assumed[row] & {"network", "network adapters"}
    network = network_of(take(found.machine, row), layout) if stated else math.nan
    return configuration_text(str(found.labels.accelerator[row]), layout, stack, rule.order, job, catalog, network)


def measured_alike(found: RunFrame, catalog: Catalog) -> MeasuredAlike:
    """Return what calibrations have measured of exactly the rows of a frame, or of others that are alike.

    Both stand beside the shift of their stacks. Source: `planner.measured.exact.as_measured`, which does the same of an
    estimate.
    """
    scale, log_sd = np.ones(len(found)), np.full(len(found), np.nan)
    gaps = measured_gaps(catalog)
    if gaps:
        texts = [row_text(found, row, str(found.labels.stack[row]), catalog) for row in range(len(found))]
        scale = np.exp(gap_logs(texts, gaps))
        for row, text in enumerate(texts):
            if name := measured_name(text, gaps):
                log_sd[row] = catalog.local.steps[name, "any", MEASURED_STEP].log_sd
    return MeasuredAlike(scale, log_sd)


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
