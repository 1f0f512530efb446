"""Citations: exactly the rows of the catalog that a prediction used, each with its source and date."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from steelyard.catalog import Catalog, kernels_rows, stack_rows
from steelyard.catalog.hosts.drives import Drives, drives_of
from steelyard.catalog.policy import policy_rows
from steelyard.catalog.schema import Accelerator, Facts, Fitted, OfferRow, Source
from steelyard.units import GB_BYTES
from steelyard.vocabulary import CO2E_KINDS, FULL_PRECISIONS, ON_DEMAND, SPOT


@dataclass(frozen=True, slots=True)
class Used:
    """One row that was used."""

    of: str  # accelerator, system, offer, site, kernels, stack
    name: str
    quantity: str
    value: str
    source: str  # id in sources.csv, or what a fit was made from
    checked: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What one point stands on, by name; empty: none."""

    accelerator: str
    precision: str
    system: str
    stack: str
    offer: str = ""
    purchase: str = ""
    site: str = ""
    tariffs: tuple[tuple[str, str], ...] = ()  # provider and quantity
    drives: bool = False  # whether something is on the drives of its nodes


ACCELERATOR_FACTS: Final = ("memory", "memory_bandwidth", "link_bandwidth", "tdp", "idle_power")
"""Facts of an accelerator that `catalog.machine` reads, beside its peaks and its link to the host."""

SITE: Final = ("pue", *CO2E_KINDS, "water_onsite", "water_offsite")


def used(catalog: Catalog, basis: Basis) -> list[Used]:
    """Return the rows behind one point: devices, machine, calibrated speeds, operation, price and place."""
    accelerator = catalog.accelerators[basis.accelerator]
    return [
        *_accelerator(catalog, basis),
        *_fitted("kernels", kernels_rows(accelerator, basis.precision, catalog).items()),
        *_fitted("stack", _asked(stack_rows(basis.stack, catalog, accelerator=accelerator.id), basis)),
        *_fitted("operation", policy_rows(basis.purchase or ON_DEMAND, catalog).items()),
        *_deal(catalog, basis),
    ]


def cited(catalog: Catalog, rows: Iterable[Used]) -> list[Source]:
    """Return the sources of these rows, each once, in the order of their ids."""
    return [catalog.sources[key] for key in sorted({row.source for row in rows}) if key in catalog.sources]


def _accelerator(catalog: Catalog, basis: Basis) -> Iterator[Used]:
    accelerator = catalog.accelerators[basis.accelerator]
    widths = (basis.precision,) if basis.precision in FULL_PRECISIONS else (basis.precision, "bf16")
    yield from _facts(
        "accelerator",
        accelerator.id,
        accelerator.facts,
        (*(f"peak_{name}" for name in dict.fromkeys(widths)), *ACCELERATOR_FACTS),
    )
    yield from _host(catalog, accelerator)
    yield from _embodied(catalog, accelerator)
    if basis.system:
        row = catalog.systems[basis.system]
        network = "" if math.isnan(row.nic_gb_per_s) else f", {row.nic_gb_per_s:g} GB/s a node"
        for source in row.sources:
            yield Used("system", row.id, f"{row.devices} devices", f"{row.topology}{network}", source, row.checked)
        if basis.drives:
            yield from _drives(row.id, drives_of(row.id, catalog.folder))


def _drives(system: str, found: Drives) -> Iterator[Used]:
    """How much the drives of a node hold, and how fast they are, where somebody says so."""
    rates = {"read": found.read_bytes_per_s, "write": found.write_bytes_per_s}
    values = {"drives": (found.capacity_bytes, "GB")} | {f"drives, {way}": (one, "GB/s") for way, one in rates.items()}
    for quantity, (value, unit) in values.items():
        if not math.isnan(value):
            yield Used("system", system, quantity, f"{value / GB_BYTES:g} {unit}", found.source, found.checked)


def _host(catalog: Catalog, accelerator: Accelerator) -> Iterator[Used]:
    """The link to the host: the chip's own, else the bus of its generation."""
    yield from _facts("accelerator", accelerator.id, accelerator.facts, ["host_bandwidth"])
    bus = accelerator.facts.fact("pcie_generation")
    if bus is not None and accelerator.facts.fact("host_bandwidth") is None:
        yield from _facts("accelerator", accelerator.id, accelerator.facts, ["pcie_generation"])
        yield from _facts("bus", f"pcie/{bus.value:g}", catalog.buses[f"pcie/{bus.value:g}"], ["bandwidth_x16"])


def _embodied(catalog: Catalog, accelerator: Accelerator) -> Iterator[Used]:
    """A figure for device and server together, else one for each; none where the device has none."""
    own = catalog.embodied.get(accelerator.id)
    if own is None:
        return
    together = own.fact("device_and_server") is not None
    yield from _facts("embodied", accelerator.id, own, ["device_and_server"] if together else ["device"])
    server = f"server/{accelerator.family}"
    if not together and server in catalog.embodied:
        yield from _facts("embodied", server, catalog.embodied[server], ["server_share"])


def _asked(rows: Mapping[str, Fitted], basis: Basis) -> list[tuple[str, Fitted]]:
    """Constants of a stack, those of drives only where something is on drives."""
    return [(name, row) for name, row in rows.items() if basis.drives or "nvme" not in name]


def _deal(catalog: Catalog, basis: Basis) -> Iterator[Used]:
    for row in catalog.offers:
        if row.id == basis.offer and basis.purchase in row.prices:
            price = row.prices[basis.purchase]
            yield Used("offer", row.id, basis.purchase, f"{price.usd_per_hour:g} USD/h", price.source, price.date)
            yield from reclaims(catalog, row, basis.purchase)
    for provider, quantity in basis.tariffs:
        if provider in catalog.tariffs:
            yield from _facts("tariff", provider, catalog.tariffs[provider], [quantity])
    if basis.site:
        yield from _facts("site", basis.site, catalog.sites[basis.site].facts, SITE)


def reclaims(catalog: Catalog, offer: OfferRow, purchase: str) -> Iterator[Used]:
    """Yield how often a spot instance was reclaimed, where that is published."""
    band = catalog.interruptions.get((offer.instance, offer.place)) if purchase == SPOT else None
    if band is not None:
        yield Used("offer", offer.id, "reclaimed a month", f"{band.low:.0%}–{band.high:.0%}", band.source, band.date)


def _facts(of: str, name: str, facts: Facts, quantities: Iterable[str]) -> Iterator[Used]:
    for quantity in quantities:
        fact = facts.fact(quantity)
        if fact is not None:
            yield Used(of, name, quantity, f"{fact.value:g} {fact.unit}".strip(), fact.source, fact.checked)


def _fitted(of: str, rows: Iterable[tuple[str, Fitted]]) -> Iterator[Used]:
    for quantity, row in rows:
        spread = f" ± {100 * row.log_sd:.0f} %" if row.log_sd > 0 else ""
        value = f"{row.value:.4g} {'' if row.unit == '1' else row.unit}".strip() + spread
        yield Used(of, row.entity, quantity, value, row.source, row.checked)
