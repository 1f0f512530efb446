"""The stranger's figures: how far the predictions are off for runs of those of whom no fit has seen a row.

Each is a mean over groups of a split that a refit has stored (`splits.py`); `strangers.csv` has what is asked of it.
A *stranger's* step is predicted without the owner of its runs, with every table, or without the families of its chips
as well; a stranger's peak without a whole convention, or, for the runs of ordinary users, by a fit of others' runs.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from steelyard.evidence.score.groups import LEAST_ROWS
from steelyard.evidence.score.splits import Split, split_mean, split_part

TIME, MEMORY, FITS = "step_time_s", "peak_memory_bytes", "fits"

SPLIT_FIGURES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "time-owner": (TIME, "publisher", "median"),
        "time-owner-p90": (TIME, "publisher", "p90"),
        "time-stranger": (TIME, "publisher and family", "median"),
        "time-stranger-p90": (TIME, "publisher and family", "p90"),
        "time-locked": (TIME, "locked", "median"),
        "time-locked-p90": (TIME, "locked", "p90"),
        "time-users": (TIME, "users, publisher", "median"),
        "time-users-p90": (TIME, "users, publisher", "p90"),
        "time-users-lora": (TIME, "users' LoRA, publisher", "median"),
        "time-users-qlora": (TIME, "users' QLoRA, publisher", "median"),
        "anchors-owner": (TIME, "three anchors, publisher", "median"),
        "anchors-users": (TIME, "users, three anchors, publisher", "median"),
        "anchor-one": (TIME, "one anchor, publisher", "median"),
        "interval-owner": (TIME, "publisher", "interval_score"),
        "interval-stranger": (TIME, "publisher and family", "interval_score"),
        "cover-owner": (TIME, "publisher", "coverage"),
        "cover-stranger": (TIME, "publisher and family", "coverage"),
        "cover-locked": (TIME, "locked", "coverage"),
        "cover-users": (TIME, "users, publisher", "coverage"),
        "cover-moe": (TIME, "MoE, publisher and family", "coverage"),
        "cover-adapters": (TIME, "adapters, publisher and family", "coverage"),
        "memory-group": (MEMORY, "group", "median"),
        "memory-convention": (MEMORY, "convention", "median"),
        "memory-locked": (MEMORY, "locked", "median"),
        "memory-users": (MEMORY, "users", "median"),
        "memory-peft": (MEMORY, "users' PEFT process", "median"),
        "memory-cover-convention": (MEMORY, "convention", "coverage"),
        "memory-cover-users": (MEMORY, "users", "coverage"),
        "memory-cover-locked": (MEMORY, "locked", "coverage"),
        "ran-out-fits": (FITS, "ran out, called fitting", "mean"),
        "ran-too-large": (FITS, "ran, called too large", "mean"),
        "left-open": (FITS, "left open", "mean"),
    }
)
"""Figure → the metric, the split and the column of which it is the mean."""

FEW = frozenset({"three anchors, publisher", "users, three anchors, publisher", "one anchor, publisher"})
"""Splits whose groups have few rows: what was no anchor."""


def strangers_now(found: Sequence[Split]) -> dict[str, float]:
    """Return every figure as it is now; NaN where no refit has stored its split.

    >>> import math
    >>> math.isnan(strangers_now(())["time-owner"])
    True
    """
    return {
        name: split_mean(split_part(found, metric, split, 1 if split in FEW else LEAST_ROWS), figure)
        for name, (metric, split, figure) in SPLIT_FIGURES.items()
    }
