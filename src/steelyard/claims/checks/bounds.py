"""Where a number may lie: what the device can draw, what grids emit, what the predictor thinks possible, what is asked.

Bounds are relations with a band. Two weights: outside what can be is a contradiction, outside what is usual a doubt.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from steelyard.claims.checks.relations import (
    HOST_MOST,
    PUE_MOST,
    Relation,
    Show,
    has_numbers,
    holds_zero,
    hours_terms,
    includes_pue,
)
from steelyard.claims.checks.utilisation import utilisation_bounds
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import DOUBT
from steelyard.claims.quantity_text import quantity_text
from steelyard.claims.reading.claim import ClaimNumbers
from steelyard.units import HOUR_S, KWH_J

DIRTIEST = 1.5 / KWH_J
"""More than any grid: the dirtiest country of the catalog emits 1.31 kg/kWh."""

IDLE_PART = 0.8
"""Idle watts differ from board to board by so much."""

BUSY_PART = 0.4
"""Share of its rated power that a device at work hardly falls below on average."""

USUAL_PART, USUAL_PUE, USUAL_GRID = 0.8, 1.2, 0.4 / KWH_J
"""A busy device over its rated power, a PUE and a grid intensity that surprise nobody: they only size a difference."""

BOARD = 1.1
"""A board's mean draw over its rated power that meters and limits leave open."""

NODE = 1.6
"""A device with its host over its rated power, where the node's own rating is unknown (MLPerf: 1.22 to 1.31)."""

PUE_DOUBT = 2.5
NEAR_GRID = 1.6
"""Factor by which methods and years of one place's grid differ in the catalog."""

PRICES = 2.5
"""Factor beyond the catalog's cheapest and dearest offers that older and negotiated prices leave open."""

YEARLY = 1.25
"""What a year may change of a price, where the catalog has none of the claim's own year."""

FEW, ROOM = 3, 6.0
"""Where the catalog has the offers of fewer providers than this, the market may be so many times cheaper or dearer."""


def claim_bounds(context: ClaimContext, *, zero: bool = False) -> tuple[Relation, ...]:
    """Return every bound whose numbers are known; `zero`: those on a stated 0 instead of all others."""
    found = [
        *_watts(context),
        *_pue(),
        *_grid(context),
        *_emissions_per_hour(context),
        *utilisation_bounds(context),
        *_price(context),
    ]
    stated = (one for one in found if (holds_zero if zero else has_numbers)(one, context.numbers))
    return tuple(replace(one, exact=one.name == "utilisation" and bool(one.terms)) for one in stated)


def power_range(context: ClaimContext) -> tuple[float, float] | None:
    """Return the least and the most that one device of the claim can draw; None where the device is not known."""
    accelerator = context.accelerator
    if accelerator is None or math.isnan(accelerator.tdp_w):
        return None
    rated = max(row.si for row in accelerator.facts.by_quantity["tdp"] if row.used)
    idle = accelerator.facts.value("idle_power")
    low = IDLE_PART * (0.1 * accelerator.tdp_w if math.isnan(idle) else idle)
    if context.claim.power_boundary == "accelerator":
        return low, BOARD * rated
    return low, max([NODE * rated, *context.node_ratings])


def _watts(context: ClaimContext) -> Iterator[Relation]:
    """Yield the stated watts, or those that energy or CO2e imply, against idle and maximum of the device."""
    ends = power_range(context)
    if ends is None or context.accelerator is None:
        return
    low, high = ends
    claim, numbers = context.claim, context.numbers
    says = f"{context.accelerator.id}: {low:.0f} W idle to {high:.0f} W at most"
    base = Relation("watts", "power", (), low=low, high=high, says=says, settle="the mean power of one device, metered")
    yield base
    if "power" in numbers:
        return
    inside = includes_pue(claim)
    pue = (("pue", 1.0),) if inside and "pue" in numbers else ()
    room = PUE_MOST if inside and not pue else 1.0
    host = HOST_MOST if claim.power_boundary == "accelerator" else 1.0
    yield replace(
        base, target="energy", terms=(*hours_terms(claim), *pue), high=high * room * host, show=_implied(says)
    )
    if "energy" not in numbers:
        out = (("pue", 1.0),) if "pue" in numbers and not claim.co2e_boundary else ()
        terms = (*hours_terms(claim), ("intensity", 1.0), *out)
        yield replace(
            base, target="co2e", terms=terms, high=high * host * (1.0 if out else PUE_MOST), show=_implied(says)
        )


def _implied(says: str) -> Show:
    return lambda _numbers, ratio: f"energy over device-hours implies {ratio:.4g} W a device; {says}"


def _pue() -> Iterator[Relation]:
    yield Relation("pue", "pue", low=1.0, high=math.inf, says="facility over IT energy is never below 1",
                   settle="the data centre's PUE of the year")  # fmt: skip
    yield Relation("pue", "pue", high=PUE_DOUBT, low=0.0, weight=DOUBT, says=f"above {PUE_DOUBT} is rare",
                   settle="the data centre's PUE of the year")  # fmt: skip


