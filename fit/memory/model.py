"""The rows that a fit of memory sees, its factors, and what they predict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fit import hierarchy
from fit.hierarchy import Array, Predict
from fit.memory.scores import ANY, Rows
from fit.memory.structure import FITTED, documented
from steelyard.catalog import load
from steelyard.catalog.stack_names import StackRule
from steelyard.evidence.frames.frame import RunFrame, frame_subset, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import PEAK_KINDS, measured_peak, peak_bytes, predict_step
from steelyard.evidence.frames.stacks import row_constants
from steelyard.evidence.runs.exclusions import counted
from steelyard.evidence.runs.reader import published_runs
from steelyard.step import stage_job
from steelyard.step.memory import heaviest_peak, shown_bytes
from steelyard.tables import Stack

GROUP_POWER = 0.5  # a source group of n rows weighs n^(1-power)
CONTEXT = 0.5  # weight of a row that is doubtful in some column, and never scored

KINDS = (*PEAK_KINDS, "needed")
"""Totals of a peak that are predicted: those that are measured, and what must fit."""


@dataclass(frozen=True)
class Factor:
    """One log factor: the stack it belongs to (or `any`), the field that it multiplies, its rows and prior sd."""

    stack: str
    field: str
    rows: NDArray[np.bool_]
    sd: float


def rows_of_cases() -> Rows:
    """Return every shipped case that measured a peak or ran out of memory."""
    found = run_frame(published_runs(), load(), predict_step)
    ran_out = np.array([run.out_of_memory == "yes" for run in found.runs])
    found = frame_subset(found, np.isfinite(measured(found).memory_bytes) | ran_out)
    seen = measured(found)
    scored = counted(found.runs, "memory") & np.isfinite(seen.memory_bytes)
    told = np.array([not _open(rule, assumed) for rule, assumed in zip(found.rules, found.assumed, strict=True)])
    doubtful = np.array([run.use == "context" for run in found.runs]) & np.isfinite(seen.memory_bytes)
    weight = hierarchy.balanced(found.labels.group, GROUP_POWER) * (scored + CONTEXT * doubtful) * told
    metric = np.where(seen.memory_metric == "", "device", seen.memory_metric)
    log_bytes = np.log(np.where(seen.memory_bytes > 0, seen.memory_bytes, np.nan))
    return Rows(found, metric, log_bytes, weight, scored, told)


def _open(rule: StackRule, assumed: frozenset[str]) -> bool:
    """Tell whether a row's layout, recompute or states were chosen, not stated or settled by its stack's rule."""
    if assumed & {"shape", "experts", "states"}:
        return True
    ruled = {"recompute"} if rule.recompute else set()
    return bool(assumed & {"layout", "recompute"} - ruled)


def hiding(rows: Rows, hidden: NDArray[np.bool_]) -> Rows:
    """Return the rows with some that weigh nothing and count nowhere."""
    weight, scored, settled = np.where(hidden, 0.0, rows.weight), rows.scored & ~hidden, rows.settled & ~hidden
    return replace(rows, weight=weight, scored=scored, settled=settled)


def factors(rows: Rows) -> list[Factor]:
    """Return every factor of the fit, the shared ones first."""
    labels = rows.frame.labels.stack
    everything = np.ones(len(labels), dtype=bool)
    found = [Factor(ANY, name, everything, prior.common) for name, prior in FITTED.items() if prior.common]
    for stack in sorted(set(labels) - {ANY}):
        found += [Factor(stack, name, labels == stack, prior.each) for name, prior in FITTED.items()]
    return found


def on_rows(parts: Sequence[Factor], rows: Rows) -> list[Factor]:
    """Return the factors of a fit as they act on other rows."""
    labels = rows.frame.labels.stack
    return [replace(part, rows=(labels == part.stack) | (part.stack == ANY)) for part in parts]


def before(rows: Rows) -> dict[str, Array]:
    """Return every memory constant over the rows before any fit: documented, then what a row says of itself."""
    labels = rows.frame.labels
    values = documented(labels.stack, labels.precision)
    for index, (run, rule) in enumerate(zip(rows.frame.runs, rows.frame.rules, strict=True)):
        given = row_constants(run, rule)
        for name in given.keys() & values.keys():
            values[name][index] = given[name]
    return values


def after(start: dict[str, Array], parts: Sequence[Factor], theta: Array) -> dict[str, Array]:
    """Return the fitted constants over the rows."""
    logs = {name: np.zeros(len(start[name])) for name in FITTED}
    for part, value in zip(parts, theta, strict=True):
        if value:
            logs[part.field] += value * part.rows
    return {name: start[name] * np.exp(log) for name, log in logs.items()}


def fitted_stack(rows: Rows, parts: Sequence[Factor], theta: Array) -> Stack:
    """Return the stacks of the rows with their fitted constants."""
    return replace(rows.frame.stack, **after(before(rows), parts, theta))


def predictor(rows: Rows, parts: Sequence[Factor]) -> Predict:
    """Return theta → log bytes of every row, in the metric that it measured.

    No factor moves what the tensors of a step take: that is computed once.
    """
    found, start = rows.frame, before(rows)
    bare = replace(found.stack, **start)
    peak = heaviest_peak(stage_job(found.job, found.layout), bare)

    def log_bytes(theta: Array) -> Array:
        fitted = replace(bare, **after(start, parts, theta))
        shown = shown_bytes(peak.total_bytes, peak.lesser_bytes, found.layout, found.machine, fitted)
        peaks = {name: np.asarray(getattr(shown, f"{name}_bytes")) for name in KINDS}
        return np.log(np.select([rows.metric == name for name in peaks], list(peaks.values()), default=np.nan))

    return log_bytes


def on_metric(rows: Rows, metric: str) -> Rows:
    """Return the rows as if each had measured one kind of peak."""
    return replace(rows, metric=np.full(len(rows.metric), metric))


def unnamed(rows: Rows) -> Array:
    """Return log predicted over measured peak of each row if nobody had named its stack; NaN where it has no answer."""
    found = run_frame([replace(run, stack="") for run in rows.frame.runs], load(), predict_step)
    peaks = measured_peak(replace(measured(found), memory_metric=_metrics(rows, found)), peak_bytes(found))
    logs = dict(zip(found.labels.id, np.log(peaks), strict=True))
    return np.array([logs.get(name, np.nan) for name in rows.frame.labels.id]) - rows.log_bytes


def _metrics(rows: Rows, found: RunFrame) -> NDArray[np.str_]:
    """Return what kind of memory each row of a frame measured: as the same rows say with their stacks' names."""
    known = dict(zip(rows.frame.labels.id, rows.metric, strict=True))
    return np.array([known[name] for name in found.labels.id])


def problem_of(rows: Rows, parts: Sequence[Factor]) -> hierarchy.Problem:
    """Return the fit: rows without a weight (or a measurement) are predicted and nothing else."""
    return hierarchy.Problem(
        measured=np.where(rows.weight > 0, rows.log_bytes, 0.0),
        weight=rows.weight,
        predict=predictor(rows, parts),
        loadings=np.stack([part.rows for part in parts]).astype(float),
        fields=tuple(part.field for part in parts),
        sd=np.array([part.sd for part in parts]),
    )
