"""Why a point is where it is: which limits hold it there, what its steps wait for, and how its rivals lost."""

from collections.abc import Sequence

import numpy as np

from steelyard.report.figures import MASS, TIME, amount, dollars
from steelyard.search.answer import Point, Rival
from steelyard.search.market import Market, bounds_of, within
from steelyard.search.pareto import Rows
from steelyard.search.world import Limits, World
from steelyard.tables import StepTime
from steelyard.units import HOUR_S, KWH_J

COLUMN = {"cheapest": 1, "fastest": 0, "leanest": 2, "cleanest": 3}
"""The objective that a label is about."""

LIMITS = ("deadline", "budget", "energy limit", "CO2e limit")
BETTER = 0.995
"""A limit binds a point if without it another one were better by more than half a percent."""

SAME = 1.005
CLOSE = 0.02

TIGHT = 0.9
"""Memory is said to bind from this share of the device's memory on, at the upper end of its interval."""

PARTS = {
    "matrix products and attention": ("gemm_s", "attention_s", "vocab_s"),
    "recomputation": ("recompute_s",),
    "memory bandwidth": ("pointwise_s",),
    "kernel launches": ("host_s",),
    "communication": ("tp_s", "cp_s", "ep_s", "pp_s", "dp_s"),
    "the pipeline bubble": ("bubble_s",),
    "the optimizer step": ("optimizer_s",),
}


def binds(made: Point, found: Market, row: int, limits: Limits, world: World) -> tuple[str, ...]:
    """Return what holds a point where it is: limits that cost it something, memory, and the largest part of a step."""
    said = _limits(made, found, row, limits, world) + _risks(made, limits)
    share = made.memory_bytes.high / made.memory_limit_bytes
    if share > TIGHT:
        said.append(f"memory: up to {share:.0%} of the device's")
    return (*said, waits(made.prediction.time))


def waits(step: StepTime) -> str:
    """Return what most of a step goes to."""
    sums = {name: sum(float(getattr(step, part)) for part in parts) for name, parts in PARTS.items()}
    name = max(sums, key=lambda part: sums[part])
    return f"step: {sums[name] / float(step.total_s):.0%} {name}"


def rivals(label: str, found: Market, row: int, limits: Limits, world: World) -> tuple[Rival, ...]:
    """Return the best of every other kind that is feasible: another chip, more or fewer devices, another stack."""
    if label not in COLUMN:
        return ()
    column = COLUMN[label]
    able = within(found.points, bounds_of(limits)) & ~np.isnan(found.points[:, column])
    chips = np.array([world.chips[chip].accelerator for chip in found.chip])
    devices = np.asarray(found.layouts.devices)
    same = chips == chips[row]
    kinds: list[Rows] = [np.flatnonzero(able & ~same)]
    first = _best(found, kinds[0], column)
    if first is not None:
        kinds.append(np.flatnonzero(able & ~same & (chips != chips[first])))
    kinds.append(np.flatnonzero(able & same & (devices != devices[row])))
    kinds.append(np.flatnonzero(able & same & (devices == devices[row]) & (found.tool != found.tool[row])))
    losers = [_best(found, rows, column) for rows in kinds]
    return tuple(Rival(label, _lost(found, row, loser, column, world)) for loser in losers if loser is not None)


def _limits(made: Point, found: Market, row: int, limits: Limits, world: World) -> list[str]:
    if made.label not in COLUMN:
        return []
    column, bounds = COLUMN[made.label], bounds_of(limits)
    said = []
    for index in np.flatnonzero(np.isfinite(bounds)):
        free = bounds.copy()
        free[index] = np.inf
        rows = np.flatnonzero(within(found.points, free) & ~np.isnan(found.points[:, column]))
        best = _best(found, rows, column)
        if best is not None and found.points[best, column] < BETTER * found.points[row, column]:
            values = ", ".join(dict.fromkeys((_value(found, best, column), _value(found, best, int(index)))))
            said.append(f"{LIMITS[index]}: without it {_name(found, best, world)} would come to {values}")
    return said