def _grid(context: ClaimContext) -> Iterator[Relation]:
    """Yield the stated intensity, or that which CO2e and energy imply, against grids."""
    claim, numbers = context.claim, context.numbers
    pue = (("pue", 1.0),) if "pue" in numbers and not includes_pue(claim) and not claim.co2e_boundary else ()
    forms: list[tuple[str, tuple[tuple[str, float], ...]]] = [("intensity", ())]
    if "intensity" not in numbers:
        forms.append(("co2e", (("energy", 1.0), *pue)))
    settle = "the grid intensity that was used, its kind and its place"
    for target, terms in forms:
        room = PUE_MOST if terms and not pue and not includes_pue(claim) else 1.0
        says = f"the dirtiest grid emits {DIRTIEST * KWH_J:.1f} kg/kWh"
        base = Relation("intensity", target, terms, low=0.0, high=DIRTIEST * room, says=says, settle=settle)
        yield replace(base, show=_grid_words(terms, says))
        low, high, where = context.grid
        if where and claim.co2e_kind not in {"location-net", "market"}:
            range_text = f"{where}: {low * KWH_J:.3g} to {high * KWH_J:.3g} kg/kWh"
            yield replace(base, low=low / NEAR_GRID, high=high * NEAR_GRID * room, weight=DOUBT, says=range_text,
                          show=_grid_words(terms, range_text))  # fmt: skip
        elif claim.co2e_kind == "location-gross":
            range_text = f"the cleanest country's grid emits {context.cleanest * KWH_J:.3g} kg/kWh"
            yield replace(base, low=context.cleanest / NEAR_GRID, high=math.inf, weight=DOUBT, says=range_text,
                          show=_grid_words(terms, range_text))  # fmt: skip


def _grid_words(terms: tuple[tuple[str, float], ...], says: str) -> Show:
    how = "CO2e over energy implies" if terms else "stated:"
    return lambda _numbers, ratio: f"{how} {ratio * KWH_J:.4g} kg/kWh; {says}"


def _emissions_per_hour(context: ClaimContext) -> Iterator[Relation]:
    """Yield CO2e for each device-hour, where neither energy nor intensity is stated, against all grids."""
    claim, numbers, ends = context.claim, context.numbers, power_range(context)
    if "energy" in numbers or "intensity" in numbers or (ends is None and "power" not in numbers):
        return
    power = (("power", 1.0),) if "power" in numbers else ()
    pue = (("pue", 1.0),) if "pue" in numbers else ()
    low, high, where = context.grid
    clean = claim.co2e_kind in {"location-net", "market"}
    least = 0.0 if clean else (low / NEAR_GRID if where else context.cleanest)
    tdp = context.accelerator.tdp_w if context.accelerator else math.nan
    w_low, w_high = (1.0, HOST_MOST) if power else (BUSY_PART * tdp, ends[1] if ends else math.nan)
    room = 1.0 if pue else PUE_MOST
    sentence = f"{where} emits" if where else "grids emit"
    terms = (*hours_terms(claim), *power, *pue)

    def show(_numbers: ClaimNumbers, ratio: float) -> str:
        per_w = "" if power else f" ({BUSY_PART:.0%} of its rating to {w_high:.0f} W)"
        grams = ratio * (HOUR_S * 1e3 if not power else KWH_J)
        unit = "kg/kWh" if power else "g a device-hour"
        total = quantity_text("co2e", numbers["co2e"].value)
        return f"{total} is {grams:.4g} {unit}{per_w}; {sentence} {_span(least, low, high, where)}"

    middle = (1.0 if power else USUAL_PART * tdp) * (1.0 if pue else USUAL_PUE)
    center = middle * (math.sqrt(low * high) if where else USUAL_GRID)
    settle = "the energy of the run, metered, and the grid intensity"
    base = Relation("intensity", "co2e", terms, center=center, settle=settle, show=show)
    yield replace(base, low=0.0, high=w_high * room * DIRTIEST)
    yield replace(base, low=w_low * least, high=w_high * room * (high * NEAR_GRID if where else DIRTIEST), weight=DOUBT)


def _span(least: float, low: float, high: float, where: str) -> str:
    if where:
        return f"{low * KWH_J:.3g} to {high * KWH_J:.3g} kg/kWh"
    return f"{least * KWH_J:.3g} kg/kWh at the cleanest to {DIRTIEST * KWH_J:.3g}"


def _price(context: ClaimContext) -> Iterator[Relation]:
    """Yield the stated price, or that which a bill implies, against what is asked for the device."""
    asked = context.prices
    if asked is None:
        return
    low, high, providers, years = asked
    dates = "–".join(dict.fromkeys((years[0], years[-1]))) if years else "undated"
    apart = _years_apart(context.claim.date, years)
    says = f"prices of {providers} providers, {dates}: ${low * HOUR_S:.2f} to ${high * HOUR_S:.2f}/h"
    says += f", {apart} years from the claim's" if apart else ""
    room = (PRICES if providers >= FEW else ROOM) * YEARLY**apart
    base = Relation("price", "price", (), low=low / room, high=high * room, weight=DOUBT, says=says,
                    settle="the price of a device-hour and what else is in the bill")  # fmt: skip
    yield base
    if "price" not in context.numbers:
        sentence = f"money over device-hours implies ${{}}/h; {says}"
        shown: Show = lambda _numbers, ratio: sentence.format(f"{ratio * HOUR_S:.3g}")  # noqa: E731
        yield replace(base, target="money", terms=hours_terms(context.claim), show=shown)


def _years_apart(date: str, years: Sequence[str]) -> int:
    """Return how many years a claim is older or younger than every price.

    >>> _years_apart("2023-05", ["2025", "2026"]), _years_apart("2026-01", ["2025", "2026"]), _years_apart("", ["2025"])
    (2, 0, 0)
    """
    if not years or not date[:4].isdigit():
        return 0
    return max(int(years[0]) - int(date[:4]), int(date[:4]) - int(years[-1]), 0)
