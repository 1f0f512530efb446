"""Why a point is where it is: which limits hold it there, and what its steps wait for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.formatting.figures import TIME, amount, number
from steelyard.market.options import Market
from steelyard.reasons.phrases import candidate_text, figure_text, objective_text
from steelyard.reasons.summaries import Summary, summary
from steelyard.search.candidates import Candidates, bounds_of, within_limits
from steelyard.search.engine import LIMITS, Limits
from steelyard.search.pareto import Rows
from steelyard.tables import StepTime
from steelyard.units import GIB_BYTES

COLUMN = {"cheapest": 1, "fastest": 0, "leanest": 2, "cleanest": 3}
"""The objective that a label is about."""

_LIMIT_NAMES = tuple(LIMITS)
_BETTER = 0.995
"""A limit binds a point if without it another one were better by more than half a percent."""

TIGHT = 0.9
"""Memory is said to bind from this share of the device's memory on, at the upper end of its interval."""

_PARTS = {
    "compute": ("gemm_s", "attention_s", "vocab_s"),
    "recomputation": ("recompute_s",),
    "memory bandwidth": ("pointwise_s",),
    "kernel launches": ("host_s",),
    "communication": ("tp_s", "cp_s", "ep_s", "pp_s", "dp_s"),
    "the pipeline bubble": ("bubble_s",),
    "the optimizer step": ("optimizer_s",),
}


@dataclass(frozen=True, slots=True)
class Bind:
    """What holds a point where it is."""

    what: str  # a limit, memory, step, or host link
    text: str
    without: Summary | None = None  # what would win without this limit
    missed: bool = False  # the upper end of the interval is beyond this limit


@dataclass(frozen=True, slots=True)
class Held:
    """What is asked of a point: its label, the upper ends of its objectives, its share of memory, its step."""

    label: str
    high: tuple[float, ...]  # of each objective
    memory_share: float  # of the device's memory, at the upper end
    step: StepTime


def binds(held: Held, found: Candidates, row: int, limits: Limits, market: Market) -> tuple[Bind, ...]:
    """Return what holds a point where it is: limits that cost it something, memory, and the largest part of a step.

    The row is the exact optimum, which the point may stand in for: a limit that costs that nothing does not bind.
    """
    made = _limits(held.label, found, row, limits, market) + _risks(held.high, limits)
    if held.memory_share > TIGHT:
        made.append(Bind("memory", f"memory: up to {held.memory_share:.0%} full"))
    return (*made, Bind("step", step_text(held.step)))


def step_text(step: StepTime) -> str:
    """Return what most of a step goes to, or which of its parts are not known."""
    sums = {name: sum(float(getattr(step, part)) for part in parts) for name, parts in _PARTS.items()}
    if unknown := [name for name, seconds in sums.items() if math.isnan(seconds)]:
        return f"step: unknown, for {' and '.join(unknown)} is not known"
    name = max(sums, key=lambda part: sums[part])
    return f"step: {sums[name] / float(step.total_s):.0%} {name}"


def _limits(label: str, found: Candidates, row: int, limits: Limits, market: Market) -> list[Bind]:
    if label not in COLUMN:
        return []
    column, bounds = COLUMN[label], bounds_of(limits)
    said = []
    for index in np.flatnonzero(np.isfinite(bounds)):
        free = bounds.copy()
        free[index] = np.inf
        rows = np.flatnonzero(within_limits(found.points, free) & ~np.isnan(found.points[:, column]))
        best = _best(found, rows, column)
        if best is not None and found.points[best, column] < _BETTER * found.points[row, column]:
            values = ", ".join(dict.fromkeys((figure_text(found, best, column), figure_text(found, best, int(index)))))
            text = f"{_LIMIT_NAMES[index]}: without it {candidate_text(found, best, market)} would come to {values}"
            said.append(Bind(_LIMIT_NAMES[index], text, without=summary(market, found, best)))
    return said


def _risks(high: tuple[float, ...], limits: Limits) -> list[Bind]:
    """Name the limits that the upper end of an interval exceeds."""
    bounds = bounds_of(limits)
    over = [index for index in range(len(high)) if high[index] > bounds[index]]
    end = "missed at the upper end of the interval"
    return [
        Bind(_LIMIT_NAMES[index], f"{_LIMIT_NAMES[index]}: {end} ({objective_text(index, high[index])})", missed=True)
        for index in over
    ]


