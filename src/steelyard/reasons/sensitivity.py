"""Which input, moved by 10 %, changes the winner of a point: decided anew over all candidates, not by derivatives.

An input that moves changes the figures of the candidates it concerns; they are predicted again, offers that would no
longer be dominated come back in, and the winners are chosen anew within the limits. The survivors of the search stay
what they are (`moved_inputs`), so this is what a search with the moved input would find.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.reasons.binds import COLUMN
from steelyard.reasons.decision import Decision
from steelyard.reasons.inputs import INPUT_FIELDS, MovedInput, inputs_behind, owners
from steelyard.reasons.phrases import candidate_text, figure_text
from steelyard.reasons.summaries import Summary, summary
from steelyard.search.batches import joined_candidates
from steelyard.search.candidates import OBJECTIVES, Candidates, bounds_of, judged_candidates, objectives, within_limits
from steelyard.search.engine import LIMITS
from steelyard.search.family import BLOCK
from steelyard.search.forked import cores, on_processes
from steelyard.search.pareto import Points, Rows, frontier
from steelyard.search.rows import job_of_layout, labelled_rows
from steelyard.search.survivors import Survivors, deal_figures, deal_groups
from steelyard.tables import join, take

STEP = 0.1
"""How far an input moves, up and down."""

PIVOTS = 8
"""Rows of the frontier that rule out most others before the frontier is taken anew."""

ROUNDING = 1e-9
"""Share of a figure within which two are one: rounding."""

TABLES = ("machine", "kernels", "stack", "policy", "site", "offer")
PRICE, POWER, PUE, CARBON = 0, 1, -2, -1
"""Columns of `deal_figures`: of a device-second, of electricity, PUE, PUE x intensity."""


@dataclass(frozen=True, slots=True)
class WinnerChange:
    """Another winner of a point, once an input has moved."""

    label: str
    input: str
    change: float  # share of itself by which the input moves
    chance: float = math.nan  # that it turns out so far off or farther, by its spread; NaN: chosen or quoted
    winner: Summary | None = None  # None: nothing is feasible any more
    text: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What wins once an input has moved."""

    candidates: Candidates
    rows: Mapping[str, int]  # by label; none where nothing is feasible


def shifts(
    decision: Decision, least: Mapping[str, int], rivals: Sequence[int]
) -> tuple[tuple[WinnerChange, ...], tuple[str, ...]]:
    """Return every change of a winner when one of the inputs behind points and rivals moves, and all that was moved."""
    keys = inputs_behind(decision, [*least.values(), *rivals])
    moved_inputs = [MovedInput(*key, change) for key in keys for change in (STEP, -STEP)]
    wide, helped = Wide.of(decision, moved_inputs), cores()
    parts = [range(first, len(moved_inputs), helped) for first in range(min(helped, len(moved_inputs)))]
    changes = on_processes(
        lambda places: _changes(wide, least, [(place, moved_inputs[place]) for place in places]), parts, helped
    )
    found = [change for _, some in changes for change in some]
    order = {label: place for place, label in enumerate(least)}
    found.sort(key=lambda change: (order[change[1].label], change[0]))
    names = dict.fromkeys(move.name for move in moved_inputs)
    return tuple(shift for _, shift in found), tuple(names)


def _changes(
    wide: "Wide", least: Mapping[str, int], some: Sequence[tuple[int, MovedInput]]
) -> list[tuple[int, WinnerChange]]:
    """Return what some moves change, each with the move's place."""
    found = []
    moved = wide.figures([move for _, move in some])
    for (place, _), (move, rows, figures) in zip(some, moved, strict=True):
        decided = wide.decided(move, rows, figures)
        changed = [label for label, row in least.items() if _other(wide.decision, row, decided, label, move)]
        found += [(place, _shift(wide.decision, label, move, decided)) for label in changed]
    return found