def _risks(made: Point, limits: Limits) -> list[str]:
    """Name the limits that the upper end of an interval exceeds."""
    figures = (made.time_s, made.cost_usd, made.energy_j, made.co2e_kg)
    bounds = bounds_of(limits)
    return [
        f"{LIMITS[index]}: missed at the upper end of the interval ({_words(index, figures[index].high)})"
        for index in range(len(figures))
        if figures[index].high > bounds[index]
    ]


def _best(found: Market, rows: Rows, column: int) -> int | None:
    return int(rows[np.argmin(found.points[rows, column])]) if rows.size else None


def _lost(found: Market, winner: int, loser: int, column: int, world: World) -> str:
    ratio = found.points[loser, column] / found.points[winner, column]
    what = ("slower", "dearer", "more energy", "more CO2e")[column]
    words = (_time_words, _cost_words, _energy_words, _carbon_words)[column](found, winner, loser, world)
    if ratio < SAME:
        return f"{_name(found, loser, world)}: the same within half a percent ({_value(found, loser, column)})"
    size = f"{ratio - 1:.0%}" if ratio < 3 else f"{ratio:.1f} times"
    return f"{_name(found, loser, world)}: {size} {what} ({_value(found, loser, column)}): {_and(words)}"


def _cost_words(found: Market, winner: int, loser: int, world: World) -> list[str]:
    hours = [found.points[row, 0] * float(np.asarray(found.layouts.devices)[row]) for row in (winner, loser)]
    price = [world.deals[found.deal[row]].usd_per_device_s * HOUR_S for row in (winner, loser)]
    return [
        f"a device-hour costs {_change(price[0], price[1])} ({dollars(price[1])})",
        f"it needs {_change(hours[0], hours[1])} device-hours",
    ]


def _time_words(found: Market, winner: int, loser: int, world: World) -> list[str]:
    devices = np.asarray(found.layouts.devices)
    speed = [1 / (found.points[row, 0] * float(devices[row])) for row in (winner, loser)]
    ratio = speed[1] / speed[0]
    words = [f"one device is {abs(ratio - 1):.0%} {'faster' if ratio > 1 else 'slower'}"]
    if devices[winner] != devices[loser]:
        words.append(f"there are {devices[loser]:.0f} devices, not {devices[winner]:.0f}")
    return words


def _energy_words(found: Market, winner: int, loser: int, world: World) -> list[str]:
    watts = [found.points[row, 2] / found.points[row, 0] for row in (winner, loser)]
    return [
        f"it draws {_change(watts[0], watts[1])} power",
        f"it takes {_change(found.points[winner, 0], found.points[loser, 0])} time",
    ]


def _carbon_words(found: Market, winner: int, loser: int, world: World) -> list[str]:
    energy = [found.points[row, 2] for row in (winner, loser)]
    grams = [1000 * KWH_J * found.points[row, 3] / found.points[row, 2] for row in (winner, loser)]
    sites = [world.places[world.deals[found.deal[row]].place].name for row in (winner, loser)]
    words = [f"it draws {_change(energy[0], energy[1])} energy"]
    if abs(grams[1] / grams[0] - 1) > CLOSE:
        words.append(f"{sites[1]} emits {grams[1]:.0f} g/kWh, {sites[0]} {grams[0]:.0f}")
    return words


def _change(old: float, new: float) -> str:
    ratio = new / old
    if abs(ratio - 1) < 0.005:
        return "the same"
    if ratio > 3:
        return f"{ratio:.1f} times the"
    return f"{abs(ratio - 1):.0%} {'more' if ratio > 1 else 'less'}"


def _value(found: Market, row: int, column: int) -> str:
    return _words(column, float(found.points[row, column]))


def _words(column: int, value: float) -> str:
    if column == 0:
        return amount(value, TIME)
    if column == 1:
        return dollars(value)
    return f"{value / KWH_J:,.0f} kWh" if column == 2 else amount(value, MASS)


def _name(found: Market, row: int, world: World) -> str:
    deal = world.deals[found.deal[row]]
    devices = float(np.asarray(found.layouts.devices)[row])
    stack = world.tools[found.tool[row]].name
    return f"{devices:.0f} × {world.chips[found.chip[row]].accelerator} ({deal.offer}, {stack})"


def _and(words: Sequence[str]) -> str:
    return " and ".join(words)
