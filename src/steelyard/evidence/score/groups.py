"""Errors by group, and what the groups say together. An error is of time or bytes: predicted / measured - 1.

Groups, not rows, are averaged: a sweep of a thousand layouts is one source that agrees with itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.units import Array

LEAST_ROWS = 5
"""A group of fewer rows is listed but left out of the summary: its median is an accident."""


@dataclass(frozen=True, slots=True)
class GroupScore:
    """How far the predictions of one group lie from its measurements."""

    group: str
    n: int
    median_error: float  # of the absolute relative error
    live_error: float  # the same of what is predicted now: in sample where the other was left out, else equal to it
    mean_error: float
    p90_error: float
    bias: float  # median of the signed relative error, on the log scale: above 0 predicted too slow or too large
    coverage: float  # share of the measurements inside the 90 % interval
    constant_error: float  # median of the baseline of one utilisation per chip and precision; NaN for memory
    six_nd_error: float  # median of the baseline of 6ND at 40 % of the peak; NaN for memory
    log_half_width: float  # median half-width of the 90 % interval, in the natural logarithm
    left_out: float  # share of the rows predicted by constants that were fitted without their source
    in_sample: float  # share predicted by constants fitted to them as well; the rest no fit has ever seen


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """Unweighted means over groups of at least `LEAST_ROWS` rows."""

    groups: int
    cases: int
    mean_of_medians: float
    live_mean_of_medians: float  # of what is predicted now: in sample where the rest was left out
    mean_p90: float
    mean_coverage: float
    constant_mean_of_medians: float
    six_nd_mean_of_medians: float
    mean_log_half_width: float
    left_out: float  # shares of the cases, as in `GroupScore`
    in_sample: float


def group_scores(
    groups: NDArray[np.str_],
    measured: Array,
    predicted: Array,
    low: Array,
    high: Array,
    constant: Array | None = None,
    six_nd: Array | None = None,
    seen: NDArray[np.str_] | None = None,
    live: Array | None = None,
) -> tuple[GroupScore, ...]:
    """Score predictions by group, largest group first; rows with a NaN on either side are left out.

    `seen` tells for every row whether its source was left out of the fit or is in its sample (`spread.seen`), `live` is
    what is predicted now of rows whose source was left out.

    >>> one = group_scores(np.array(["a"] * 4), np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.1, 0.9, 2.0, 3.0]),
    ...             np.array([0.5, 0.5, 1.0, 2.5]), np.array([2.0, 2.0, 4.0, 4.0]))[0]
    >>> one.n, round(one.median_error, 3), round(one.mean_error, 3), round(one.p90_error, 3), one.coverage
    (4, 0.1, 0.175, 0.38, 0.75)
    """
    nothing = np.full(len(measured), np.nan)
    rivals = (nothing if constant is None else constant, nothing if six_nd is None else six_nd)
    now = predicted if live is None else live
    fitted = np.full(len(measured), "unseen") if seen is None else seen
    usable = np.isfinite(measured) & np.isfinite(predicted) & (measured > 0) & (predicted > 0)
    found = []
    for name in np.unique(groups[usable]):
        rows = usable & (groups == name)
        ratio = predicted[rows] / measured[rows]
        error = np.abs(ratio - 1)
        found.append(
            GroupScore(
                group=str(name),
                n=int(rows.sum()),
                median_error=float(np.median(error)),
                live_error=_median_error(now[rows], measured[rows]),
                mean_error=float(np.mean(error)),
                p90_error=float(np.quantile(error, 0.9)),
                bias=float(np.exp(np.median(np.log(ratio))) - 1),
                coverage=float(np.mean((low[rows] <= measured[rows]) & (measured[rows] <= high[rows]))),
                constant_error=_median_error(rivals[0][rows], measured[rows]),
                six_nd_error=_median_error(rivals[1][rows], measured[rows]),
                log_half_width=float(np.median(np.log(high[rows] / low[rows]))) / 2,
                left_out=float(np.mean(fitted[rows] == "left out")),
                in_sample=float(np.mean(fitted[rows] == "in sample")),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.n, one.group)))


def score_summary(scores: tuple[GroupScore, ...]) -> ScoreSummary:
    """Average the groups that are large enough.

    >>> score_summary(()).groups
    0
    """
    large = [one for one in scores if one.n >= LEAST_ROWS]

    def mean(name: str) -> float:
        values = [getattr(one, name) for one in large if np.isfinite(getattr(one, name))]
        return float(np.mean(values)) if values else float("nan")

    return ScoreSummary(
        groups=len(large),
        cases=sum(one.n for one in large),
        mean_of_medians=mean("median_error"),
        live_mean_of_medians=mean("live_error"),
        mean_p90=mean("p90_error"),
        mean_coverage=mean("coverage"),
        constant_mean_of_medians=mean("constant_error"),
        six_nd_mean_of_medians=mean("six_nd_error"),
        mean_log_half_width=mean("log_half_width"),
        left_out=_share(large, "left_out"),
        in_sample=_share(large, "in_sample"),
    )


def _share(scores: list[GroupScore], name: str) -> float:
    runs = sum(one.n for one in scores)
    return sum(getattr(one, name) * one.n for one in scores) / runs if runs else float("nan")


def _median_error(predicted: Array, measured: Array) -> float:
    usable = np.isfinite(predicted)
    return float(np.median(np.abs(predicted[usable] / measured[usable] - 1))) if usable.any() else float("nan")
