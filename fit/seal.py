"""Store what this code and its constants predict beside the figures just fitted: the last step of `make fit`.

It writes `in_sample.csv` and `fingerprints.csv`. Figures are sealed by the code that made them alone: where the
predictions that the fit kept in `held_out*.csv` (`fitted`) are others than those of now, nothing is written.
"""

import csv
import sys
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from steelyard.catalog import load
from steelyard.evidence.score.fingerprints import (
    FIGURES,
    FINGERPRINTS,
    IN_SAMPLE,
    REFIT,
    Fingerprint,
    fingerprints_of,
    stored_text,
)
from steelyard.evidence.score.intervals import held_out_predictions
from steelyard.evidence.score.live import Key, LivePrediction, live_predictions
from steelyard.evidence.score.splits import splits

FOLDER = Path(__file__).parents[1] / "src/steelyard/evidence/score"

NEAR, MOST = 0.005, 0.05
"""Rounding its constants moves a prediction by less than the first, in the logarithm, but in less than the second of
the rows: layouts that a later fit chooses otherwise, and constants that are too unsure to be written."""


def seal() -> None:
    """Write what is predicted now, and the digests of it and of the figures; SystemExit where they were not made so."""
    now = live_predictions(load())
    if far := not_made_here(now):
        sys.exit(f"nothing sealed: the stored figures were not made by this code: {far}; fit anew: {REFIT}")
    rows = [(*key, f"{now[key].predicted:.7g}", f"{now[key].log_sd:.5g}") for key in sorted(now.keys() & kept(now))]
    _write(IN_SAMPLE, ("metric", "id", "predicted", "log_sd"), rows)
    made = fingerprints_of(stored_text(IN_SAMPLE), map(stored_text, FIGURES))
    _write(FINGERPRINTS, [field.name for field in fields(Fingerprint)], [astuple(one) for one in made])


def kept(now: Iterable[Key]) -> set[Key]:
    """Return the metric and id of everything predicted now that has a stored figure, or stands for one."""
    runs = {(metric, name) for name, metric in held_out_predictions()}
    others = {one.metric for one in splits()} - {metric for metric, _ in runs}
    return runs | {key for key in now if key[0] in others}


def not_made_here(now: dict[Key, LivePrediction]) -> str:
    """Return how many rows the fit that stored their figures predicted otherwise than the code of now, if too many.

    >>> not_made_here({}).split(", step")[1]
    '_time_s: 2,699 of 2,699'
    """
    found = []
    for metric in sorted({metric for _, metric in held_out_predictions()}):
        rows = {name: one.fitted for (name, kind), one in held_out_predictions().items() if kind == metric}
        nothing = LivePrediction(float("nan"), 0.0)
        gap = [np.log(now.get((metric, name), nothing).predicted / fitted) for name, fitted in rows.items()]
        far = int(np.sum(~(np.abs(gap) <= NEAR)))
        found += [f"{metric}: {far:,} of {len(gap):,}"] if far > MOST * len(gap) else []
    return ", ".join(found)


def _write(name: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(head)
        lines.writerows(rows)