@dataclass(frozen=True, slots=True)
class Wide:
    """A decision with every offer that some move brings back, and the tables that each of its rows stands on."""

    decision: Decision
    candidates: Candidates
    tables: Mapping[str, Any]

    @staticmethod
    def of(decision: Decision, moved_inputs: Sequence[MovedInput]) -> "Wide":
        """Return a decision with the offers that moves bring back, each with the survivors of its chip."""
        extra = _brought_back(decision, moved_inputs)
        candidates = (
            joined_candidates([decision.candidates, *_sold(decision, extra)]) if extra.size else decision.candidates
        )
        market = decision.market
        deals = [market.deals[row] for row in np.unique(candidates.deal)]
        place = np.searchsorted(np.unique(candidates.deal), candidates.deal)
        chip, tool = candidates.hardware, candidates.stack
        tables = {
            "machine": take(join([one.machine for one in market.hardware]), chip),
            "kernels": take(join([one.kernels for one in market.hardware]), chip),
            "stack": take(join([one.stack for one in market.stacks]), tool),
            "policy": take(join([market.policies[deal.policy] for deal in deals]), place),
            "site": take(join([market.sites[deal.site_index].site for deal in deals]), place),
            "offer": take(join([deal.price for deal in deals]), place),
        }
        return Wide(decision, candidates, tables)

    def decided(self, move: MovedInput, changed: Rows, figures: Points) -> Decided:
        """Return what wins after a move that gives some rows other figures."""
        points: Points = self.candidates.points.copy()
        points[changed] = figures
        candidates = replace(self.candidates, points=points)
        rows = np.flatnonzero(within_limits(points, bounds_of(move.limits(self.decision.limits))))
        if not rows.size:
            return Decided(candidates, {})
        known = np.where(np.isnan(points), np.inf, points)[:, list(self.decision.axes)]
        left = rows[_unbeaten(known[rows], known[self.decision.front[np.isin(self.decision.front, rows)]])]
        return Decided(candidates, labelled_rows(points, left[frontier(known[left])], self.decision.axes))

    def figures(self, moved_inputs: Sequence[MovedInput]) -> Iterator[tuple[MovedInput, Rows, Points]]:
        """Yield each move with the rows that it concerns and their objectives after it, all predicted at once."""
        concerned = [self.concerned(move) for move in moved_inputs]
        stops = np.cumsum([rows.size for rows in concerned])
        every = np.concatenate(concerned)
        layouts = take(self.candidates.layouts, every)
        job = job_of_layout(
            replace(self.decision.job, samples=np.full(every.size, float(self.decision.job.samples))), layouts
        )
        tables = {"job": job, **{kind: take(self.tables[kind], every) for kind in TABLES}}
        for move, rows, stop in zip(moved_inputs, concerned, stops, strict=True):
            if move.what not in LIMITS:
                _write(tables[INPUT_FIELDS[move.what][0]], move, slice(stop - rows.size, stop))
        points = np.empty((every.size, len(OBJECTIVES)))
        for start in range(0, every.size, BLOCK):
            part = slice(start, start + BLOCK)
            some = {kind: take(table, part) for kind, table in (tables | {"layout": layouts}).items()}
            found = self.decision.engine.predict(some["job"], some["layout"], *(some[kind] for kind in TABLES))
            points[part] = objectives(found, self.decision.limits.carbon)
        yield from zip(moved_inputs, concerned, np.split(points, stops[:-1]), strict=True)

    def concerned(self, move: MovedInput) -> Rows:
        """Return the rows whose figures a move changes."""
        if move.what in LIMITS:
            return np.empty(0, dtype=np.intp)
        if not move.who:
            return np.arange(self.candidates.count)
        by, whose = owners(self.decision.market, move.what)
        return np.flatnonzero((np.array(whose) == move.who)[getattr(self.candidates, by)])


def _write(table: Any, move: MovedInput, part: slice) -> None:
    """Move an input in some rows of a table of arrays."""
    after = move.of(INPUT_FIELDS[move.what][0], take(table, part))
    for field in INPUT_FIELDS[move.what][1]:
        getattr(table, field)[part] = getattr(after, field)


