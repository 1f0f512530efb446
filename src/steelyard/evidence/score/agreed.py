"""The agreed figures: what each bar asks, what was reached when it was agreed, and what is reached now.

`agreed.csv`, and `strangers.csv` for runs of whom no fit has seen, are written by hand but for `reached`,
which `python -m steelyard.evidence.score.agreed` renews: a deliberate act, as the tests fail when a figure is lost by
more than its tolerance.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score.groups import LEAST_ROWS, GroupScore
from steelyard.evidence.score.outcomes import RunOutcome
from steelyard.evidence.score.splits import Split, split_mean, split_part, splits
from steelyard.evidence.score.strangers import strangers_now
from steelyard.evidence.score.tiers import in_tier
from steelyard.evidence.score.validation import Validation, validate_runs

_NAN = math.nan
TABLE = Path(__file__).with_name("agreed.csv")
STRANGERS = Path(__file__).with_name("strangers.csv")
INCOMPLETE = frozenset({"shape", "experts", "layout", "recompute"})
"""Assumptions that decide a peak: a row without them is complete."""


@dataclass(frozen=True, slots=True)
class AgreedFigure:
    """One figure to hold; shares are fractions, NaN where nothing is known."""

    id: str
    what: str
    metric: str
    bar: float
    sense: str  # at most, at least, or `within x`: no further than x from the bar
    best_known: str  # elsewhere
    reached: float  # when it was agreed
    tolerance: float  # by which a later figure may be worse

    def excess(self, value: float) -> float:
        """Return by how much a value is worse than the bar; at or below 0 the bar is met.

        >>> bar = AgreedFigure("x", "", "", 0.90, "within 0.05", "", math.nan, 0.01)
        >>> round(bar.excess(0.97), 3), bar.excess(0.93) < 0, replace(bar, sense="at least").excess(0.95) < 0
        (0.02, True, True)
        """
        if self.sense.startswith("within"):
            return abs(value - self.bar) - float(self.sense.split()[1])
        return self.bar - value if self.sense == "at least" else value - self.bar

    def met(self, value: float) -> bool:
        """Tell whether a value meets the bar; an unknown one does not."""
        return self.excess(value) <= 0

    def lost(self, value: float) -> bool:
        """Tell whether a value is worse than what was agreed by more than the tolerance; inside a band none is.

        >>> bar = AgreedFigure("x", "", "", 0.12, "at most", "", 0.10, 0.01)
        >>> bar.lost(0.105), bar.lost(0.115), bar.lost(math.nan)
        (False, True, True)
        """
        if math.isnan(self.reached):
            return False
        allowed = self.excess(self.reached) + self.tolerance
        return not self.excess(value) <= (max(0.0, allowed) if self.sense.startswith("within") else allowed)


def agreed_figures(file: Path | None = None) -> tuple[AgreedFigure, ...]:
    """Return the agreed figures of a table, those of `agreed.csv` where none is named.

    >>> next(one.bar for one in agreed_figures() if one.id == "groups")
    0.12
    """
    with (file or TABLE).open(encoding="utf-8", newline="") as lines:
        return tuple(
            AgreedFigure(
                id=row["id"],
                what=row["what"],
                metric=row["metric"],
                bar=float(row["bar"]),
                sense=row["sense"],
                best_known=row["best_known"],
                reached=float(row["reached"] or "nan"),
                tolerance=float(row["tolerance"]),
            )
            for row in csv.DictReader(lines)
        )


def figures_now(report: Validation, found: Sequence[Split]) -> dict[str, float]:
    """Return every agreed figure as it is now, from the shipped runs by group and the stored splits; NaN: unknown."""
    times = [one for one in report.cases if one.scored and not one.metric.startswith("peak_memory")]
    peaks = [one for one in report.cases if one.scored and one.metric.startswith("peak_memory")]
    fits = report.fits
    return {
        **_times(times, report.time),
        **{f"{one.group}-regret": one.mean_regret for one in report.ranking if one.group.startswith("vtrain")},
        "nanotron-regret": next((one.median_regret for one in report.ranking if in_tier("nanotron", one.group)), _NAN),
        "groups": report.time_summary.mean_of_medians,
        "groups-p90": report.time_summary.mean_p90,
        "time-coverage": report.time_summary.mean_coverage,
        **_memory(peaks, report.memory),
        "memory-groups": report.memory_summary.mean_of_medians,
        "memory-coverage": report.memory_summary.mean_coverage,
        "ran-out": 1 - fits.ran_out_fits,
        "ran": 1 - fits.ran_does_not,
        **_splits(found),
    }


def _times(times: Sequence[RunOutcome], scores: Sequence[GroupScore]) -> dict[str, float]:
    tuned = [one for one in scores if in_tier("tuned", one.group) and one.n >= LEAST_ROWS]
    return {
        "papers": _mean(_errors(_of(times, "papers"))),
        "vtrain-multi": _median(_errors(_of(times, "vtrain-multi"))),
        "vtrain-single": _median(_errors(_of(times, "vtrain-single"))),
        "tuned": _mean([one.median_error for one in tuned]),
        "tuned-p90": _mean([one.p90_error for one in tuned]),
        "nanotron": _median(_errors(_of(times, "nanotron"))),
        "simumax": _mean(_errors(_of(times, "simumax"))),
    }


def _memory(peaks: Sequence[RunOutcome], scores: Sequence[GroupScore]) -> dict[str, float]:
    complete = [one for one in _of(peaks, "memory-megatron") if not INCOMPLETE & set(one.assumed)]
    tuning = [one for one in scores if in_tier("memory-tuning", one.group) and one.n >= LEAST_ROWS]
    return {
        "memory-megatron": _median(_errors(complete)),
        "memory-bigscience": _median(_errors(_of(peaks, "memory-bigscience"))),
        "memory-tuning": _mean([one.median_error for one in tuning]),
        "nanotron-memory": _median(_errors(_of(peaks, "nanotron"))),
    }


def _splits(found: Sequence[Split]) -> dict[str, float]:
    halves = {one.group: one.mean for one in split_part(found, "step_time_s", "half as anchors")}
    return {
        **{f"{tier}-half": halves.get(tier, _NAN) for tier in ("vtrain-multi", "vtrain-single")},
        "anchors": split_mean(split_part(found, "step_time_s", "three anchors, family", 1), "median"),
        "anchors-new": split_mean(split_part(found, "step_time_s", "three anchors, new", 1), "median"),
        "publisher": split_mean(split_part(found, "step_time_s", "publisher"), "median"),
        "family": split_mean(split_part(found, "step_time_s", "family"), "median"),
        "memory-unseen": split_mean(split_part(found, "peak_memory_bytes", "stack"), "median"),
        "node-power": split_mean(split_part(found, "node_power_w", "none", 1), "median"),
        "node-power-unseen": split_mean(split_part(found, "node_power_w", "node type", 1), "median"),
        "gemm": split_mean(split_part(found, "gemm_s", "device"), "median"),
        "collectives": split_mean(split_part(found, "collective_s", "device"), "median"),
    }


def _of(outcomes: Sequence[RunOutcome], tier: str) -> list[RunOutcome]:
    return [one for one in outcomes if in_tier(tier, one.group)]


def _errors(outcomes: Sequence[RunOutcome]) -> list[float]:
    return [abs(one.error) for one in outcomes]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else _NAN


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else _NAN


@dataclass(frozen=True, slots=True)
class BoardRow:
    """An agreed figure, what is reached now, and whether that is enough; NaN: not measured."""

    id: str = ""
    what: str = ""
    metric: str = ""
    bar: float = _NAN
    sense: str = "at most"
    best_known: str = ""
    reached: float = _NAN
    tolerance: float = _NAN
    now: float = _NAN
    met: bool = False


def figures_board(now: Mapping[str, float], file: Path | None = None) -> tuple[BoardRow, ...]:
    """Return every agreed figure of a table with what is reached now, and whether it is met."""
    return tuple(
        BoardRow(**asdict(one), now=now.get(one.id, _NAN), met=one.met(now.get(one.id, _NAN)))
        for one in agreed_figures(file)
    )


def agree_on(now: Mapping[str, float], file: Path | None = None) -> None:
    """Write the figures of now into a table as those agreed on."""
    rows = [asdict(replace(one, reached=now.get(one.id, _NAN))) for one in agreed_figures(file)]
    with (file or TABLE).open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows({k: _cell(v) for k, v in row.items()} for row in rows)


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else "" if math.isnan(value) else f"{value:.4g}"


if __name__ == "__main__":
    agree_on(figures_now(validate_runs(published_runs()), splits()))
    agree_on(strangers_now(splits()), STRANGERS)
