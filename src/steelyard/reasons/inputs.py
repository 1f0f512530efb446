"""Inputs that may turn out otherwise: which there are, whose, and what a table is once one has moved.

Moving one of these leaves the survivors of a search what they are (`reduce`): a chip's or a stack's factor multiplies
the seconds and the joules of all its layouts alike, a chip's power their joules, and the rest is no matter of layouts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from steelyard.market.options import Deal, Market
from steelyard.reasons.decision import Decision
from steelyard.search.engine import LIMITS, Limits
from steelyard.tables import Table
from steelyard.vocabulary import CO2E_KINDS

INTENSITY_FIELDS = tuple(f"{kind}_kg_per_j" for kind in CO2E_KINDS)
INPUT_FIELDS: Mapping[str, tuple[str, tuple[str, ...], int]] = {
    "tokens": ("job", ("samples",), 1),
    "samples": ("job", ("samples",), 1),
    "utilisation": ("kernels", ("time_scale",), -1),
    "stack": ("stack", ("time_scale",), -1),
    "power": ("machine", ("tdp_w", "idle_w", "host_w"), 1),
    "price": ("offer", ("usd_per_device_s",), 1),
    "PUE": ("site", ("pue",), 1),
    "intensity": ("site", INTENSITY_FIELDS, 1),
    "failures": ("policy", ("failures_per_device_s",), 1),
    "reclaims": ("policy", ("preemptions_per_node_s",), 1),
}
"""Inputs that can move: the table and the fields that they are, and whether these grow or shrink with them."""

PLACED = frozenset({"PUE", "intensity"})
"""Inputs of a site: not spread but stated by rival sources."""

_NAMES = {
    "failures": "rate of failures",
    "reclaims": "rate of spot reclaims",
    "utilisation": "speed of {}",
    "stack": "speed of {}",
    "price": "price of {}",
    "PUE": "PUE of {}",
    "intensity": "carbon intensity at {}",
    "power": "power of {}",
}


@dataclass(frozen=True, slots=True)
class MovedInput:
    """One input that moves by a share of itself."""

    what: str  # one of `INPUT_FIELDS` or `LIMITS`
    who: str  # of which chip, stack, offer or site; empty: of all
    change: float

    @property
    def name(self) -> str:
        """What moves."""
        return _NAMES.get(self.what, self.what).format(self.who)

    @property
    def text(self) -> str:
        """What moves, and how far."""
        return f"{self.name} {self.change:+.0%}"

    def chance(self, market: Market, carbon: str) -> float:
        """Return how likely the input turns out so far off or farther, by its spread in the catalog.

        NaN where no spread is known: limits and tokens are chosen, prices are quoted.
        """
        if self.what in PLACED:
            return self._rivals(market, "pue" if self.what == "PUE" else f"{carbon}_kg_per_j")
        spread = max(_spreads(market, self.what, self.who), default=0.0)
        return NormalDist().cdf(-abs(math.log1p(self.change)) / spread) if spread else math.nan

    def _rivals(self, market: Market, field: str) -> float:
        """Return the share of the values that rival sources give for a site which lie so far off or farther."""
        place = next(one for one in market.sites if one.name == self.who)
        ratios = np.array(place.spread.get(field, ())) / float(np.asarray(getattr(place.site, field)))
        beyond = ratios >= 1 + self.change if self.change > 0 else ratios <= 1 + self.change
        return float(beyond.mean()) if ratios.size else math.nan

    def of(self, kind: str, table: Table) -> Table:
        """Return a table of a kind (job, machine, kernels …) once the input has moved; as it is if it is not of it.

        >>> from steelyard.tables import Offer
        >>> MovedInput("price", "", 0.5).of("offer", Offer.rent(2.0)).usd_per_device_s
        3.0
        """
        own, names, sign = INPUT_FIELDS[self.what]
        if own != kind:
            return table
        factor = (1 + self.change) ** sign
        changed: Any = {name: getattr(table, name) * factor for name in names}
        if self.what == "PUE":
            changed["pue"] = np.maximum(changed["pue"], 1.0)  # a facility draws no less than its machines
        made: Any = replace(table, **changed)  # type: ignore[type-var]  # every Table is a dataclass
        found: Table = made
        return found

    def limits(self, limits: Limits) -> Limits:
        """Return limits once the input has moved."""
        name = LIMITS.get(self.what)
        return replace(limits, **{name: getattr(limits, name) * (1 + self.change)}) if name else limits


def _spreads(market: Market, what: str, who: str) -> list[float]:
    """Return the standard deviations of the logarithm of an input, wherever the market states one."""
    if what in {"utilisation", "power"}:
        name = "time_scale" if what == "utilisation" else "compute_power"
        return [chip.kernels_log_sd.get(name, 0.0) for chip in market.hardware if chip.accelerator == who]
    if what == "stack":
        return [tool.stack_log_sd.get("time_scale", 0.0) for tool in market.stacks if tool.name == who]
    if what in {"failures", "reclaims"}:
        return [spread.get(INPUT_FIELDS[what][1][0], 0.0) for spread in market.policy_log_sd]
    return []


def price_owner(market: Market, deal: Deal) -> str:
    """Return whose price moves with a deal's: a provider's, for one accelerator bought in one way."""
    return f"{market.hardware[deal.hardware].accelerator} at {deal.provider}, {deal.purchase}"


def owners(market: Market, what: str) -> tuple[str, list[str]]:
    """Return by what an input differs (chip, tool or deal), and whose it is for each of these in the market."""
    if what in {"utilisation", "power"}:
        return "hardware", [chip.accelerator for chip in market.hardware]
    if what == "stack":
        return "stack", [tool.name for tool in market.stacks]
    if what == "price":
        return "deal", [price_owner(market, deal) for deal in market.deals]
    return "deal", [market.sites[deal.site_index].name for deal in market.deals]


def inputs_behind(decision: Decision, rows: list[int]) -> list[tuple[str, str]]:
    """Return the inputs behind some rows, and those that all share: what moves, and whose."""
    market, found = decision.market, [(decision.work, "")]
    found += [(what, "") for what, field in LIMITS.items() if getattr(decision.limits, field) is not None]
    found.append(("failures", ""))
    if any(policy.preemptions_per_node_s > 0 for policy in market.policies):
        found.append(("reclaims", ""))
    for row in rows:
        deal = market.deals[decision.candidates.deal[row]]
        accelerator, place = decision.accelerator(row), market.sites[deal.site_index].name
        found += [("utilisation", accelerator), ("power", accelerator), ("price", price_owner(market, deal))]
        found.append(("stack", market.stacks[decision.candidates.stack[row]].name))
        found += [("PUE", place), ("intensity", place)] if place else []
    return list(dict.fromkeys(found))
