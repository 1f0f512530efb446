"""`validate`: predict the cases, compare, score. What cannot be predicted or compared is listed with its reason."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog, load
from steelyard.errors import BadInput
from steelyard.step import memory, time
from steelyard.tables import Job, Kernels, Layout, Machine, Stack
from steelyard.units import Array
from steelyard.validation import spread
from steelyard.validation.baselines import constant_s, six_nd_s
from steelyard.validation.case import Case
from steelyard.validation.fitting import Fits, fits
from steelyard.validation.frame import Frame, frame
from steelyard.validation.measured import Measured, measured
from steelyard.validation.outcomes import Outcome, bounds, memory_outcomes, refused, time_outcomes
from steelyard.validation.ranking import JobSet, Ranking, job_sets, rankings
from steelyard.validation.score import GroupScore, Summary, score, summary
from steelyard.validation.spread import memory_log_sd, time_log_sd
from steelyard.workload import workload

LABELS = ("group", "publisher", "chip", "family", "stack", "precision")
"""What scores can be grouped by."""

TIME, MEMORY, DEVICE = "step_time_s", "peak_memory_bytes", "device_memory_bytes"
"""The metrics of held-out predictions, whatever a case itself published."""


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes, the scores of time and of memory by group, and how well layouts of one job are ranked."""

    cases: tuple[Outcome, ...]
    time: tuple[GroupScore, ...]
    memory: tuple[GroupScore, ...]
    time_summary: Summary
    memory_summary: Summary
    sets: tuple[JobSet, ...]
    ranking: tuple[Ranking, ...]
    fits: Fits

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints; unknown numbers are null."""
        groups = [{"kind": "time"} | asdict(one) for one in self.time]
        groups += [{"kind": "memory"} | asdict(one) for one in self.memory]
        parts = {"time": asdict(self.time_summary), "memory": asdict(self.memory_summary), "fits": asdict(self.fits)}
        return {
            "cases": [_plain(asdict(one)) for one in self.cases],
            "groups": [_plain(one) for one in groups],
            "ranking": [_plain(asdict(one)) for one in self.ranking],
            "sets": [_plain(asdict(one)) for one in self.sets],
            "summary": {name: _plain(part) for name, part in parts.items()},
        }


def validate(cases: Sequence[Case], by: str = "group", catalog: Catalog | None = None) -> Report:
    """Predict and score published runs, each prediction with a 90 % interval.

    Args:
        cases: published runs, shipped (`read.shipped`) or read from a file (`read.read`).
        by: what the scores are grouped by: group, publisher, chip, family, stack or precision.
        catalog: the catalog to predict with; the shipped one if None.
    """
    if by not in LABELS:
        raise BadInput(f"cannot group by {by!r}; choose one of {', '.join(LABELS)}")
    catalog = catalog or load()
    found = frame(cases, catalog, predict)
    seen = measured(found)
    labels = getattr(found.labels, by)
    times = bounds(found, _seconds(found), time_log_sd(found, catalog), TIME)
    time_cases = time_outcomes(found, seen, times)
    truth_s = _scored(found, time_cases, seen.step_s)
    by_time = score(
        labels,
        truth_s,
        times.predicted,
        times.low,
        times.high,
        constant_s(found, truth_s),
        six_nd_s(found),
        _seen(found, TIME),
    )
    memory_cases, by_memory, fitting = _memory(found, seen, labels, catalog)
    sets = job_sets(found, labels, truth_s, times.predicted)
    left = (one for case, reason in found.unpredicted for one in refused(case, reason))
    return Report(
        cases=(*time_cases, *memory_cases, *left),
        time=by_time,
        memory=by_memory,
        time_summary=summary(by_time),
        memory_summary=summary(by_memory),
        sets=sets,
        ranking=rankings(sets),
        fits=fitting,
    )


def _memory(
    found: Frame, seen: Measured, labels: NDArray[np.str_], catalog: Catalog
) -> tuple[list[Outcome], tuple[GroupScore, ...], Fits]:
    """Return the outcomes and scores of peak memory, and whether it decides rightly."""
    held = memory(found.job, found.layout, found.machine, found.stack)
    peaks = {name: _column(found, getattr(held, f"{name}_bytes")) for name in ("allocated", "reserved", "device")}
    log_sd = memory_log_sd(found, catalog)
    one = bounds(found, _of_metric(seen, peaks), log_sd, MEMORY)
    outcomes = memory_outcomes(found, seen, one)
    truth = _scored(found, outcomes, seen.memory_bytes)
    scores = score(labels, truth, one.predicted, one.low, one.high, seen=_seen(found, MEMORY))
    return outcomes, scores, fits(found, bounds(found, peaks["device"], log_sd, DEVICE))


def predict(job: Job, layout: Layout, machine: Machine, kernels: Kernels, stack: Stack) -> tuple[Array, Array]:
    """Return seconds of a step and bytes of a device: what chooses among layouts that a row leaves open."""
    seconds = time(job, workload(job), layout, machine, kernels, stack).total_s
    return np.asarray(seconds), np.asarray(memory(job, layout, machine, stack).device_bytes)


def _seconds(found: Frame) -> Array:
    step = time(found.job, workload(found.job), found.layout, found.machine, found.kernels, found.stack)
    return _column(found, step.total_s)


def _column(found: Frame, values: Any) -> Array:
    return np.broadcast_to(np.asarray(values, dtype=float), len(found)).copy()


def _of_metric(seen: Measured, peaks: dict[str, Array]) -> Array:
    """Return, for every case, the predicted peak of the kind of memory that was measured."""
    return np.select([seen.memory_metric == name for name in peaks], list(peaks.values()), default=math.nan)


def _scored(found: Frame, outcomes: Sequence[Outcome], truth: Array) -> Array:
    counted = {one.id for one in outcomes if one.scored}
    return np.where([case.id in counted for case in found.cases], truth, math.nan) if len(found) else truth


def _seen(found: Frame, metric: str) -> NDArray[np.str_]:
    return np.array([spread.seen(case, metric) for case in found.cases], dtype=np.str_)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON can hold it: unknown numbers become null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
