"""`validate`: predict the cases, compare, score. What cannot be predicted or compared is listed with its reason."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog, load
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.frames.measured import Measured, measured
from steelyard.evidence.frames.predicted import (
    measured_alike,
    measured_peak,
    peak_bytes,
    predict_step,
    slip_reasons,
    step_seconds,
)
from steelyard.evidence.runs.run import Run
from steelyard.evidence.runs.unusable import unusable_text
from steelyard.evidence.score import intervals
from steelyard.evidence.score.baselines import constant_s, six_nd_s
from steelyard.evidence.score.feasibility import Feasibility, feasibility
from steelyard.evidence.score.fingerprints import check_fingerprints
from steelyard.evidence.score.groups import GroupScore, ScoreSummary, group_scores, score_summary
from steelyard.evidence.score.intervals import device_interval, memory_log_sd, time_log_sd
from steelyard.evidence.score.live import DEVICE, MEMORY, TIME
from steelyard.evidence.score.open_states import with_open_states
from steelyard.evidence.score.outcomes import (
    RunOutcome,
    bounded_predictions,
    ends_of,
    memory_outcomes,
    refused_outcomes,
    time_outcomes,
)
from steelyard.evidence.score.ranking import JobSet, Ranking, job_sets, rankings
from steelyard.formatting.answer import Answer, refused_as_input
from steelyard.formatting.decode import decode
from steelyard.formatting.figures import percent
from steelyard.units import Array

_LABELS = ("group", "publisher", "accelerator", "family", "stack", "precision")
"""What scores can be grouped by."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Validation(Answer):
    """All outcomes, the scores of time and of memory by group, and how well layouts of one job are ranked."""

    cases: tuple[RunOutcome, ...]
    time: tuple[GroupScore, ...]
    memory: tuple[GroupScore, ...]
    time_summary: ScoreSummary
    memory_summary: ScoreSummary
    sets: tuple[JobSet, ...]
    ranking: tuple[Ranking, ...]
    fits: Feasibility

    def headline(self) -> str:
        """Return the mean errors of time and memory."""
        time, memory = (percent(one.mean_of_medians, 3) for one in (self.time_summary, self.memory_summary))
        return f"step time {time}, peak memory {memory} (means of the medians of groups), {len(self.cases):,} cases"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the scores of step time, a row a group."""
        rows = [(one.group, f"{one.n:,}", percent(one.median_error), percent(one.p90_error)) for one in self.time]
        return (("step time of", "cases", "median error", "90th percentile"), *rows)

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

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Return the answer that `to_dict` was made of; `BadInput` where it is none."""
        with refused_as_input():
            given = decode(Mapping[str, Any], found)
            if lacking := [name for name in ("cases", "groups", "ranking", "sets", "summary") if name not in given]:
                raise BadInput(f"it is no Validation: it lacks {', '.join(lacking)}")
            summary = decode(Mapping[str, Any], given["summary"])
            groups = decode(tuple[Mapping[str, Any], ...], given["groups"])
            parts = {kind: [one for one in groups if one.get("kind") == kind] for kind in ("time", "memory")}
            totals = {"time_summary": summary.get("time"), "memory_summary": summary.get("memory")}
            made: Self = decode(cls, {**given, **parts, **totals, "fits": summary.get("fits")})
        return made


def validate_runs(runs: Sequence[Run], by: str = "group", catalog: Catalog | None = None) -> Validation:
    """Predict and score published runs, each prediction with a 90 % interval.

    Runs whose source a fit has left out are scored by the figures that it stored, beside what is predicted of them now.
    Other runs have no stored figures and are scored by what is predicted now alone.

    Args:
        runs: published runs, shipped (`read.shipped`) or read from a file (`read.read`).
        by: what the scores are grouped by: group, publisher, accelerator, family, stack or precision.
        catalog: the catalog to predict with; the shipped one if None.

    Raises:
        StaleFigures: stored figures are asked for that other code or constants have made.
    """
    _check_label(by)
    catalog = catalog or load()
    if any(intervals.stored_prediction(run, metric) for run in runs for metric in (TIME, MEMORY, DEVICE)):
        check_fingerprints(catalog)
    return scored_runs(runs, by, catalog)


