"""Which order of points is certain, and which points cannot be told apart: shared draws decide, not the last digit.

Two points are compared draw by draw (`intervals`): what they share cancels. An order is certain if it holds in at least
`SURE` of the draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.search.case import Case

SURE = 0.9
"""An order that holds in at least this share of the draws is certain."""

FAR = 2.0
"""Others with more than so many times as much of an objective are not compared."""

MOST = 24
"""Other choices that are compared with a point, the nearest first."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Another choice whose order against a point is not certain."""

    row: int
    ratio: float  # its objective over the point's
    better: float  # share of draws in which the point is the better one


def ties(case: Case, row: int, column: int) -> tuple[Tie, ...]:
    """Return the other choices (accelerator, stack, devices) that may be better than a row, the likeliest first."""
    rivals = contenders(case, row, column)
    case.sample([row, *rivals])
    value = case.market.points[row, column]
    found = [
        Tie(other, float(case.market.points[other, column] / value), case.better(row, other, column))
        for other in rivals
    ]
    return tuple(sorted((tie for tie in found if tie.better < SURE), key=lambda tie: (tie.better, tie.ratio)))


def contenders(case: Case, row: int, column: int) -> list[int]:
    """Return the best row of every other choice whose objective is not far from a row's, the nearest first."""
    values = case.market.points[:, column]
    near = np.flatnonzero(case.able & (values <= FAR * values[row]))
    found: dict[tuple[str, int, int], int] = {case.kind(row): row}
    for other in near[np.argsort(values[near], kind="stable")]:
        found.setdefault(case.kind(int(other)), int(other))
        if len(found) > MOST:
            break
    return list(found.values())[1:]


def groups(case: Case, rows: Mapping[str, int], column: int) -> tuple[tuple[str, ...], ...]:
    """Return labels in order of an objective, those together whose order against the first of them is not certain."""
    known = [label for label, row in rows.items() if not np.isnan(case.market.points[row, column])]
    found: list[list[str]] = []
    for label in sorted(known, key=lambda label: float(case.market.points[rows[label], column])):
        if found and case.better(rows[found[-1][0]], rows[label], column) < SURE:
            found[-1].append(label)
        else:
            found.append([label])
    return tuple(tuple(group) for group in found)


def uncertain(order: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of more than one label.

    >>> uncertain([["fastest"], ["cleanest", "cheapest"]])
    (('cleanest', 'cheapest'),)
    """
    return tuple(tuple(group) for group in order if len(group) > 1)
