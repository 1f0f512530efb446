"""What no other point beats: exact filters over arrays of objectives, all to be made small."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Rows = NDArray[np.intp]


def frontier(points: Points) -> Rows:
    """Return the rows that no other row dominates, in their order; of equal rows the first.

    A row dominates another if it is nowhere larger and somewhere smaller. NaN is unknown and counts as infinite: what
    is unknown never wins an objective.

    The rows are sorted by their sum of ranks, so that a row can only be dominated by one before it; each survivor in
    turn strikes out all that it dominates. Exact, O(frontier x rows).

    >>> frontier(np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [4.0, 1.0], [1.0, 4.0]]))
    array([0, 1, 3])
    """
    known = np.where(np.isnan(points), np.inf, points)
    _, order = np.unique(known, axis=0, return_index=True)
    left = order[np.argsort(_ranks(known[order]).sum(axis=1), kind="stable")]
    kept: list[int] = []
    while left.size:
        first = left[0]
        kept.append(int(first))
        rest = left[1:]
        left = rest[np.any(known[rest] < known[first], axis=1)]
    return np.array(sorted(kept), dtype=np.intp)


def grouped(group: NDArray[Any], first: Points, second: Points) -> Rows:
    """Return the rows that no row of the same group dominates in two objectives; of equal rows the first.

    Sorted by group, then by the first objective, a row survives where its second objective is below every earlier one
    of its group. Exact, O(rows log rows).

    >>> grouped(np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 3.0, 9.0]), np.array([5.0, 6.0, 4.0, 9.0]))
    array([0, 2, 3])
    """
    rows = np.flatnonzero(~(np.isnan(first) | np.isnan(second)))
    order = rows[np.lexsort((rows, second[rows], first[rows], group[rows]))]
    if not order.size:
        return order
    sorted_group, value = group[order], second[order]
    starts = np.flatnonzero(np.r_[True, sorted_group[1:] != sorted_group[:-1]])
    kept = [
        _falling(value[start:stop]) + start for start, stop in zip(starts, np.r_[starts[1:], value.size], strict=True)
    ]
    return np.sort(order[np.concatenate(kept)])


def knee(points: Points) -> int:
    """Return the row nearest to the ideal point, every objective scaled to the span of the frontier on a log axis.

    The ideal point has the smallest value of each objective; distance is Euclidean. Objectives without a known span
    (one value, or unknown somewhere) do not count.

    >>> knee(np.array([[1.0, 100.0], [2.0, 3.0], [50.0, 1.0]]))
    1
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        axis = np.log(points)
        span = axis.max(axis=0) - axis.min(axis=0)
        scaled = (axis - axis.min(axis=0)) / span
    usable = np.isfinite(span) & (span > 0)
    if not usable.any():
        return 0
    return int(np.argmin((scaled[:, usable] ** 2).sum(axis=1)))


def _falling(value: Points) -> Rows:
    """Return where a value is below all before it."""
    before = np.minimum.accumulate(np.r_[np.inf, value[:-1]])
    return np.flatnonzero((value < before) | (np.arange(value.size) == 0))


def _ranks(points: Points) -> Points:
    """Return each column's dense ranks: a dominating row always has the smaller sum."""
    ranks = np.empty(points.shape)
    for column in range(points.shape[1]):
        _, ranks[:, column] = np.unique(points[:, column], return_inverse=True)
    return ranks
