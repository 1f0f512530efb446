"""What the code that runs and a catalog's constants predict of a frame's rows: seconds of a step, bytes of a device."""

from functools import lru_cache
from typing import Any

import numpy as np

from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.measured import Measured
from steelyard.step import StagedJob, memory, stage_job, time
from steelyard.tables import Job, Kernels, Layout, Machine, Stack, StepMemory, StepTime
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
