"""The dominance filters against comparing every pair."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steelyard.search.pareto import beaten, frontier, group_frontier, knee

VALUES = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, float("nan"), float("inf")])
POINTS = st.tuples(st.integers(0, 40), st.integers(1, 4)).flatmap(lambda shape: arrays(float, shape, elements=VALUES))


def dominates(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


def pairwise(points):
    rows = [tuple(np.where(np.isnan(row), np.inf, row)) for row in points]
    return [i for i, row in enumerate(rows) if not any(dominates(other, row) for other in rows) and row not in rows[:i]]


@settings(max_examples=300)
@given(POINTS)
def test_frontier_is_what_no_pair_dominates(points):
    assert list(frontier(points)) == pairwise(points)


@settings(max_examples=300)
@given(arrays(float, (30, 2), elements=VALUES), arrays(int, 30, elements=st.integers(0, 3)))
def test_grouped_is_the_frontier_of_each_group(points, group):
    known = ~np.isnan(points).any(axis=1)
    expected = [
        row for g in range(4) for row in np.flatnonzero(known & (group == g))[frontier(points[known & (group == g)])]
    ]
    assert list(group_frontier(group, points[:, 0], points[:, 1])) == sorted(expected)


KNOWN = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, float("inf")])
GROUPS = st.integers(0, 3)


@settings(max_examples=300)
@given(arrays(float, (20, 2), elements=KNOWN), arrays(int, 20, elements=GROUPS), st.integers(0, 20))
def test_beaten_is_what_some_rival_of_the_group_is_nowhere_above(points, group, cut):
    rows, rivals = slice(None, cut), slice(cut, None)
    expected = [
        any((points[rivals][group[rivals] == g] <= row).all(axis=1))
        for row, g in zip(points[rows], group[rows], strict=True)
    ]
    by = (group[rivals], points[rivals, 0], points[rivals, 1])
    assert list(beaten(group[rows], points[rows, 0], points[rows, 1], *by)) == expected


@given(arrays(float, (12, 3), elements=st.floats(0.1, 100)))
def test_the_knee_is_on_the_frontier_and_between_the_extremes(points):
    rows = points[frontier(points)]
    assert 0 <= knee(rows) < len(rows)


def test_the_knee_ignores_what_is_unknown():
    points = np.array([[1.0, 100.0, np.nan], [2.0, 3.0, 1.0], [50.0, 1.0, np.nan]])
    assert knee(points) == 1
    assert knee(np.array([[1.0, 2.0]])) == 0
