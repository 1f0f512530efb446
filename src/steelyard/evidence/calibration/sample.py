"""From runs to what the constants are updated with: measured logarithms, their noise, and the model of them."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.local.layer import slug
from steelyard.catalog.local.step_shift import RUN_LOG_SD
from steelyard.evidence.calibration.constants import (
    ALLOCATOR,
    MOST_ALLOCATOR_SD,
    Constant,
    shifted_tables,
    unmended_noise,
)
from steelyard.evidence.calibration.noise import GUESS_LOG_SD, MEMORY_NOISE
from steelyard.evidence.calibration.posterior import Evidence, slope_of
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.measured import NO_PEAK, NO_TIME, Measured, measured
from steelyard.evidence.frames.predicted import PEAK_KINDS, predict_step, slip_reasons
from steelyard.evidence.runs.exclusions import excluded
from steelyard.evidence.score.intervals import GUESSED
from steelyard.evidence.score.open_states import open_rows
from steelyard.step import StagedJob, memory, stage_job, time
from steelyard.units import Array

ALLOCATED = "peak_memory_allocated_bytes"


OPEN_PEAK = "its script decides how wide states are; write precision bf16-mixed or bf16-pure"
"""Why the peak of a run teaches nothing whose states are open: it would be learnt as the allocator's."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The usable measurements of a frame: those of time first, then those of memory."""

    found: RunFrame
    staged: StagedJob  # of the frame
    owner: NDArray[np.int_]  # row of the frame
    metric: NDArray[np.str_]  # step_time_s, or peak_memory_<kind>_bytes
    measured: Array  # seconds or bytes
    refused: tuple[tuple[str, str], ...]  # id and reason of runs that give nothing, or not all that they measured


def sample_of(found: RunFrame) -> Sample:
    """Return the measurements of a frame that constants can be updated with, and why the rest cannot."""
    seen = measured(found)
    seconds, held = predict_step(found.job, found.layout, found.machine, found.kernels, found.stack)
    size = len(found)
    known_s, known_bytes = (np.isfinite(np.broadcast_to(one, size)) for one in (seconds, held))
    wrong = slip_reasons(found, seen, seconds, held)
    right = np.array([not text for text in wrong], dtype=bool)
    timed = np.isfinite(seen.step_s) & known_s & _counted(found, "time") & right
    weighed = np.isfinite(seen.memory_bytes) & known_bytes & _counted(found, "memory") & right & ~open_rows(found)
    silent = [index for index in range(size) if not timed[index] and not weighed[index]]
    return Sample(
        found=found,
        staged=stage_job(found.job, found.layout),
        owner=np.concatenate([np.flatnonzero(timed), np.flatnonzero(weighed)]),
        metric=np.array(
            ["step_time_s"] * int(timed.sum()) + [f"peak_memory_{kind}_bytes" for kind in seen.memory_metric[weighed]],
            dtype=np.str_,
        ),
        measured=np.concatenate([seen.step_s[timed], seen.memory_bytes[weighed]]),
        refused=(
            *((run.id, reason) for run, reason in found.unpredicted),
            *((found.runs[index].id, wrong[index] or _reason(found, seen, index)) for index in silent),
            *_halves(found, seen, timed, weighed),
        ),
    )


def _halves(
    found: RunFrame, seen: Measured, timed: NDArray[np.bool_], weighed: NDArray[np.bool_]
) -> list[tuple[str, str]]:
    """Return the figures that are not used of runs of which another is, with the reason."""
    told = []
    for index, run in enumerate(found.runs):
        time, memory = seen.time_reason[index], seen.memory_reason[index]
        if weighed[index] and not timed[index] and time != NO_TIME:
            told.append((run.id, f"its step time: {time or excluded(run, 'time')}"))
        if timed[index] and not weighed[index] and memory != NO_PEAK:
            told.append((run.id, f"its peak memory: {memory or excluded(run, 'memory') or OPEN_PEAK}"))
    return told


