"""A line made complete: what follows from its own figures, and what the catalog knows of its place and its devices."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from steelyard.carbon import embodied_kgco2e, water_m3
from steelyard.catalog import Accelerator, Catalog, SiteRow, embodied, kernels_rows
from steelyard.catalog.policy import policy
from steelyard.disclosure.ledger import (
    CARBON_FIGURES,
    INTENSITY_FIGURES,
    SHORT_KINDS,
    LedgerFigure,
    Line,
    figure_product,
    least_sure,
)
from steelyard.vocabulary import ON_DEMAND

HOST_HALF = 1.4
"""Half-width, as a factor, of the watts of a host where only its devices were metered."""

ESTIMATED_HOST = "devices as metered + hosts as the catalog expects them"

RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("device_s", ("devices", "wall_s"), (), "devices x hours"),
    ("wall_s", ("device_s",), ("devices",), "device-hours over devices"),
    ("accelerator_j", ("device_s", "accelerator_w"), (), "device-hours x watts"),
    ("it_j", ("device_s", "it_w"), (), "device-hours x watts"),
    ("it_j", ("facility_j",), ("pue",), "facility energy over PUE"),
    ("facility_j", ("it_j", "pue"), (), "IT energy x PUE"),
    ("pue", ("facility_j",), ("it_j",), "facility over IT energy"),
    ("it_w", ("it_j",), ("device_s",), "IT energy over device-hours"),
    ("accelerator_w", ("accelerator_j",), ("device_s",), "energy over device-hours"),
    ("flop_per_s", ("flop",), ("device_s",), "FLOPs over device-seconds"),
    *((kilos, ("facility_j", per), (), "facility energy x grid intensity")
      for kilos, per in zip(CARBON_FIGURES, INTENSITY_FIGURES, strict=True)),
    *((per, (kilos,), ("facility_j",), "CO2e over facility energy")
      for kilos, per in zip(CARBON_FIGURES, INTENSITY_FIGURES, strict=True)),
)  # fmt: skip
"""Figures that follow from others: what, the product over it, what it is divided by, and how that is said."""

OF_SITE = MappingProxyType(
    {
        "pue": "pue",
        **{f"{short}_kg_per_j": kind for kind, short in SHORT_KINDS.items()},
        "water_onsite": "water_onsite",
        "water_offsite": "water_offsite",
    }
)

UNKNOWN_WHY = MappingProxyType(
    {
        "facility_j": "needs IT energy and the PUE, or the place",
        "it_j": "needs node energy, or watts and hours",
        "accelerator_j": "needs the devices' own meter",
        "gross_kg": "needs facility energy and the place or its grid intensity",
        "net_kg": "needs the hourly carbon-free share of the site; none is known",
        "market_kg": "needs the contracts of the site; none is known",
        "marginal_kg": "needs a marginal grid intensity; none is known for the place",
        "gross_kg_per_j": "needs the place or its grid intensity",
        "net_kg_per_j": "no net intensity is known for the place",
        "market_kg_per_j": "no market-based intensity is known for the place",
        "marginal_kg_per_j": "no marginal intensity is known for the place",
        "pue": "needs the place or its PUE",
        "embodied_kg": "needs device-hours and the making of the device, which the catalog does not have",
        "water_m3": "needs facility energy and the water of the site and its grid",
        "flop": "needs the model and its tokens",
        "device_s": "needs devices and hours",
        "wall_s": "needs hours",
        "usd": "needs a bill or a price",
        "parameters": "needs the model",
        "active_parameters": "needs the model",
    }
)
"""What a figure would need to be known."""


@dataclass
class Lookup:
    """Where figures come from: rows of the catalog, and what was used of them."""

    catalog: Catalog
    site: SiteRow | None = None
    accelerator: Accelerator | None = None
    precision: str = ""
    used: dict[str, None] = field(default_factory=dict)  # ids of sources, in the order of their use


def complete_line(line: Line, known: Lookup) -> Line:
    """Return a line with everything that follows, each figure that does not with what it would need.

    >>> from steelyard.catalog import load
    >>> given = {"it_j": LedgerFigure(1e9, how="measured"), "pue": LedgerFigure(1.1, how="stated")}
    >>> bare = Line("training", numbers=given)
    >>> made = complete_line(bare, Lookup(load()))
    >>> round(made.of("facility_j").value), made.of("facility_j").how, made.of("gross_kg").why
    (1100000000, 'follows', 'needs facility energy and the place or its grid intensity')
    """
    numbers = dict(line.numbers)
    _follow(numbers)
    if known.accelerator is not None and "accelerator_j" in numbers and not {"it_j", "facility_j"} & numbers.keys():
        _host(numbers, known)
    _place(numbers, known)
    _follow(numbers)
    _beside(numbers, known)
    for name, why in UNKNOWN_WHY.items():
        numbers.setdefault(name, LedgerFigure(why=why))
    return replace(line, numbers=MappingProxyType(numbers))


def _follow(numbers: dict[str, LedgerFigure]) -> None:
    """Fill in what follows from the rest until nothing more does."""
    changed = True
    while changed:
        changed = False
        for target, over, under, why in RULES:
            ready = all(name in numbers and numbers[name].known for name in (*over, *under)) and all(
                numbers[name].value for name in under
            )
            if ready and not numbers.get(target, LedgerFigure()).known:
                found = figure_product([numbers[one] for one in over], [numbers[one] for one in under], why)
                if found.known:  # a product beyond every float stays unknown
                    numbers[target], changed = found, True


def _place(numbers: dict[str, LedgerFigure], known: Lookup) -> None:
    """Fill in PUE and intensities of the place."""
    if known.site is None:
        return
    for target, quantity in OF_SITE.items():
        fact = known.site.facts.fact(quantity)
        if fact is not None and not numbers.get(target, LedgerFigure()).known:
            numbers[target] = LedgerFigure(fact.si, how="catalog", why=f"{quantity.replace('_', ' ')} of {fact.entity}")
            known.used[fact.source] = None


def _host(numbers: dict[str, LedgerFigure], known: Lookup) -> None:
    """Estimate the hosts of devices that were metered alone."""
    accelerator, seconds = known.accelerator, numbers.get("device_s")
    if accelerator is None or seconds is None or math.isnan(accelerator.tdp_w) or not accelerator.precisions:
        return
    width = known.precision if known.precision in accelerator.precisions else accelerator.precisions[0]
    watts = kernels_rows(accelerator, width, known.catalog)["host_power"].value * accelerator.tdp_w
    device, host = numbers["accelerator_j"], watts * seconds.value
    fact = accelerator.facts.fact("tdp")
    if fact is not None:
        known.used[fact.source] = None
    why = f"{ESTIMATED_HOST}, {watts:.0f} W a device"
    numbers["it_j"] = LedgerFigure(
        device.value + host, device.value + host / HOST_HALF, device.value + host * HOST_HALF, "estimated", why
    )


def _beside(numbers: dict[str, LedgerFigure], known: Lookup) -> None:
    """Fill in embodied carbon and water, which stand beside the operational CO2e."""
    seconds, devices = numbers.get("device_s", LedgerFigure()), numbers.get("devices", LedgerFigure())
    if "embodied_kg" not in numbers and known.accelerator is not None and seconds.known:
        kilos = embodied(known.accelerator, known.catalog)
        if math.isfinite(kilos):
            made = float(embodied_kgco2e(kilos, 1.0, seconds.value, policy(ON_DEMAND, known.catalog).lifetime_s))
            why = f"{kilos:.0f} kg a device with its share of the server, by its hours in use"
            numbers["embodied_kg"] = LedgerFigure(
                made, how=least_sure([seconds, LedgerFigure(how="estimated")]), why=why
            )
            known.used.update(dict.fromkeys(_making(known)))
    if "water_m3" not in numbers and all(
        numbers.get(name, LedgerFigure()).known for name in ("it_j", "facility_j", "water_onsite", "water_offsite")
    ):
        made = float(water_m3(*(numbers[one].value for one in ("it_j", "facility_j", "water_onsite", "water_offsite"))))
        numbers["water_m3"] = LedgerFigure(made, how="follows", why="energy x water usage of the site and its grid")
    if not devices.known and seconds.known and numbers.get("wall_s", LedgerFigure()).known:
        numbers["devices"] = figure_product([seconds], [numbers["wall_s"]], "device-hours over hours")


def _making(known: Lookup) -> Iterator[str]:
    """Yield the sources of the embodied carbon of a device."""
    if known.accelerator is not None:
        for entity in (known.accelerator.id, f"server/{known.accelerator.family}"):
            rows = known.catalog.embodied.get(entity)
            yield from (fact.source for name in rows.by_quantity if (fact := rows.fact(name))) if rows else ()
