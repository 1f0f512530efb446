"""From rows of the market to points: named, with intervals, and what a person needs to act on them."""

import math
from dataclasses import replace
from datetime import date

import numpy as np

from steelyard.layout import text_of
from steelyard.search.answer import Dot, Figure, Point
from steelyard.search.bill import operated
from steelyard.search.intervals import Setting, intervals, memory_interval
from steelyard.search.market import Market, objectives
from steelyard.search.pareto import Points, Rows, knee
from steelyard.search.world import Deal, Engine, World
from steelyard.tables import Job, Layout, each, take
from steelyard.units import Array

LABELS = ("cheapest", "fastest", "leanest", "cleanest", "balanced")
LEAST = {"cheapest": (1, 0, 3, 2), "fastest": (0, 1, 3, 2), "leanest": (2, 1, 0, 3), "cleanest": (3, 1, 0, 2)}
"""Objectives that a label makes least, the first one first; the others decide between equals."""


def named(points: Points, front: Rows, axes: tuple[int, ...] = (0, 1, 2, 3)) -> dict[str, int]:
    """Return the row of each label on the frontier: one for each axis, and the knee.

    Leanest, the least energy, is named where CO2e is no axis: on one site they are the same. No row is leanest or
    cleanest where none is known. Balanced is the knee: the row nearest to the best of all axes at once, each on a
    logarithmic scale from its best to its worst on the frontier, among the rows where all are known (time and money
    where none is). Energy counts in it only where CO2e does not. With a single axis there is no knee.
    """
    values = points[front]
    weighed = tuple(axis for axis in axes if axis != 2 or 3 not in axes)
    found = {}
    for label, order in LEAST.items():
        if order[0] in weighed and not np.isnan(values[:, order[0]]).all():
            found[label] = _least(values, order)
    if len(weighed) > 1:
        known = np.flatnonzero(~np.isnan(values[:, weighed]).any(axis=1))
        usable = known if known.size else np.arange(front.size)
        found["balanced"] = int(usable[knee(values[usable][:, weighed])])
    return {label: int(front[found[label]]) for label in LABELS if label in found}


def point(
    job: Job, world: World, engine: Engine, carbon: str, found: Market, row: int, label: str, today: date
) -> Point:
    """Return one row as a point."""
    deal = world.deals[found.deal[row]]
    made = judged(setting_of(job, world, found, row), engine, carbon, label, deal.system)
    return with_deal(made, deal, today)


def setting_of(job: Job, world: World, found: Market, row: int) -> Setting:
    """Return everything that a row stands on."""
    deal, layout = world.deals[found.deal[row]], single(found.layouts, row)
    return Setting(
        job=of_layout(job, layout),
        layout=layout,
        chip=world.chips[found.chip[row]],
        tool=world.tools[found.tool[row]],
        policy=world.policies[deal.policy],
        policy_log_sd=world.policy_log_sd[deal.policy],
        place=world.places[deal.place],
        offer=deal.price,
        layout_log_sd=world.layout_log_sd,
    )


def of_layout(job: Job, layout: Layout) -> Job:
    """Return the job with the global batch that a layout runs.

    >>> layout = Layout(*[2.0] * len(Layout.__slots__))
    >>> of_layout(Job(*[1.0] * len(Job.__slots__)), layout).batch_sequences
    8.0
    """
    return replace(job, batch_sequences=layout.dp * layout.micro_batch * layout.micro_batches)


def judged(setting: Setting, engine: Engine, carbon: str, label: str, system: str) -> Point:
    """Return a point for one setting, without an offer's name."""
    chip, tool = setting.chip, setting.tool
    central = engine.predict(
        setting.job, setting.layout, chip.machine, chip.kernels, tool.stack, setting.policy, setting.place.site,
        setting.offer,
    )  # fmt: skip
    ends = intervals(setting, engine, carbon)
    figures = [Figure(*_ordered(value, ends[:, k])) for k, value in enumerate(objectives(central, carbon)[0])]
    peak = float(np.asarray(central.memory.device_bytes))
    time_s, cost_usd, energy_j, co2e_kg = figures
    return Point(
        label=label,
        time_s=time_s,
        cost_usd=cost_usd,
        energy_j=energy_j,
        co2e_kg=co2e_kg,
        memory_bytes=Figure(peak, *memory_interval(peak, tool.memory_log_sd)),
        memory_limit_bytes=float(chip.machine.memory_bytes),
        layout=setting.layout,
        layout_text=text_of(setting.layout),
        chip=chip,
        tool=tool,
        place=setting.place,
        deal=None,
        system=system,
        policy=setting.policy,
        prediction=each(central, lambda value: float(np.asarray(value))),
        price_age_days=math.nan,
        operation=operated(setting.job, setting.layout, chip.machine, setting.policy, central),
    )


def single(layouts: Layout, row: int) -> Layout:
    """Return one layout of a table as plain numbers."""
    return each(take(layouts, row), float)


def dots(world: World, found: Market, front: Rows) -> tuple[Dot, ...]:
    """Return the whole frontier in short, fastest first."""
    order = front[np.argsort(found.points[front, 0], kind="stable")]
    return tuple(dot(world, found, int(row)) for row in order)


def dot(world: World, found: Market, row: int) -> Dot:
    """Return one row in short."""
    time_s, cost_usd, energy_j, co2e_kg = (float(value) for value in found.points[row])
    layout = single(found.layouts, row)
    return Dot(
        time_s=time_s,
        cost_usd=cost_usd,
        energy_j=energy_j,
        co2e_kg=co2e_kg,
        devices=int(layout.devices),
        accelerator=world.chips[found.chip[row]].accelerator,
        stack=world.tools[found.tool[row]].name,
        offer=world.deals[found.deal[row]].offer,
        layout_text=text_of(layout),
    )


def with_deal(made: Point, deal: Deal, today: date) -> Point:
    """Return a point with the name, and the age of the price, of its offer."""
    age = float((today - date.fromisoformat(deal.price_date)).days) if deal.price_date else math.nan
    return replace(made, deal=deal, price_age_days=age)


def _least(values: Points, columns: tuple[int, ...]) -> int:
    """Return the row with the smallest first column; ties go to the next columns. Unknown is never smallest."""
    keys = np.where(np.isnan(values), np.inf, values)
    return int(np.lexsort([keys[:, column] for column in reversed(columns)])[0])


def _ordered(value: float, ends: Array) -> tuple[float, float, float]:
    """Return a value with ends that do not exclude it."""
    low, high = float(ends[0]), float(ends[1])
    return float(value), min(low, float(value)), max(high, float(value))
