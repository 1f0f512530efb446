"""Which order of points is certain, and which points cannot be told apart: shared draws decide, not the last digit.

Two points are compared draw by draw (`intervals`): what they share cancels. An order is certain if it holds in at least
`SURE` of the draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.reasons.decision import Case
from steelyard.reasons.phrases import apart, name, value
from steelyard.reasons.summaries import Dot, dot

SURE = 0.9
"""An order that holds in at least this share of the draws is certain."""

FAR = 2.0
"""Others with more than so many times as much of an objective are not compared."""

MOST = 24
"""Other choices that are compared with a point, the nearest first."""


@dataclass(frozen=True, slots=True)
class UnsureRow:
    """Another choice whose order against a point is not certain."""

    row: int
    ratio: float  # its objective over the point's
    better: float  # share of draws in which the point is the better one


@dataclass(frozen=True, slots=True)
class Tie:
    """Another choice that a point cannot be told apart from: their order is not certain."""

    dot: Dot
    ratio: float  # its objective over the point's
    better: float  # share of shared draws in which the point is the better one
    text: str


def ties(case: Case, row: int, column: int) -> tuple[Tie, ...]:
    """Return what `unsure_rows` finds, each named and with its figure."""
    return tuple(_tie(case, column, one) for one in unsure_rows(case, row, column))


def unsure_rows(case: Case, row: int, column: int) -> tuple[UnsureRow, ...]:
    """Return the other choices (accelerator, stack, devices) that may be better than a row, the likeliest first."""
    rivals = contenders(case, row, column)
    case.sample([row, *rivals])
    least = case.market.points[row, column]
    found = [
        UnsureRow(other, float(case.market.points[other, column] / least), case.better(row, other, column))
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


def _tie(case: Case, column: int, one: UnsureRow) -> Tie:
    what, figure = name(case.market, one.row, case.world), value(case.market, one.row, column)
    text = f"{what}: {apart(column, one.ratio)} ({figure}), wins {1 - one.better:.0%} of the draws"
    return Tie(dot(case.world, case.market, one.row), one.ratio, one.better, text)
