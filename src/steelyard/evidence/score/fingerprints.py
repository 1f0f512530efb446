"""Whether the stored figures belong to the code that runs: each metric's figures, and the predictions they came with.

Predicting a source without having seen it needs a refit, so such figures are stored: `held_out*.csv` and `splits.csv`.
The fit stores beside them what it predicts of the same rows when nothing is left out (`in_sample.csv`), and a digest of
both by metric (`fingerprints.csv`). They are evidence about this code only as long as it still predicts those rows so.
"""

import csv
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

from steelyard.catalog import Catalog
from steelyard.catalog.local.layer import Layer
from steelyard.errors import StaleFigures
from steelyard.evidence.score.live import Key, LivePrediction, live_predictions

IN_SAMPLE, FINGERPRINTS = "in_sample.csv", "fingerprints.csv"
FIGURES = ("held_out.csv", "held_out_memory.csv", "splits.csv")
REFIT = "make fit DATA=FOLDER"

_SAME = 2e-6
"""Relative difference up to which two predictions are one: they are stored with seven digits."""

SAME_LOG_SD = 1e-4
"""Difference of two spreads, in the logarithm."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What the stored figures of one metric were made of."""

    metric: str
    predictions: str  # digest of the metric's rows of in_sample.csv
    figures: str  # digest of the metric's rows of held_out*.csv and splits.csv


@dataclass(frozen=True, slots=True)
class ChangedPrediction:
    """One prediction that is no longer what it was when the stored figures were made; NaN where there is none."""

    metric: str
    id: str
    stored: float
    now: float
    stored_log_sd: float
    log_sd: float

    @property
    def change(self) -> float:
        """Return now over stored, less 1."""
        return self.now / self.stored - 1


def stored_text(name: str) -> str:
    """Return a stored table."""
    return (resources.files("steelyard.evidence.score") / name).read_text(encoding="utf-8")


def in_sample() -> dict[Key, LivePrediction]:
    """Return the predictions that the stored figures were made beside, by metric and id.

    >>> sorted({metric for metric, _ in in_sample()}) == sorted(one.metric for one in fingerprints())
    True
    """
    rows = csv.DictReader(stored_text(IN_SAMPLE).splitlines())
    return {(row["metric"], row["id"]): LivePrediction(float(row["predicted"]), float(row["log_sd"])) for row in rows}


def fingerprints() -> tuple[Fingerprint, ...]:
    """Return the stored fingerprints, one a metric."""
    return tuple(Fingerprint(**row) for row in csv.DictReader(stored_text(FINGERPRINTS).splitlines()))


def fingerprints_of(predictions: str, figures: Iterable[str]) -> tuple[Fingerprint, ...]:
    """Return the fingerprints of tables with a column `metric`: of predictions, and of the figures beside them."""
    made, kept = _by_metric([predictions]), _by_metric(figures)
    return tuple(Fingerprint(name, _digest(made[name]), _digest(kept.get(name, []))) for name in sorted(made))


def changed_predictions(catalog: Catalog) -> tuple[ChangedPrediction, ...]:
    """Return every prediction that differs from the one stored beside the figures, by what a catalog ships.

    A user's calibrations are left out: the figures are about the shipped constants.
    """
    shipped = catalog.over(Layer(refreshed=catalog.local.refreshed)) if catalog.local else catalog
    return tuple(differing_predictions(in_sample(), live_predictions(shipped)))


def check_fingerprints(catalog: Catalog) -> None:
    """Refuse figures that were not made by this code and what this catalog ships.

    Raises:
        StaleFigures: a table was changed since the fit wrote it, or a prediction is another than beside the figures.
    """
    changed = _changed()
    if changed:
        raise StaleFigures(
            f"the stored figures of {', '.join(changed)} were changed after the fit wrote them ({', '.join(FIGURES)}), "
            f"so nothing says which code and constants made them; restore the files, or refit: {REFIT}"
        )
    found = changed_predictions(catalog)
    if found:
        raise StaleFigures(_stale(found))


def _changed() -> list[str]:
    """Return the metrics whose stored tables are not those that were fingerprinted."""
    now = fingerprints_of(stored_text(IN_SAMPLE), map(stored_text, FIGURES))
    return sorted({one.metric for one in set(now) ^ set(fingerprints())})


def differing_predictions(
    stored: Mapping[Key, LivePrediction], now: Mapping[Key, LivePrediction]
) -> Iterator[ChangedPrediction]:
    """Yield every stored prediction that is another now, or is no longer made.

    >>> then, now = {("x", "a"): LivePrediction(1.0, 0.1)}, {("x", "a"): LivePrediction(1.00001, 0.1)}
    >>> [one.now for one in differing_predictions(then, now)]
    [1.00001]
    """
    nothing = LivePrediction(float("nan"), float("nan"))
    for key, was in stored.items():
        one = now.get(key, nothing)
        same = abs(one.predicted - was.predicted) <= _SAME * abs(was.predicted)
        if not (same and abs(one.log_sd - was.log_sd) <= SAME_LOG_SD):
            yield ChangedPrediction(*key, was.predicted, one.predicted, was.log_sd, one.log_sd)


def _stale(found: tuple[ChangedPrediction, ...]) -> str:
    """Return what does not belong together, and the way out."""
    counts = {name: sum(one.metric == name for one in found) for name in dict.fromkeys(one.metric for one in found)}
    total = {name: sum(metric == name for metric, _ in in_sample()) for name in counts}
    listed = ", ".join(f"{count:,} of {total[name]:,} of {name}" for name, count in counts.items())
    far = max(found, key=lambda one: float("inf") if math.isnan(one.change) else abs(one.change))
    return (
        f"the stored left-out figures were made by other code or constants: predictions differ now, {listed}; "
        f"furthest {far.metric} of {far.id}: {far.stored:.4g} then, {far.now:.4g} now. Their errors say nothing about "
        f"this code. In a checkout refit with: {REFIT} (make changes lists them); runs of your own need none: "
        "steelyard validate --cases FILE"
    )


def _by_metric(tables: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table in tables:
        for row in csv.DictReader(table.splitlines()):
            found.setdefault(row["metric"], []).append(",".join(row.values()))
    return found


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
