"""From rows of candidates to points: named, with intervals, and what a person needs to act on them."""

import math
from dataclasses import replace
from datetime import date

import numpy as np

from steelyard.layout import text_of
from steelyard.market.options import Deal, Market
from steelyard.planner.answer import Figure, Point
from steelyard.planner.operation import interruption_costs
from steelyard.reasons.draws import Setting, intervals, memory_interval
from steelyard.reasons.summaries import setting_of
from steelyard.search.candidates import Candidates, objectives
from steelyard.search.engine import Engine
from steelyard.tables import Job, each
from steelyard.units import Array


def labelled_point(
    job: Job, market: Market, engine: Engine, carbon: str, found: Candidates, row: int, label: str, today: date
) -> Point:
    """Return one row as a point."""
    deal = market.deals[found.deal[row]]
    made = judged_point(setting_of(job, market, found, row), engine, carbon, label, deal.system)
    return with_deal(made, deal, today)


def judged_point(setting: Setting, engine: Engine, carbon: str, label: str, system: str) -> Point:
    """Return a point for one setting, without an offer's name."""
    chip, tool = setting.hardware, setting.stack
    central = engine.predict(
        setting.job, setting.layout, chip.machine, chip.kernels, tool.stack, setting.policy, setting.site.site,
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
        hardware=chip,
        stack=tool,
        site=setting.site,
        deal=None,
        system=system,
        policy=setting.policy,
        prediction=each(central, lambda value: float(np.asarray(value))),
        price_age_days=math.nan,
        operation=interruption_costs(setting.job, setting.layout, chip.machine, setting.policy, central),
    )


def with_deal(made: Point, deal: Deal, today: date) -> Point:
    """Return a point with the name, and the age of the price, of its offer."""
    age = float((today - date.fromisoformat(deal.price_date)).days) if deal.price_date else math.nan
    return replace(made, deal=deal, price_age_days=age)


def _ordered(value: float, ends: Array) -> tuple[float, float, float]:
    """Return a value with ends that do not exclude it."""
    low, high = float(ends[0]), float(ends[1])
    return float(value), min(low, float(value)), max(high, float(value))
