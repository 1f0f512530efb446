"""Why the rivals of a point lost: to what, by how much on every axis, and factor by factor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from steelyard.reasons.decision import Decision
from steelyard.reasons.factors import Drivers, RatioFactor, drivers, factors
from steelyard.reasons.order import SURE
from steelyard.reasons.phrases import candidate_text, difference_text, factor_text, figure_text, objective_text
from steelyard.reasons.summaries import Summary, setting_of, summary
from steelyard.search.candidates import OBJECTIVES
from steelyard.search.pareto import Rows
from steelyard.units import HOUR_S, KWH_J

LEAST_RATIO = 0.02
"""Factors that change a figure by less are not said."""

_FAR = 1e6
"""What a lead in a figure counts at most: that of a known figure over an unknown one."""


@dataclass(frozen=True, slots=True)
class Rival(Summary):
    """The best of another kind, beside a named point."""

    label: str = ""  # the point it lost to
    text: str = ""
    ratios: Mapping[str, float] = field(default_factory=dict)  # by objective: its figure over the point's
    factors: Mapping[str, float] = field(default_factory=dict)  # of the label's objective: their product is its ratio
    dominated_by: Summary | None = None  # None: it is on the frontier itself
    share_of_draws: float = math.nan  # the shared ones in which the point is the better one


@dataclass(frozen=True, slots=True)
class Loser:
    """A candidate that a point is compared with."""

    label: str
    row: int


def losers(decision: Decision, label: str, row: int, column: int) -> list[Loser]:
    """Return the best of every other kind within the limits: two other chips, more or fewer devices, another stack."""
    able = decision.able & ~np.isnan(decision.candidates.points[:, column])
    chips = np.array([chip.accelerator for chip in decision.market.hardware])[decision.candidates.hardware]
    devices = np.asarray(decision.candidates.layouts.devices)
    same = chips == chips[row]
    kinds: list[Rows] = [np.flatnonzero(able & ~same)]
    first = _best(decision, kinds[0], column)
    if first is not None:
        kinds.append(np.flatnonzero(able & ~same & (chips != chips[first])))
    kinds.append(np.flatnonzero(able & same & (devices != devices[row])))
    stack = decision.candidates.stack != decision.candidates.stack[row]
    kinds.append(np.flatnonzero(able & same & (devices == devices[row]) & stack))
    found = [_best(decision, rows, column) for rows in kinds]
    return [Loser(label, loser) for loser in found if loser is not None]


def rivals_of(decision: Decision, rows: Mapping[str, int], columns: Mapping[str, int]) -> tuple[Rival, ...]:
    """Return the rivals of every point that is the least of one objective."""
    pairs = [
        one for label, row in rows.items() if label in columns for one in losers(decision, label, row, columns[label])
    ]
    every = sorted({*rows.values(), *(one.row for one in pairs)})
    decision.sample(every)
    settings = [setting_of(decision.job, decision.market, decision.candidates, row) for row in every]
    made = drivers(settings, decision.engine, decision.limits.carbon)
    place = {row: index for index, row in enumerate(every)}
    return tuple(_rival(decision, one, rows[one.label], columns[one.label], made, place) for one in pairs)


def beaten_by(decision: Decision, row: int, winner: int) -> int | None:
    """Return a row of the frontier that beats another on every axis: the winner if it does, else the best at it.

    None where the row is on the frontier itself.
    """
    axes = list(decision.axes)
    known = np.where(np.isnan(decision.candidates.points), np.inf, decision.candidates.points)[:, axes]
    front = np.array([winner, *decision.front])
    wins = np.all(known[front] <= known[row], axis=1) & np.any(known[front] < known[row], axis=1)
    if not wins.any():
        return None
    if wins[0]:
        return winner
    with np.errstate(invalid="ignore"):
        ratio = np.nan_to_num(known[row] / known[front], nan=1.0, posinf=_FAR)
    lead = np.where(wins, np.log(np.maximum(ratio, 1 / _FAR)).sum(axis=1), -np.inf)
    return int(front[int(np.argmax(lead))])


def _rival(decision: Decision, one: Loser, winner: int, column: int, made: Drivers, place: Mapping[int, int]) -> Rival:
    points = decision.candidates.points
    parts = factors(made, place[winner], place[one.row], column)
    by = beaten_by(decision, one.row, winner)
    better = decision.better(winner, one.row, column)
    ratios = {OBJECTIVES[axis]: float(points[one.row, axis] / points[winner, axis]) for axis in range(points.shape[1])}
    return Rival(
        label=one.label,
        text=_difference(decision, one.row, winner, column, parts)
        + _standing(decision, one.row, winner, by)
        + _doubt(better),
        **summary(decision.market, decision.candidates, one.row).figures(),
        ratios=ratios,
        factors={part.name: part.ratio for part in parts},
        dominated_by=summary(decision.market, decision.candidates, by) if by is not None else None,
        share_of_draws=better,
    )


def _difference(decision: Decision, row: int, winner: int, column: int, parts: tuple[RatioFactor, ...]) -> str:
    ratio = float(decision.candidates.points[row, column] / decision.candidates.points[winner, column])
    trained = float(decision.job.trainable_share) == 1
    said = [
        _factor(part, trained) for part in parts if part.ratio > 0 and abs(np.log(part.ratio)) >= np.log1p(LEAST_RATIO)
    ]
    figure = figure_text(decision.candidates, row, column)
    text = f"{candidate_text(decision.candidates, row, decision.market)}: {difference_text(column, ratio)} ({figure})"
    return f"{text}: {', '.join(said)}. " if said else f"{text}. "


def _standing(decision: Decision, row: int, winner: int, by: int | None) -> str:
    if by is None:
        ahead = [
            difference_text(
                axis, float(decision.candidates.points[row, axis] / decision.candidates.points[winner, axis])
            )
            for axis in decision.axes
            if decision.candidates.points[row, axis] < decision.candidates.points[winner, axis] * (1 - LEAST_RATIO)
        ]
        return f"On the frontier{': ' + ', '.join(ahead) if ahead else ''}"
    if by == winner:
        return "Behind on every axis"
    gains = [
        difference_text(axis, float(decision.candidates.points[by, axis] / decision.candidates.points[row, axis]))
        for axis in decision.axes
        if decision.candidates.points[by, axis] < decision.candidates.points[row, axis] * (1 - LEAST_RATIO)
    ]
    text = f"Dominated by {candidate_text(decision.candidates, by, decision.market)}"
    return f"{text}: {', '.join(gains)}" if gains else text


def _doubt(better: float) -> str:
    """Return what the draws say where they do not agree."""
    return "" if better >= SURE else f"; not certain: it wins {1 - better:.0%} of the draws"


def _factor(part: RatioFactor, trained: bool) -> str:
    """Return one factor in words, from the loser's side; `trained`: every parameter is, as utilisation counts."""
    now, old = part.loser, part.winner
    return {
        "devices": f"{now:.0f} devices, not {old:.0f}",
        "peak": f"the peak of a device is {factor_text(now / old)}",
        "utilisation": f"{now:.0%} of it used, not {old:.0%}" if trained else f"its use is {factor_text(now / old)}",
        "goodput": f"it trains {now:.0%} of its time, not {old:.0%}",
        "price": f"a device-hour comes to {objective_text(1, now * HOUR_S)}, not {objective_text(1, old * HOUR_S)}",
        "power": f"a device draws {now:.0f} W with its node, not {old:.0f}",
        "pue": f"PUE {now:.2f}, not {old:.2f}",
        "intensity": f"{1000 * KWH_J * now:.0f} g/kWh, not {1000 * KWH_J * old:.0f}",
    }[part.name]


def _best(decision: Decision, rows: Rows, column: int) -> int | None:
    return int(rows[np.argmin(decision.candidates.points[rows, column])]) if rows.size else None
