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
from steelyard.validation.baselines import constant_s, six_nd_s
from steelyard.validation.case import Case, known
from steelyard.validation.frame import FITS, Frame, frame
from steelyard.validation.measured import Measured, measured
from steelyard.validation.outcomes import Outcome, bounds, memory_outcomes, refused, time_outcomes
from steelyard.validation.score import GroupScore, Summary, score, summary
from steelyard.validation.spread import NORMAL_90, memory_log_sd, time_log_sd
from steelyard.workload import workload

LABELS = ("group", "publisher", "chip", "family", "stack", "precision")
"""What scores can be grouped by."""


@dataclass(frozen=True, slots=True)
class Fits:
    """Whether memory decides rightly: rows that ran out, and rows that ran, against `FITS` of the nominal memory.

    With its 90 % interval a prediction is one of three: fits, may not fit, does not fit. Rows whose layout or recompute
    was chosen so that they fit say nothing here and are left out.
    """

    ran_out: int
    ran_out_refused: float  # share of them predicted not to fit
    ran_out_doubted: float  # share of them not called "fits"
    ran: int
    ran_allowed: float  # share of them predicted to fit
    ran_not_refused: float  # share of them not called "does not fit"


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes, and the scores of time and of memory by group."""

    cases: tuple[Outcome, ...]
    time: tuple[GroupScore, ...]
    memory: tuple[GroupScore, ...]
    time_summary: Summary
    memory_summary: Summary
    fits: Fits

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints; unknown numbers are null."""
        groups = [{"kind": "time"} | asdict(one) for one in self.time]
        groups += [{"kind": "memory"} | asdict(one) for one in self.memory]
        parts = {"time": asdict(self.time_summary), "memory": asdict(self.memory_summary), "fits": asdict(self.fits)}
        return {
            "cases": [_plain(asdict(one)) for one in self.cases],
            "groups": [_plain(one) for one in groups],
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
    groups = getattr(found.labels, by)
    held = memory(found.job, found.layout, found.machine, found.stack)
    peaks = {name: _column(found, getattr(held, f"{name}_bytes")) for name in ("allocated", "reserved", "device")}
    time_bounds = bounds(found, _seconds(found), time_log_sd(found, catalog), "step_time_s")
    memory_bounds = bounds(found, _of_metric(seen, peaks), memory_log_sd(found, catalog), "peak_memory_bytes")
    times, memories = time_outcomes(found, seen, time_bounds), memory_outcomes(found, seen, memory_bounds)
    truth_s = _scored(found, times, seen.step_s)
    by_time = score(
        groups,
        truth_s,
        time_bounds.predicted,
        time_bounds.low,
        time_bounds.high,
        constant_s(found, truth_s),
        six_nd_s(found),
    )
    truth_bytes = _scored(found, memories, seen.memory_bytes)
    by_memory = score(groups, truth_bytes, memory_bounds.predicted, memory_bounds.low, memory_bounds.high)
    return Report(
        cases=(*times, *memories, *(one for case, reason in found.unpredicted for one in refused(case, reason))),
        time=by_time,
        memory=by_memory,
        time_summary=summary(by_time),
        memory_summary=summary(by_memory),
        fits=_fits(found, peaks["device"], memory_log_sd(found, catalog)),
    )


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


def _fits(found: Frame, device_bytes: Array, log_sd: Array) -> Fits:
    limit = FITS * _column(found, found.machine.memory_bytes)
    width = np.exp(NORMAL_90 * log_sd)
    told = np.array([not assumed & {"layout", "recompute"} for assumed in found.assumed], dtype=bool)
    told &= found.labels.use != "context"
    out = told & np.array([case.out_of_memory == "yes" for case in found.cases], dtype=bool)
    ran = told & np.array(
        [known(case.peak_memory_bytes) and not case.out_of_memory for case in found.cases], dtype=bool
    )
    return Fits(
        ran_out=int(out.sum()),
        ran_out_refused=_share(device_bytes > limit, out),
        ran_out_doubted=_share(device_bytes * width > limit, out),
        ran=int(ran.sum()),
        ran_allowed=_share(device_bytes <= limit, ran),
        ran_not_refused=_share(device_bytes / width <= limit, ran),
    )


def _share(true: NDArray[np.bool_], rows: NDArray[np.bool_]) -> float:
    return float(np.mean(true[rows])) if rows.any() else math.nan


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON can hold it: unknown numbers become null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