def scored_runs(runs: Sequence[Run], by: str = "group", catalog: Catalog | None = None) -> Validation:
    """Score as `validate_runs` does, but do not ask whether the stored figures belong to this code: it is refitted."""
    _check_label(by)
    catalog = catalog or load()
    found = run_frame(runs, catalog, predict_step)
    seen = measured(found)
    labels = getattr(found.labels, by)
    own = measured_alike(found, catalog)
    now_s = step_seconds(found) * own.scale
    wrong = slip_reasons(found, seen, now_s, peak_bytes(found)["device"])
    log_sd = np.where(np.isnan(own.log_sd), time_log_sd(found, catalog), own.log_sd)
    times = bounded_predictions(found, now_s, ends_of(now_s, log_sd), TIME)
    time_cases = time_outcomes(found, seen, times, wrong, catalog)
    truth_s = _scored(found, time_cases, seen.step_s)
    by_time = group_scores(
        labels,
        truth_s,
        times.predicted,
        times.low,
        times.high,
        constant_s(found, truth_s),
        six_nd_s(found),
        _seen(found, TIME),
        now_s,
    )
    memory_cases, by_memory, fitting = _memory(found, seen, labels, wrong, catalog)
    sets = job_sets(found, labels, truth_s, times.predicted)
    left = (one for run, reason in found.unpredicted for one in refused_outcomes(run, reason))
    return Validation(
        cases=(*time_cases, *memory_cases, *left),
        time=by_time,
        memory=by_memory,
        time_summary=score_summary(by_time),
        memory_summary=score_summary(by_memory),
        sets=sets,
        ranking=rankings(sets),
        fits=fitting,
    )


def check_any_scored(found: Validation, source: str) -> None:
    """Raise `BadInput` where no figure of a file is scored, nor tells whether its run fits, with the reasons."""
    if not any(case.scored for case in found.cases) and not found.fits.ran_out + found.fits.ran:
        raise BadInput(unusable_text(source, [*dict.fromkeys((case.id, case.reason) for case in found.cases)]))


def _check_label(by: str) -> None:
    if by not in _LABELS:
        raise BadInput(f"cannot group by {by!r}; choose one of {', '.join(_LABELS)}")


def _memory(
    found: RunFrame, seen: Measured, labels: NDArray[np.str_], wrong: Sequence[str], catalog: Catalog
) -> tuple[list[RunOutcome], tuple[GroupScore, ...], Feasibility]:
    """Return the outcomes and scores of peak memory, and whether it decides rightly."""
    peaks = peak_bytes(found)
    now = measured_peak(seen, peaks)
    log_sd = memory_log_sd(found, seen.memory_metric, catalog)
    now, *ends = with_open_states(found, seen.memory_metric, (now, *ends_of(now, log_sd)), catalog)
    one = bounded_predictions(found, now, (ends[0], ends[1]), MEMORY)
    outcomes = memory_outcomes(found, seen, one, wrong, catalog)
    truth = _scored(found, outcomes, seen.memory_bytes)
    scores = group_scores(labels, truth, one.predicted, one.low, one.high, seen=_seen(found, MEMORY), live=now)
    whole = np.full(len(found), "device")
    shown, *ends = with_open_states(found, whole, (peaks["device"], *device_interval(found, catalog)), catalog)
    device = bounded_predictions(found, shown, (ends[0], ends[1]), DEVICE)
    return outcomes, scores, feasibility(found, device)


def _scored(found: RunFrame, outcomes: Sequence[RunOutcome], truth: Array) -> Array:
    counted = {one.id for one in outcomes if one.scored}
    return np.where([run.id in counted for run in found.runs], truth, math.nan) if len(found) else truth


def _seen(found: RunFrame, metric: str) -> NDArray[np.str_]:
    return np.array([intervals.seen_by_fit(run, metric) for run in found.runs], dtype=np.str_)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON can hold it: unknown numbers become null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
