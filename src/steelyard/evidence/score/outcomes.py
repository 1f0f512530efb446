"""One figure of one case: what was measured, what is predicted, between what, or the reason why not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.measured import TIME_METRICS, Measured, in_metric, memory_fault
from steelyard.evidence.runs.exclusions import excluded
from steelyard.evidence.runs.run import Run
from steelyard.evidence.score.intervals import stored_prediction
from steelyard.evidence.score.taken_rows import taken_of_rows
from steelyard.units import NORMAL_90, Array


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """One figure of one case, in the unit in which it was published."""

    id: str
    group: str
    metric: str
    measured: float
    predicted: float
    low: float
    high: float
    error: float  # of the seconds or bytes: predicted / measured - 1
    live_error: float  # the same of what is predicted now, by constants that were fitted to this run as well
    scored: bool  # counted in the groups
    held_out: bool  # predicted by constants that were fitted without this run's source
    accelerator: str
    family: str  # of the accelerator
    stack: str
    assumed: tuple[str, ...]
    reason: str  # why it was not predicted, or not scored
    taken: tuple[str, ...] = ()  # what was taken of each setting in `assumed`, and what else it may be
    notes: tuple[str, ...] = ()  # where its figures disagree, and what of its words is not read


@dataclass(frozen=True, slots=True)
class BoundedPredictions:
    """Predictions in one unit with their 90 % intervals, an entry a row of the frame."""

    predicted: Array
    low: Array
    high: Array
    held_out: NDArray[np.bool_]
    live: Array  # predicted now, whatever was left out


def bounded_predictions(
    found: RunFrame, predicted: Array, ends: tuple[Array, Array], metric: str
) -> BoundedPredictions:
    """Return the predictions with their intervals; a stored held-out prediction takes the place of the fitted one."""
    values = [predicted.copy(), *(end.copy() for end in ends)]
    flags = np.zeros(len(found), dtype=bool)
    for index, run in enumerate(found.runs):
        own = stored_prediction(run, metric)
        if own is not None:
            flags[index] = True
            for column, value in zip(values, (own.predicted, own.low, own.high), strict=True):
                column[index] = value
    return BoundedPredictions(values[0], values[1], values[2], flags, predicted)


def ends_of(predicted: Array, log_sd: Array) -> tuple[Array, Array]:
    """Return both ends of the 90 % interval of predictions.

    >>> low, high = ends_of(np.array([100.0]), np.array([0.1]))
    >>> low.round(1).tolist(), high.round(1).tolist()
    ([84.8], [117.9])
    """
    width = np.exp(NORMAL_90 * log_sd)
    return predicted / width, predicted * width


def time_outcomes(
    found: RunFrame, seen: Measured, held: BoundedPredictions, wrong: Sequence[str], catalog: Catalog
) -> list[RunOutcome]:
    """Return one outcome a run for its time, in the metric that it publishes; `wrong`: why figures are none of it."""
    value, one, two = (
        in_metric(seen.time_metric, seen.per_step, part) for part in (held.predicted, held.low, held.high)
    )
    low, high = np.minimum(one, two), np.maximum(one, two)
    found_outcomes, taken = [], taken_of_rows(found, catalog)
    for index, run in enumerate(found.runs):
        reason = seen.time_reason[index] or excluded(run, "time") or wrong[index]
        predicted = float(held.predicted[index])
        metric = str(seen.time_metric[index])
        found_outcomes.append(
            RunOutcome(
                id=run.id,
                group=run.group,
                metric=metric or "step_time_s",
                measured=float(seen.time_value[index]),
                predicted=float(value[index]) if metric else predicted,
                low=float(low[index]) if metric else float(held.low[index]),
                high=float(high[index]) if metric else float(held.high[index]),
                error=predicted / float(seen.step_s[index]) - 1,
                live_error=float(held.live[index] / seen.step_s[index]) - 1,
                scored=not reason and math.isfinite(predicted),
                held_out=bool(held.held_out[index]),
                **_labels(found, index),
                assumed=tuple(sorted(found.assumed[index] | seen.assumed[index])),
                reason=reason
                if math.isfinite(predicted)
                else reason or "the catalog lacks a figure that the step needs",
                taken=taken[index],
                notes=(*seen.notes[index], *_not_read(found, index)),
            )
        )
    return found_outcomes


def memory_outcomes(
    found: RunFrame, seen: Measured, held: BoundedPredictions, wrong: Sequence[str], catalog: Catalog
) -> list[RunOutcome]:
    """Return one outcome for every run that publishes a peak; `assumed` says if the kind of memory was not stated."""
    found_outcomes, taken = [], taken_of_rows(found, catalog)
    for index, run in enumerate(found.runs):
        if not (run.peak_memory_bytes > 0 or memory_fault(run)):
            continue
        reason = seen.memory_reason[index] or excluded(run, "memory") or wrong[index]
        metric = str(seen.memory_metric[index])
        guessed = {f"memory is {metric}"} if metric and not seen.metric_known[index] else set()
        assumed = found.assumed[index] | guessed
        predicted = float(held.predicted[index])
        found_outcomes.append(
            RunOutcome(
                id=run.id,
                group=run.group,
                metric=f"peak_memory_{metric}_bytes" if metric else "peak_memory_bytes",
                measured=run.peak_memory_bytes,
                predicted=predicted,
                low=float(held.low[index]),
                high=float(held.high[index]),
                error=predicted / run.peak_memory_bytes - 1,
                live_error=float(held.live[index]) / run.peak_memory_bytes - 1,
                scored=not reason and math.isfinite(predicted),
                held_out=bool(held.held_out[index]),
                **_labels(found, index),
                assumed=tuple(sorted(assumed)),
                reason=reason,
                taken=taken[index],
                notes=_not_read(found, index),
            )
        )
    return found_outcomes


def refused_outcomes(run: Run, reason: str) -> list[RunOutcome]:
    """Return the outcomes of a run that could not be predicted: what it published, and why there is no prediction."""
    time = next((name for name in TIME_METRICS if getattr(run, name) > 0), "")
    published = [(name, getattr(run, name)) for name in (time, "peak_memory_bytes") if name and getattr(run, name) > 0]
    nothing = float("nan")
    unknown: dict[str, Any] = dict.fromkeys(("predicted", "low", "high", "error", "live_error"), nothing)
    return [
        RunOutcome(
            id=run.id,
            group=run.group,
            metric=name,
            measured=value,
            **unknown,
            scored=False,
            held_out=False,
            accelerator="",
            family="",
            stack="",
            assumed=(),
            reason=reason,
            notes=tuple(f"not read: {words}" for words in run.strange),
        )
        for name, value in published or [("none", nothing)]
    ]


def _not_read(found: RunFrame, index: int) -> tuple[str, ...]:
    return tuple(f"not read: {words}" for words in found.notes[index])


def _labels(found: RunFrame, index: int) -> dict[str, str]:
    return {name: str(getattr(found.labels, name)[index]) for name in ("accelerator", "family", "stack")}