def beyond_limits(values: Sequence[float], high: Sequence[float], limits: Limits) -> tuple[Bind, ...]:
    """Return the limits that a pinned configuration breaks, or that the upper end of an interval exceeds.

    Args:
        values: time, money, facility energy and CO2e, in SI
        high: the upper ends of their intervals
        limits: of the job

    >>> [one.text for one in beyond_limits((7200.0, 5.0, 1.0, 1.0), (9000.0, 9.0, 1.0, 1.0), Limits(3600.0, 6.0))]
    ['deadline broken: 2.0 h where the job allows 1.0 h', 'budget: missed at the upper end of the interval ($9.00)']
    """
    bounds = bounds_of(limits)
    broken = [
        Bind(name, f"{name} broken: {objective_text(index, value)} where the job allows {most}", missed=True)
        for index, (name, value) in enumerate(zip(_LIMIT_NAMES, values, strict=True))
        if value > bounds[index] and (most := objective_text(index, float(bounds[index])))
    ]
    said = {one.what for one in broken}
    return (*broken, *(one for one in _risks(tuple(high), limits) if one.what not in said))


def _best(found: Candidates, rows: Rows, column: int) -> int | None:
    return int(rows[np.argmin(found.points[rows, column])]) if rows.size else None


HOST_ASSUMED_BYTES = 100 * GIB_BYTES
"""So much a host is taken to have where nobody says: chosen, by what hosts of eight devices have in the catalog."""


def unknown_host_text(host_bytes: float, limit_bytes: float) -> str:
    """Return that nobody says whether a host holds what is put there; empty where that is known, or little.

    >>> from math import inf, nan
    >>> unknown_host_text(400 * GIB_BYTES, nan), unknown_host_text(400 * GIB_BYTES, inf), unknown_host_text(1e9, nan)
    ('host memory unknown: needs 400 GiB a host', '', '')
    """
    if not math.isnan(limit_bytes) or not host_bytes > HOST_ASSUMED_BYTES:
        return ""
    return f"host memory unknown: needs {host_bytes / GIB_BYTES:,.0f} GiB a host"


def host_bytes_text(host_bytes: float, limit_bytes: float) -> str:
    """Return what is put on a host, and how much it has; empty where nothing is, or more than it has.

    >>> from math import nan
    >>> host_bytes_text(36.2 * GIB_BYTES, 1152 * GIB_BYTES), host_bytes_text(36.2 * GIB_BYTES, nan)
    ('host memory: needs 36 of 1,152 GiB a host', 'host memory: needs 36 GiB a host, of which nobody says what it has')
    >>> host_bytes_text(400 * GIB_BYTES, nan), host_bytes_text(0.0, nan), host_bytes_text(2.0, 1.0)
    ('host memory unknown: needs 400 GiB a host', '', '')
    """
    if not host_bytes > 0 or host_bytes > limit_bytes:
        return ""
    need = number(host_bytes / GIB_BYTES)
    if not math.isnan(limit_bytes):
        return f"host memory: needs {need} of {number(limit_bytes / GIB_BYTES)} GiB a host"
    little = f"host memory: needs {need} GiB a host, of which nobody says what it has"
    return unknown_host_text(host_bytes, limit_bytes) or little


HIDDEN = 0.01
"""Share of a step below which a wait is not said to be one."""


def host_link_text(crossing_bytes: float, crossing_s: float, step: StepTime) -> str:
    """Return what crosses a host's link in a step beside the work, and how much of it the work hides; empty: nothing.

    Args:
        crossing_bytes: of one device and step, in the direction that has more.
        crossing_s: in how long, if no work ran beside it; NaN: nobody says the rate of the link.
        step: whose wait for data-parallel traffic has that for the link in it.

    >>> from dataclasses import fields, replace
    >>> step = StepTime(**{field.name: 0.0 for field in fields(StepTime)})
    >>> for waits_s in (0.001, 0.5):
    ...     print(host_link_text(6 * GIB_BYTES, 0.12, replace(step, dp_s=waits_s, total_s=4.0)))
    host link: 6.0 GiB a step cross it in 120 ms, hidden behind the work
    host link: 6.0 GiB a step cross it in 120 ms, of which the work hides nothing
    """
    if not crossing_bytes > 0:
        return ""
    moved = f"host link: {crossing_bytes / GIB_BYTES:.1f} GiB a step cross it"
    if math.isnan(crossing_s):
        return f"{moved}; nobody says its rate, so they are taken to hide behind the work"
    waits_s = min(float(step.dp_s), crossing_s)
    if waits_s < HIDDEN * float(step.total_s):
        return f"{moved} in {amount(crossing_s, TIME)}, hidden behind the work"
    hidden_s = crossing_s - waits_s
    hides = f"all but {amount(waits_s, TIME)}" if hidden_s > HIDDEN * crossing_s else "nothing"
    return f"{moved} in {amount(crossing_s, TIME)}, of which the work hides {hides}"
