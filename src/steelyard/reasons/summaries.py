"""One candidate in short, and everything that it stands on."""

from dataclasses import dataclass

import numpy as np

from steelyard.layout import text_of
from steelyard.market.world import World
from steelyard.reasons.draws import Setting
from steelyard.search.candidates import Market
from steelyard.search.pareto import Rows
from steelyard.search.rows import of_layout, single
from steelyard.tables import Job


@dataclass(frozen=True, slots=True)
class Dot:
    """One candidate in short."""

    time_s: float
    cost_usd: float
    energy_j: float
    co2e_kg: float
    devices: int
    accelerator: str
    stack: str
    offer: str
    layout_text: str


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
