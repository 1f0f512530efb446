"""Published figures that are listed and predicted but not scored, each with the reason and where it can be seen.

The rules are few and are about what the rows themselves show (`published/exclusions.csv`); no row is excluded because
it is predicted badly.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from steelyard.evidence.runs.run import Run


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One rule: a run, or the cases of a group below a utilisation; for time, for memory or for both."""

    id: str
    group: str
    metric: str  # time, memory or all
    mfu_below: float  # infinity: the whole group
    reason: str
    citation: str


@cache
def exclusions() -> tuple[Exclusion, ...]:
    """Return the shipped rules."""
    text = (resources.files("steelyard.evidence.runs") / "published" / "exclusions.csv").read_text(encoding="utf-8")
    return tuple(
        Exclusion(
            id=row["id"],
            group=row["group"],
            metric=row["metric"],
            mfu_below=float(row["mfu_below"] or "inf"),
            reason=row["reason"],
            citation=row["citation"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def counted(runs: Iterable[Run], metric: str) -> NDArray[np.bool_]:
    """Return which cases are scored (and fitted to) for `time` or `memory`."""
    return np.array([not excluded(run, metric) for run in runs], dtype=bool)


def excluded(run: Run, metric: str) -> str:
    """Return why a run is not scored for `time` or `memory`; empty if it is.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> excluded(blank_run(id="R1042", use="score"), "memory"), excluded(blank_run(id="R1042", use="score"), "time")
    ('44 GB here and 38 GB in R1043 for the same fields', '')
    >>> excluded(blank_run(use="context"), "time")
    'background only (use=context)'
    """
    if run.use not in ("score", metric):
        return f"background only (use={run.use})"
    for rule in exclusions():
        named = rule.id == run.id if rule.id else rule.group == run.group
        low = rule.mfu_below == float("inf") or not run.mfu >= rule.mfu_below  # blank: it rounds to 0
        if named and low and rule.metric in (metric, "all"):
            return rule.reason
    return ""
