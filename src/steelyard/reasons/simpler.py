"""A layout that wins by next to nothing is not recommended over a simpler one.

Of the layouts of the winner's own chip, stack and offer that fit, one is *simpler* if it takes no more devices and no
more techniques, and fewer of either. It is preferred if it is within `CLOSE` of the winner on every axis and the order
of the two is not certain on any axis on which it is behind: what measured layouts of one job scatter is more than that.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.peaks import most_needed_bytes, unseen_kind
from steelyard.layout import BOUNDS, space
from steelyard.reasons.decision import Decision
from steelyard.reasons.order import SURE
from steelyard.reasons.phrases import difference_text
from steelyard.reasons.summaries import Summary, summary
from steelyard.search.batches import joined_candidates
from steelyard.search.candidates import Candidates, bounds_of, objectives, predicted_candidates, within_limits
from steelyard.search.pareto import Points
from steelyard.search.rows import job_of_layout, single_layout
from steelyard.tables import Job, Layout, take

CLOSE = 1.02
"""What simplicity may cost on any axis: 2 %, a fifth of what layouts of one job scatter (`Catalog.layout_spread`)."""

TRIED = 16
"""Simpler layouts that are compared, the simplest first."""

Flag = Callable[[Layout], NDArray[np.bool_]]
TECHNIQUES: dict[str, Flag] = {
    "optimizer offload": lambda layout: np.asarray(layout.offload) > 0,
    "recomputation": lambda layout: np.asarray(layout.recompute) > 0,
    "interleaved stages": lambda layout: np.asarray(layout.vpp) > 1,
    "pipeline stages": lambda layout: np.asarray(layout.pp) > 1,
    "context parallelism": lambda layout: np.asarray(layout.cp) > 1,
    "tensor parallelism": lambda layout: np.asarray(layout.tp) > 1,
    "expert parallelism": lambda layout: np.asarray(layout.ep) > 1,
    "sharded parameters": lambda layout: np.asarray(layout.zero) > 2,
    "shard groups": lambda layout: (
        (np.asarray(layout.zero) > 0)
        & (np.asarray(layout.shard_devices) < np.asarray(layout.dp) * np.asarray(layout.cp))
    ),
}
"""What makes a layout more to set up, to debug and to go wrong than plain data parallelism; one point each."""


@dataclass(frozen=True, slots=True)
class Preferred:
    """A simpler layout to take instead of a winner: a table of candidates of one row, and what it saves."""

    candidates: Candidates
    spared: tuple[str, ...]  # techniques of the winner that it does without
    fewer: int  # devices that it does without


@dataclass(frozen=True, slots=True)
class Preference(Summary):
    """The exact optimum, passed over for a simpler layout that is as good for all that is known."""

    ratio: float = math.nan  # the objective of the point over the optimum's
    share_of_draws: float = math.nan  # the shared ones in which the optimum is the better one
    text: str = ""


def complexity(layouts: Layout) -> NDArray[np.int64]:
    """Return how many techniques each layout uses.

    >>> plain = Layout(64.0, 1.0, 1.0, 1.0, 0.0, 1.0, 64.0, 1.0, 1.0, 1.0, 64.0, 2.0, 4.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    >>> int(complexity(plain)), int(complexity(replace(plain, tp=2.0, dp=32.0, shard_devices=32.0, offload=1.0)))
    (0, 2)
    """
    found: NDArray[np.int64] = np.sum([flag(layouts) for flag in TECHNIQUES.values()], axis=0)
    return found


def techniques(layout: Layout) -> tuple[str, ...]:
    """Return the techniques that one layout uses."""
    return tuple(name for name, flag in TECHNIQUES.items() if bool(flag(layout)))


def simpler_layout(decision: Decision, row: int) -> Preferred | None:
    """Return the simplest layout that is as good as a row for all that is known; None where the row is that itself."""
    winner = single_layout(decision.candidates.layouts, row)
    own, devices = int(complexity(winner)), decision.devices(row)
    others = _near(decision, row, _layouts(decision, row, _counts(decision, row)))
    burden, count = complexity(others.layouts), np.asarray(others.layouts.devices)
    less = (burden <= own) & (count <= devices) & ((burden < own) | (count < devices))
    rows = np.flatnonzero(less)
    order = rows[np.lexsort([*others.points[rows].T[::-1], count[rows], burden[rows]])][:TRIED]
    tried = _as_measured(decision, row, others.pick(order))
    if not tried.count:
        return None
    both = with_candidates(decision, joined_candidates([decision.candidates.pick(np.array([row])), tried]))
    both.sample(range(both.candidates.count))
    for place in range(1, both.candidates.count):
        if not any(_surely_ahead(both, place, column) for column in decision.axes):
            chosen = single_layout(both.candidates.layouts, place)
            spared = tuple(name for name in techniques(winner) if name not in techniques(chosen))
            return Preferred(both.candidates.pick(np.array([place])), spared, devices - int(chosen.devices))
    return None


def preference(decision: Decision, row: int, least: int, column: int | None, passed: Preferred) -> Preference:
    """Return what was passed over: measured by the label's own objective, by time for the knee."""
    by = decision.axes[0] if column is None else column
    ratio, better = (
        float(decision.candidates.points[row, by] / decision.candidates.points[least, by]),
        decision.better(least, row, by),
    )
    less = [f"{passed.fewer} devices"] if passed.fewer else []
    spared = " and ".join([*less, *passed.spared])
    over = summary(decision.market, decision.candidates, least)
    text = (
        f"{over.devices} × {over.accelerator}, {over.layout_text}, is {difference_text(by, 1 / ratio)} "
        f"with {spared} more, and wins {better:.0%} of the draws"
    )
    return Preference(**over.figures(), ratio=ratio, share_of_draws=better, text=text)


def with_candidates(decision: Decision, candidates: Candidates) -> Decision:
    """Return the decision over other rows."""
    return replace(decision, candidates=candidates, front=np.empty(0, dtype=np.intp), samples={})


def _surely_ahead(both: Decision, place: int, column: int) -> bool:
    """Tell whether the winner, row 0, is certain to be ahead of another row."""
    return both.better(0, place, column) >= SURE


def _near(decision: Decision, row: int, others: Candidates) -> Candidates:
    """Return the rows that respect the limits and are close to a row on every axis."""
    axes = list(decision.axes)
    found, least = others.points[:, axes], decision.candidates.points[row, axes]
    close = np.all((found <= CLOSE * least) | np.isnan(least), axis=1)
    return others.pick(np.flatnonzero(close & within_limits(others.points, bounds_of(decision.limits))))


def _as_measured(decision: Decision, row: int, others: Candidates) -> Candidates:
    """Return the rows that are close to a row as measured steps make them; all of them where no step was measured.

    One that they bring ahead of the row is none: the search, which knows of them last, would have weighed it elsewhere.
    """
    if decision.market.measured is None or not others.count:
        return others
    found = predicted_candidates(
        decision.job, decision.market, decision.engine, others.layouts, others.hardware, others.stack, others.deal
    )
    points = objectives(found, decision.limits.carbon)
    behind = np.all(~(points < decision.candidates.points[row])[:, list(decision.axes)], axis=1)
    return _near(decision, row, replace(others, points=points).pick(np.flatnonzero(behind)))


def _counts(decision: Decision, row: int) -> list[int]:
    """Return the row's number of devices, and smaller ones that come close on the same chip, stack and offer."""
    candidates = decision.candidates
    same = (
        (candidates.hardware == candidates.hardware[row])
        & (candidates.stack == candidates.stack[row])
        & (candidates.deal == candidates.deal[row])
    )
    count = np.asarray(candidates.layouts.devices)
    rows = np.flatnonzero(same & (count < count[row]))
    near = _near(decision, row, candidates.pick(rows))
    return sorted({decision.devices(row), *np.asarray(near.layouts.devices).astype(int).tolist()})


def _layouts(decision: Decision, row: int, counts: list[int]) -> Candidates:
    """Return every layout that fits on the row's chip, stack and offer, at some numbers of devices, judged in full."""
    candidates, market = decision.candidates, decision.market
    chip, tool, deal = (
        market.hardware[candidates.hardware[row]],
        market.stacks[candidates.stack[row]],
        market.deals[candidates.deal[row]],
    )
    job = _job(decision, row)
    layouts = space(job, counts, int(chip.machine.domain_devices), tool.capability, BOUNDS, decision.limits.layout)
    held = decision.engine.memory(job, layouts, chip.machine, tool.stack)
    fits = np.asarray(most_needed_bytes(held, tool.peaks, unseen_kind(layouts.schedule)) <= chip.machine.memory_bytes)
    for name, values in decision.limits.layout.items():
        fits &= np.isin(getattr(layouts, name), values)
    layouts = take(layouts, np.flatnonzero(fits))
    policy, site = market.policies[deal.policy], market.sites[deal.site_index].site
    found = decision.engine.predict(job, layouts, chip.machine, chip.kernels, tool.stack, policy, site, deal.price)
    count = np.size(layouts.tp)
    points: Points = np.broadcast_to(objectives(found, decision.limits.carbon), (count, 4))
    chips, tools, deals = (
        np.full(count, int(column[row])) for column in (candidates.hardware, candidates.stack, candidates.deal)
    )
    return Candidates(layouts, chips, tools, deals, points)


def _job(decision: Decision, row: int) -> Job:
    """Return the job with the row's own batch, as a plain number."""
    made = job_of_layout(decision.job, single_layout(decision.candidates.layouts, row))
    return replace(made, batch_samples=float(made.batch_samples))
