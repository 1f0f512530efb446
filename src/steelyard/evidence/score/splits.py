"""Scores with more than a source left out of the fit, stored by `python -m fit.splits`: they need a refit each.

What is left out, by metric: of step times a publisher with all of its tables, the families of a group's chips, or both
(after `users, `: of runs of ordinary users, which are scored apart); of peaks a stack; of operators and
collectives a device; of node power a node type. `three anchors, …` and `half as anchors` are step times of a source
that was left out (its group, or its family of chips) once `calibrate` has seen some of its runs; `three anchors, new`
are the sources whose stack or family of chips no other has.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from steelyard.evidence.score.groups import LEAST_ROWS


@dataclass(frozen=True, slots=True)
class Split:
    """One group under one way of leaving out; NaN where a figure was not made."""

    metric: str  # step_time_s, peak_memory_bytes, node_power_w, gemm_s, collective_s
    split: str  # what was left out; `none`: in sample
    group: str
    n: int
    median: float
    mean: float
    p90: float
    bias: float
    coverage: float
    naive: float  # median error of a constant utilisation, where one is known
    interval_score: float = float("nan")  # mean of twice the half-width and 20 times the overshoot, in the logarithm


@cache
def splits() -> tuple[Split, ...]:
    """Return the stored scores; none where no refit has stored any.

    >>> {one.split for one in splits() if one.metric == "step_time_s"} >= {"publisher", "family"}
    True
    """
    file = resources.files("steelyard.evidence.score") / "splits.csv"
    if not file.is_file():
        return ()
    return tuple(
        Split(
            metric=row["metric"],
            split=row["split"],
            group=row["group"],
            n=int(row["n"]),
            median=float(row["median"] or "nan"),
            mean=float(row.get("mean") or "nan"),
            p90=float(row["p90"] or "nan"),
            bias=float(row["bias"] or "nan"),
            coverage=float(row["coverage"] or "nan"),
            naive=float(row["naive"] or "nan"),
            interval_score=float(row.get("interval_score") or "nan"),
        )
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    )


def split_part(found: Sequence[Split], metric: str, split: str, least: int = LEAST_ROWS) -> list[Split]:
    """Return the groups of one split that are large enough."""
    return [one for one in found if (one.metric, one.split) == (metric, split) and one.n >= least]


def split_mean(found: Sequence[Split], figure: str) -> float:
    """Return the unweighted mean of a figure over groups, NaN where there are none."""
    values = [getattr(one, figure) for one in found if np.isfinite(getattr(one, figure))]
    return float(np.mean(values)) if values else float("nan")