def _unbeaten(known: Points, front: Points) -> NDArray[np.bool_]:
    """Return which rows none of some rows of the old frontier is ahead of everywhere: few are left to compare."""
    left = np.ones(len(known), dtype=bool)
    for pivot in front[:: max(1, len(front) // PIVOTS)]:
        left &= ~np.all(pivot < known, axis=1)
    return left


def _brought_back(decision: Decision, moved_inputs: Sequence[MovedInput]) -> Rows:
    """Return the deals that are dominated now and would not be after one of the moves."""
    figures, groups = deal_figures(decision.market, decision.limits.carbon), deal_groups(decision.market)
    now = {int(row) for rows in groups for row in rows[frontier(figures[rows])]}
    found: set[int] = set()
    for move in moved_inputs:
        if move.what in {"price", "PUE", "intensity"}:
            mine = np.array(owners(decision.market, move.what)[1]) == move.who
            after = _moved(figures, mine, move)
            for rows in groups:
                if rows.size > 1 and mine[rows].any():
                    found |= set(rows[frontier(after[rows])].tolist())
    return np.array(sorted(found - now), dtype=np.intp)


def _moved(figures: Points, mine: NDArray[np.bool_], move: MovedInput) -> Points:
    """Return the figures of deals once an input has moved."""
    after = figures.copy()
    factor = 1 + move.change
    if move.what == "price":
        after[mine, PRICE] *= factor
    elif move.what == "intensity":
        after[mine, CARBON] *= factor
    else:
        scale = np.maximum(factor * figures[mine, PUE], 1.0) / figures[mine, PUE]
        for column in (POWER, PUE, CARBON):
            after[mine, column] *= scale
    return after


def _sold(decision: Decision, deals: Rows) -> list[Candidates]:
    """Return the survivors of the decision with some more deals, a table of candidates for each global batch."""
    candidates = decision.candidates
    rows = np.flatnonzero(np.isin(candidates.hardware, [decision.market.deals[row].hardware for row in deals]))
    columns = [np.asarray(getattr(candidates.layouts, field))[rows] for field in candidates.layouts.__slots__]
    _, first = np.unique(
        np.column_stack([*columns, candidates.hardware[rows], candidates.stack[rows]]), axis=0, return_index=True
    )
    alive = rows[np.sort(first)]
    batch = np.asarray(job_of_layout(decision.job, take(candidates.layouts, alive)).batch_samples)
    found = []
    for size in np.unique(batch):
        some = alive[batch == size]
        survivors = Survivors(take(candidates.layouts, some), candidates.hardware[some], candidates.stack[some])
        job = replace(decision.job, batch_samples=float(size))
        found.append(judged_candidates(job, decision.market, decision.engine, decision.limits, survivors, deals))
    return found


def _other(decision: Decision, row: int, decided: Decided, label: str, move: MovedInput) -> bool:
    """Tell whether another choice wins: another accelerator, stack, number of devices or offer, or none.

    One that is level with the old winner in what the label is about, and wins on the rest, is a tie and no change: what
    it costs does not make a run faster.
    """
    if label not in decided.rows:
        return True
    points, now = decided.candidates.points, decided.rows[label]
    if label in COLUMN and within_limits(points[[row]], bounds_of(move.limits(decision.limits)))[0]:
        held, won = (float(points[one, COLUMN[label]]) for one in (row, now))
        if held <= won * (1 + ROUNDING):
            return False
    return _choice(decision.candidates, row) != _choice(decided.candidates, decided.rows[label])


def _choice(candidates: Candidates, row: int) -> tuple[int, int, int, int]:
    devices = int(np.asarray(candidates.layouts.devices)[row])
    return int(candidates.hardware[row]), int(candidates.stack[row]), int(candidates.deal[row]), devices


def _shift(decision: Decision, label: str, move: MovedInput, decided: Decided) -> WinnerChange:
    chance = move.chance(decision.market, decision.limits.carbon)
    if label not in decided.rows:
        text = f"{move.text}: nothing is left within the limits"
        return WinnerChange(label, move.name, move.change, chance, None, text)
    now, column = decided.rows[label], COLUMN.get(label, 1)
    what = candidate_text(decided.candidates, now, decision.market)
    figures = dict.fromkeys((figure_text(decided.candidates, now, column), figure_text(decided.candidates, now, 0)))
    winner = summary(decision.market, decided.candidates, now)
    return WinnerChange(label, move.name, move.change, chance, winner, f"{move.text}: {what}, {', '.join(figures)}")
