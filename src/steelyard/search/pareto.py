"""What no other point beats: exact filters over arrays of objectives, all to be made small."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Rows = NDArray[np.intp]

_FEW = 64
"""Rows that are compared pair by pair faster than they are sorted."""


def frontier(points: Points) -> Rows:
    """Return the rows that no other row dominates, in their order; of equal rows the first.

    A row dominates another if it is nowhere larger and somewhere smaller. NaN is unknown and counts as infinite: what
    is unknown never wins an objective.

    A few rows are compared pair by pair. Many are sorted by their sum of ranks, so that a row can only be dominated by
    one before it; each survivor in turn strikes out all that it dominates. Exact, O(frontier x rows).

    >>> frontier(np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [4.0, 1.0], [1.0, 4.0]]))
    array([0, 1, 3])
    """
    known = np.where(np.isnan(points), np.inf, points)
    if known.shape[0] <= _FEW:
        return _undominated(known)
    order = np.lexsort(known.T)  # stable: of equal rows the first is the first
    order = order[np.r_[True, (known[order[1:]] != known[order[:-1]]).any(axis=1)]] if order.size else order
    left = order[np.argsort(np.sum([_ranks(column) for column in known[order].T], axis=0), kind="stable")]
    kept: list[int] = []
    columns = np.ascontiguousarray(known[left].T)
    while left.size:
        kept.append(int(left[0]))
        ahead = (columns < columns[:, :1]).any(axis=0)  # of the first somewhere; itself is not
        left, columns = left[ahead], columns[:, ahead]
    return np.array(sorted(kept), dtype=np.intp)


def group_frontier(group: NDArray[Any], first: Points, second: Points) -> Rows:
    """Return the rows that no row of the same group dominates in two objectives; of equal rows the first.

    Sorted by group, then by the first objective, a row survives where its second objective is below every earlier one
    of its group. Exact, O(rows log rows).

    >>> group_frontier(np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 3.0, 9.0]), np.array([5.0, 6.0, 4.0, 9.0]))
    array([0, 2, 3])
    """
    rows = np.flatnonzero(~(np.isnan(first) | np.isnan(second)))
    order = rows[np.lexsort((rows, second[rows], first[rows], group[rows]))]
    if not order.size:
        return order
    value, _ = _keys(group[order], second[order])
    least = np.minimum.accumulate(value)
    return np.sort(order[np.r_[True, value[1:] < least[:-1]]])


def beaten(
    group: NDArray[Any], first: Points, second: Points, by_group: NDArray[Any], by_first: Points, by_second: Points
) -> NDArray[np.bool_]:
    """Return which rows some row of `by`, of the same group, is not above in either of two objectives.

    All are sorted together by group and first objective; a row is beaten where the least second objective of its
    group's rivals so far is not above its own. Exact, O(rows log rows). No number may be NaN.

    >>> rivals = np.array([0, 0]), np.array([1.0, 4.0]), np.array([3.0, 1.0])
    >>> beaten(np.array([0, 0, 0, 1]), np.array([2.0, 2.0, 5.0, 9.0]), np.array([3.0, 2.0, 2.0, 9.0]), *rivals)
    array([ True, False,  True, False])
    """
    count = by_first.size
    groups, firsts = np.concatenate([by_group, group]), np.concatenate([by_first, first])
    asks = np.arange(groups.size) >= count
    order = np.lexsort((asks, firsts, groups))
    value, nothing = _keys(groups[order], np.concatenate([by_second, second])[order])
    least = np.minimum.accumulate(np.where(asks[order], nothing, value))
    struck = np.empty(groups.size, dtype=bool)
    struck[order] = least <= value
    return struck[count:]


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


def _undominated(points: Points) -> Rows:
    """Return the rows that no other dominates, and of equal ones the first, by comparing every pair."""
    nowhere_above = np.all(points[:, None] <= points, axis=2)
    earlier = np.arange(points.shape[0])
    equal_and_first = nowhere_above.T & (earlier[:, None] < earlier)
    beats = nowhere_above & (~nowhere_above.T | equal_and_first)
    return np.flatnonzero(~beats.any(axis=0))


def _keys(group: NDArray[Any], value: Points) -> tuple[Rows, Rows]:
    """Return whole numbers in the order of the values, below all of the groups before; and one above all of its own.

    A running minimum of them over sorted groups starts anew with each group.
    """
    base = np.cumsum(np.r_[False, group[1:] != group[:-1]]) * (value.size + 1)
    return _ranks(value) - base, value.size - base


def _ranks(values: Points) -> Rows:
    """Return each value's rank, the same for equal ones: a dominating row always has the smaller sum of ranks.

    >>> _ranks(np.array([2.0, 9.0, 2.0, 5.0]))
    array([0, 2, 0, 1])
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ranks = np.empty(values.size, dtype=np.intp)
    ranks[order] = np.cumsum(np.r_[False, ordered[1:] != ordered[:-1]][: values.size])
    return ranks
