"""Machines of one's own as deals: what a used device-second comes to, and what was not said."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from steelyard import catalog as facts
from steelyard.catalog.residency import countries
from steelyard.errors import BadInput
from steelyard.job import JobSpec
from steelyard.job.purchase import YEAR_S, OwnedSpec
from steelyard.market.offers import denied_accelerators
from steelyard.market.options import SiteOption
from steelyard.money import colocation_usd_per_s, owned_usd, owned_usd_per_device_s

OPTIONAL: Mapping[str, str] = {
    "network_usd": "network",
    "residual": "residual",
    "admin_usd_per_s": "admin",
    "maintenance": "maintenance",
}
"""Fields of a cost of ownership that may be left out, and then are not counted: the deal says so."""


@dataclass(frozen=True, slots=True)
class Owned:
    """Machines of one's own in numbers."""

    spec: OwnedSpec
    system: facts.System
    capital_usd: float
    usd_per_device_s: float  # of a used second
    full_usd_per_device_s: float  # if they never rested
    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the deal is called."""
        return f"own/{self.spec.system}"

    @property
    def unit(self) -> int:
        """Devices that a job takes at once: whole systems of a fleet, single devices of less than one."""
        return self.system.devices if self.spec.devices % self.system.devices == 0 else 1


def allowed_owned(spec: JobSpec, precision: str, catalog: facts.Catalog) -> tuple[OwnedSpec, ...]:
    """Return the machines of one's own that the job may use: its accelerators, in its countries, at its precision."""
    if "own" in spec.purchase and not spec.own:
        raise BadInput(
            "purchase own, but no machines are described; write own: {system: DGX-H100, devices: 64, life: 4y, …}"
        )
    wanted = {catalog.accelerator(name).id for name, _ in spec.accelerators}
    denied = denied_accelerators(spec.deny_accelerators, catalog)
    within = (
        countries(spec.residency, (row.country for row in catalog.sites.values())) if spec.residency else frozenset()
    )

    def allowed(one: OwnedSpec) -> bool:
        chip = catalog.accelerators[catalog.system(one.system).accelerator]
        named = (not wanted or chip.id in wanted) and chip.id not in denied
        inside = not spec.residency or (bool(one.site) and catalog.site(one.site).country in within)
        return named and inside and facts.supports(chip, precision)

    return tuple(one for one in spec.own if allowed(one))


def ownership_cost(spec: OwnedSpec, catalog: facts.Catalog) -> Owned:
    """Return what machines of one's own cost; an error where no price of them is known."""
    system = catalog.system(spec.system)
    capital = _capital(spec, system)
    running = _running(spec, system, capital)
    whole = owned_usd(capital + (spec.network_usd or 0.0), _part(spec.residual, capital), running, spec.life_s)
    missing = [word for name, word in OPTIONAL.items() if getattr(spec, name) is None]
    flags = [f"own: {', '.join(missing)} not given, so not counted"] if missing else []
    if spec.capital_usd is None:
        flags.append(f"own: the catalog's price of {system.id} stands in for capex ({', '.join(system.sources)})")
    return Owned(
        spec=spec,
        system=system,
        capital_usd=capital,
        usd_per_device_s=float(owned_usd_per_device_s(whole, spec.devices, spec.life_s, spec.used_share)),
        full_usd_per_device_s=float(owned_usd_per_device_s(whole, spec.devices, spec.life_s, 1.0)),
        flags=tuple(flags),
    )


def deal_fields(found: Owned, site: str) -> dict[str, Any]:
    """Return the fields of the deal that owned machines are, but for its indices."""
    return {
        "offer": found.name,
        "system": found.system.id,
        "provider": "own",
        "unit": found.unit,
        "most": found.spec.devices,
        "purchase": "own",
        "site": site,
        "usd_per_device_s": found.usd_per_device_s,
        "price_source": "as given",
        "usd_per_facility_j": float(found.spec.tariff_usd_per_j or 0.0),
    }


def with_pue(option: SiteOption, pue: float | None) -> SiteOption:
    """Return a site with the PUE that its owner gives."""
    if pue is None:
        return option
    spread = {name: values for name, values in option.spread.items() if name != "pue"}
    return replace(option, site=replace(option.site, pue=pue), spread=spread)


def _capital(spec: OwnedSpec, system: facts.System) -> float:
    if spec.capital_usd is not None:
        return float(spec.capital_usd)
    if math.isnan(system.price_usd):
        raise BadInput(
            f"own.capex is missing, and the catalog has no price of {system.id}; write capex: the price of all "
            f"{spec.devices} devices together, such as capex: 3.4M"
        )
    return system.price_usd * spec.devices / system.devices


def _running(spec: OwnedSpec, system: facts.System, capital: float) -> float:
    """Return what is paid each second whether the machines work or not."""
    running = float(spec.admin_usd_per_s or 0.0) + _part(spec.maintenance, capital) / YEAR_S
    if spec.colocation_usd_per_w_s is None:
        return running
    power = spec.power_w or system.max_power_w * spec.devices / system.devices
    if math.isnan(power):
        raise BadInput(
            f"own.colocation needs the power that is reserved, and the catalog has no rating of {system.id}; write "
            "power: the power of all devices together, such as power: 10kW"
        )
    return running + float(colocation_usd_per_s(power, spec.colocation_usd_per_w_s))


def _part(given: tuple[str, float] | None, capital: float) -> float:
    """Return dollars from a share of the capital, or from dollars."""
    if given is None:
        return 0.0
    kind, value = given
    return value * capital if kind == "share" else value