def evidence_of(of: Sample, parts: list[Constant], used: NDArray[np.bool_], offset: Array) -> Evidence:
    """Return the evidence that the measurements are; one that is not used has an infinite noise.

    Args:
        of: the measurements
        parts: the constants
        used: which measurements tell something
        offset: what is added to the logarithm of each prediction: the shift of a step
    """
    scatter = np.where(of.metric == "step_time_s", RUN_LOG_SD, MEMORY_NOISE)
    for part in parts:
        if part.carrier:
            scatter[carried_by(of, part)] = unmended_noise(part.row)
    guessed = np.array([bool(of.found.assumed[row] & GUESSED) for row in of.owner], dtype=float)
    scatter = np.hypot(scatter, GUESS_LOG_SD * guessed)
    return Evidence(
        measured=np.log(of.measured),
        noise=np.where(used, scatter, np.inf),
        predict=lambda shift: np.log(shifted_predictions(of, parts, shift)) + offset,
        sd=np.array([part.sd for part in parts]),
    )


def weighted_allocator(of: Sample, parts: list[Constant]) -> list[Constant]:
    """Return constants whose parts inside the allocator have, together, the spread of a whole allocated peak.

    Where a peak is mostly parameters and moments, which no fit made, its other parts are as much less certain, up to
    `MOST_ALLOCATOR_SD`.
    """
    inside = [i for i, part in enumerate(parts) if part.field in ALLOCATOR]
    if not inside:
        return parts
    nothing = np.zeros(len(of.measured))
    slope, _ = slope_of(evidence_of(of, parts, nothing == 0, nothing), np.zeros(len(parts)))
    made = list(parts)
    for i in inside:
        mine = [k for k in inside if (parts[k].entity, parts[k].precision) == (parts[i].entity, parts[i].precision)]
        peaks = parts[i].rows[of.owner] & (of.metric == ALLOCATED)
        share = math.sqrt(float((slope[mine][:, peaks] ** 2).sum(axis=0).mean())) if peaks.any() else 0.0
        made[i] = replace(parts[i], sd=min(parts[i].sd / share, MOST_ALLOCATOR_SD) if share > 0 else parts[i].sd)
    return made


def shifted_predictions(of: Sample, parts: list[Constant], shift: Array) -> Array:
    """Return seconds or bytes of every measurement (the last axis) after shifts of the constants' logarithms.

    Args:
        of: the measurements
        parts: the constants
        shift: of each constant along the last axis; before it an axis of as many sets of shifts as there are
    """
    found, size = of.found, len(of.found)
    kernels, stack = shifted_tables(found, parts, shift)
    seconds = time(of.staged, found.machine, kernels, stack).total_s
    held = memory(of.staged, found.machine, stack)
    columns = {f"peak_memory_{kind}_bytes": getattr(held, f"{kind}_bytes") for kind in PEAK_KINDS}
    columns["step_time_s"] = seconds
    shape = (*np.shape(shift)[:-1], size)
    whole = {
        name: np.broadcast_to(np.asarray(values, dtype=float), shape)[..., of.owner] for name, values in columns.items()
    }
    return np.asarray(np.select([of.metric == name for name in whole], list(whole.values())))


def carried_by(of: Sample, carrier: Constant) -> NDArray[np.bool_]:
    """Return which measurements a stack's carrier of memory stands for."""
    return np.asarray(carrier.rows[of.owner] & (of.metric != "step_time_s"))


def stack_names(found: RunFrame, label: str) -> NDArray[np.str_]:
    """Return the stack that each run counts for: a known one, else one of the user's own words, else the label."""
    own = [slug(run.stack) or slug(label) for run in found.runs]
    kept = zip(found.labels.stack, own, strict=True)
    return np.array([mine if base == "any" else str(base) for base, mine in kept], dtype=np.str_)


def _counted(found: RunFrame, metric: str) -> NDArray[np.bool_]:
    return np.array([not excluded(run, metric) for run in found.runs], dtype=bool)


def _reason(found: RunFrame, seen: Measured, index: int) -> str:
    run = found.runs[index]
    why = excluded(run, "time") or seen.time_reason[index]
    return why or "the catalog lacks a figure that the step needs (the network between the nodes?)"
