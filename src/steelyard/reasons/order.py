"""Which order of points is certain, and which points cannot be told apart: shared draws decide, not the last digit.

Two points are compared draw by draw (`intervals`): what they share cancels. An order is certain if it holds in at least
`SURE` of the draws.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.reasons.decision import Decision
from steelyard.reasons.phrases import candidate_text, difference_text, figure_text
from steelyard.reasons.summaries import Summary, summary

SURE = 0.9
"""An order that holds in at least this share of the draws is certain."""

_FAR = 2.0
"""Others with more than so many times as much of an objective are not compared."""

_MOST = 24
"""Other choices that are compared with a point, the nearest first."""


@dataclass(frozen=True, slots=True)
class UnsureRow:
    """Another choice whose order against a point is not certain."""

    row: int
    ratio: float  # its objective over the point's
    better: float  # share of draws in which the point is the better one


@dataclass(frozen=True, slots=True)
class Tie(Summary):
    """Another choice that a point cannot be told apart from: their order is not certain."""

    ratio: float = math.nan  # its objective over the point's
    share_of_draws: float = math.nan  # the shared ones in which the point is the better one
    text: str = ""


def ties(decision: Decision, row: int, column: int) -> tuple[Tie, ...]:
    """Return what `unsure_rows` finds, each named and with its figure."""
    return tuple(_tie(decision, column, one) for one in unsure_rows(decision, row, column))


def unsure_rows(decision: Decision, row: int, column: int) -> tuple[UnsureRow, ...]:
    """Return the other choices (accelerator, stack, devices) that may be better than a row, the likeliest first."""
    rivals = contenders(decision, row, column)
    decision.sample([row, *rivals])
    least = decision.candidates.points[row, column]
    found = [
        UnsureRow(other, float(decision.candidates.points[other, column] / least), decision.better(row, other, column))
        for other in rivals
    ]
    return tuple(sorted((tie for tie in found if tie.better < SURE), key=lambda tie: (tie.better, tie.ratio)))


def contenders(decision: Decision, row: int, column: int) -> list[int]:
    """Return the best row of every other choice whose objective is not far from a row's, the nearest first."""
    values = decision.candidates.points[:, column]
    near = np.flatnonzero(decision.able & (values <= _FAR * values[row]))
    found: dict[tuple[str, int, int], int] = {decision.kind(row): row}
    for other in near[np.argsort(values[near], kind="stable")]:
        found.setdefault(decision.kind(int(other)), int(other))
        if len(found) > _MOST:
            break
    return list(found.values())[1:]


def order_groups(decision: Decision, rows: Mapping[str, int], column: int) -> tuple[tuple[str, ...], ...]:
    """Return labels in order of an objective, those together whose order against the first of them is not certain."""
    known = [label for label, row in rows.items() if not np.isnan(decision.candidates.points[row, column])]
    found: list[list[str]] = []
    for label in sorted(known, key=lambda label: float(decision.candidates.points[rows[label], column])):
        if found and decision.better(rows[found[-1][0]], rows[label], column) < SURE:
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


def _tie(decision: Decision, column: int, one: UnsureRow) -> Tie:
    what, figure = (
        candidate_text(decision.candidates, one.row, decision.market),
        figure_text(decision.candidates, one.row, column),
    )
    text = f"{what}: {difference_text(column, one.ratio)} ({figure}), wins {1 - one.better:.0%} of the draws"
    found = summary(decision.market, decision.candidates, one.row)
    return Tie(**found.figures(), ratio=one.ratio, share_of_draws=one.better, text=text)
