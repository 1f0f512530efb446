"""One candidate in short, and everything that it stands on."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from steelyard.layout import text_of
from steelyard.market.options import Market
from steelyard.reasons.draws import Setting
from steelyard.search.candidates import Candidates
from steelyard.search.pareto import Rows
from steelyard.search.rows import job_of_layout, single_layout
from steelyard.tables import Job
from steelyard.units import KWH_J


@dataclass(frozen=True, slots=True)
class Summary:
    """One candidate in short; NaN: unknown."""

    time_s: float = math.nan
    cost_usd: float = math.nan
    energy_facility_kwh: float = math.nan
    co2e_kg: float = math.nan
    devices: int = 0
    accelerator: str = ""
    stack: str = ""
    offer: str = ""
    layout_text: str = ""

    def figures(self) -> dict[str, Any]:
        """Return what it comes to and what it is, by field: what a reason that extends it starts from."""
        return {field.name: getattr(self, field.name) for field in fields(Summary)}


def setting_of(job: Job, market: Market, found: Candidates, row: int) -> Setting:
    """Return everything that a row stands on, as it was measured."""
    deal, layout = market.deals[found.deal[row]], single_layout(found.layouts, row)
    plain = Setting(
        job=job_of_layout(job, layout),
        layout=layout,
        hardware=market.hardware[found.hardware[row]],
        stack=market.stacks[found.stack[row]],
        policy=market.policies[deal.policy],
        policy_log_sd=market.policy_log_sd[deal.policy],
        site=market.sites[deal.site_index],
        offer=deal.price,
        layout_log_sd=market.layout_log_sd,
    )
    made: Setting = market.measured.setting(plain) if market.measured is not None else plain
    return made


def summaries(market: Market, found: Candidates, front: Rows) -> tuple[Summary, ...]:
    """Return the whole frontier in short, fastest first."""
    order = front[np.argsort(found.points[front, 0], kind="stable")]
    return tuple(summary(market, found, int(row)) for row in order)


def summary(market: Market, found: Candidates, row: int) -> Summary:
    """Return one row in short."""
    time_s, cost_usd, energy_j, co2e_kg = (float(value) for value in found.points[row])
    layout = single_layout(found.layouts, row)
    return Summary(
        time_s=time_s,
        cost_usd=cost_usd,
        energy_facility_kwh=energy_j / KWH_J,
        co2e_kg=co2e_kg,
        devices=int(layout.devices),
        accelerator=market.hardware[found.hardware[row]].accelerator,
        stack=market.stacks[found.stack[row]].name,
        offer=market.deals[found.deal[row]].offer,
        layout_text=text_of(layout),
    )
