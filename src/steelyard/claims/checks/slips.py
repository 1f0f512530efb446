"""Slips that people make: by how much each makes a number too large or too small."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steelyard.claims.context import ClaimContext
from steelyard.claims.reading.hardware import USUAL_NODES, cores_per_device
from steelyard.claims.reading.kinds import POUND_KG, SHORT_TON_KG

UNITS, BOUNDARY, CORES, KIND, COPIED, TDP, SCOPE = "units", "boundary", "cores", "kind", "copied", "tdp", "scope"
"""Names of the checks that a slip makes fire."""

MASSES = frozenset({"co2e", "net_co2e", "intensity", "net_intensity"})
_ENERGIES = frozenset({"energy", "energy_facility", "energy_it"})
_TIMES = frozenset({"wall", "device_time"})
SIZES = frozenset({"tokens", "samples", "parameters", "active_parameters", "flop", "steps", "examples", "throughput",
                    "throughput_per_device", "samples_per_second", "samples_per_second_per_device", "water",
                    "money"})  # fmt: skip
SLIP_TOTALS = ("co2e", "net_co2e", "energy", "water", "money", "device_time", "tokens", "samples", "throughput",
               "samples_per_second")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slip:
    """One slip: how many times too large it makes a number, the check it belongs to, and what it is called."""

    ratio: float
    check: str
    text: str
    factor: str = ""  # name of the factor, where it is not the quantity's own


def slips(quantity: str, context: ClaimContext) -> Iterator[Slip]:
    """Yield the slips that a quantity is prone to, the commonest first."""
    yield from _boundary(quantity, context)
    yield from _kind(quantity, context)
    yield from _cores(quantity, context)
    yield from unit_slips(quantity)
    yield from _tdp(quantity, context)


def _both(ratio: float, check: str, over: str, under: str, factor: str = "") -> Iterator[Slip]:
    yield Slip(ratio, check, over, factor)
    yield Slip(1 / ratio, check, under, factor)


def _boundary(quantity: str, context: ClaimContext) -> Iterator[Slip]:
    pue = context.claim.value("pue")
    if pue is None or pue < 1.01 or quantity not in {"co2e", "net_co2e", "energy", "water"}:
        return
    yield from _both(pue, BOUNDARY, f"the PUE of {pue:g} is applied once too often",
                     f"the PUE of {pue:g} is left out", "pue")  # fmt: skip
    yield Slip(pue**-2, BOUNDARY, f"divided by the PUE of {pue:g} instead of multiplied", "pue")


def _kind(quantity: str, context: ClaimContext) -> Iterator[Slip]:
    """Yield a net intensity taken for a gross one: the claim's own pair, else the place's."""
    claim = context.claim
    gross, net, where = claim.value("intensity"), claim.value("net_intensity"), "the claim's own"
    if quantity not in {"co2e", "net_co2e", "intensity", "net_intensity"}:
        return
    if net is None and context.site is not None:
        net, where = context.site.facts.value("location_net"), context.site.id
        gross = gross or context.site.facts.value("location_gross")
    if not gross or not net or math.isnan(net) or abs(net / gross - 1) < 0.02:
        return
    text = (
        f"the net intensity ({where}) where the gross one is stated",
        f"the gross intensity ({where}) for the net one",
    )
    first, second = text if quantity in {"co2e", "intensity"} else text[::-1]
    yield Slip(net / gross, KIND, first, "intensity")
    yield Slip(gross / net, KIND, second, "intensity")


def _cores(quantity: str, context: ClaimContext) -> Iterator[Slip]:
    """Yield devices counted as something else: cores, hosts, or one for all."""
    gear, claim = context.claim.hardware, context.claim
    if quantity not in {"count", "device_time", "energy", "co2e", "net_co2e", "throughput", "samples_per_second"}:
        return
    count = claim.value("count") or (gear.devices if gear and gear.devices else None)
    cores = cores_per_device(gear.accelerator if gear else None)
    if cores > 1 and gear is not None:
        yield from _both(cores, CORES, f"cores are counted as devices, {cores:g} to one",
                         f"devices are counted as cores, {cores:g} to one", "count")  # fmt: skip
    for host in USUAL_NODES:
        if gear is not None and gear.cores is not None and count and count % host == 0:
            yield Slip(1 / host, CORES, f"{host:g} devices are counted as one", "count")
    if count and count > 1:
        yield Slip(1 / count, CORES, f"one device is counted for {count:,.0f}", "count")
        yield Slip(count, CORES, f"the {count:,.0f} devices are counted twice over", "count")
    if quantity == "count":
        for host in USUAL_NODES:
            yield from _both(
                host, CORES, f"{host:g} times as many devices", f"hosts of {host:g} devices are counted as one"
            )


def unit_slips(quantity: str) -> Iterator[Slip]:
    """Yield slips of units and of decimal points."""
    if quantity in MASSES:
        yield from _both(1 / POUND_KG, UNITS, "pounds are read as kilograms", "kilograms are read as pounds", UNITS)
        tons = 1e3 / SHORT_TON_KG
        yield from _both(tons, UNITS, "short tons are read as tonnes", "tonnes are read as short tons", UNITS)
    if quantity in _ENERGIES:
        yield from _both(
            3.6, UNITS, "megajoules are read as kilowatt-hours", "kilowatt-hours are read as megajoules", UNITS
        )
    if quantity in _TIMES:
        yield from _both(24.0, UNITS, "hours are read as days", "days are read as hours", UNITS)
        yield from _both(60.0, UNITS, "minutes are read as hours", "hours are read as minutes", UNITS)
    if quantity in MASSES | _ENERGIES | SIZES | {"power"}:
        for power in (3, 6):
            yield from _both(
                10.0**power, UNITS, f"a prefix is off by 10^{power}", f"a prefix is off by 10^-{power}", UNITS
            )
    if quantity in MASSES | _ENERGIES | SIZES | _TIMES:
        for ten in (10.0, 100.0):
            yield from _both(
                ten, UNITS, f"a decimal point is off: x{ten:g}", f"a decimal point is off: /{ten:g}", UNITS
            )
    if quantity == "flop":
        yield Slip(1 / 3, UNITS, "only the forward pass is counted", UNITS)
        yield Slip(0.5, UNITS, "multiply-adds are counted as one", UNITS)


def _tdp(quantity: str, context: ClaimContext) -> Iterator[Slip]:
    """Yield energy from the rated power where a measured one is stated."""
    power, accelerator = context.claim.value("power"), context.accelerator
    totals = {"energy"} if "energy" in context.claim.numbers else {"co2e", "net_co2e"}
    if quantity in totals and power and accelerator is not None and abs(accelerator.tdp_w / power - 1) > 0.05:
        yield Slip(
            accelerator.tdp_w / power,
            TDP,
            f"the rated {accelerator.tdp_w:.0f} W stand in for the {power:.0f} W stated",
            "power",
        )
