"""Figures of a disclosure in the words of people: amounts, intervals, how each is known, what is missing."""

import math
from collections.abc import Iterator

from steelyard.disclosure.ledger import Disclosure, LedgerFigure, cost_per_use, payback_ratio
from steelyard.formatting.figures import COUNT, amount, dollars, interval, ladder_of, number
from steelyard.units import DAY_S, HOUR_S, KWH_J

FIGURE_NAMES = {
    "wall_s": "training time",
    "devices": "devices",
    "device_s": "device-hours",
    "accelerator_j": "energy of the accelerators",
    "it_j": "energy of the IT equipment",
    "facility_j": "energy at the facility's meter",
    "pue": "PUE",
    "it_w": "power of a device with its host",
    "accelerator_w": "power of a device",
    "gross_kg": "CO2e, location-based gross",
    "net_kg": "CO2e, location-based net",
    "market_kg": "CO2e, market-based",
    "marginal_kg": "CO2e, marginal",
    "gross_kg_per_j": "grid intensity, gross",
    "net_kg_per_j": "grid intensity, net",
    "market_kg_per_j": "grid intensity, market",
    "marginal_kg_per_j": "grid intensity, marginal",
    "embodied_kg": "embodied CO2e of the hardware",
    "water_m3": "water consumed",
    "usd": "money",
    "flop": "floating-point operations",
    "flop_per_s": "achieved speed of a device",
    "parameters": "parameters",
    "active_parameters": "parameters active for a token",
    "tokens": "tokens",
    "samples": "samples",
}
"""What a figure is called."""


def figure_name(found: Disclosure, name: str) -> str:
    """Return what a figure is called: samples by what they are, such as images.

    >>> figure_name(Disclosure(title="x", basis="metered", sample="image"), "samples")
    'images'
    """
    if found.sample and name in {"samples", "active_parameters"}:
        return found.work_unit if name == "samples" else f"parameters active for each {found.sample}"
    return FIGURE_NAMES[name]


def ledger_figure_text(name: str, one: LedgerFigure, digits: int = 3) -> str:
    """Return a figure with its interval, or `unknown` with what is missing.

    >>> ledger_figure_text("facility_j", LedgerFigure(3.6e9, 3.0e9, 4.0e9, "predicted"))
    '1.00 MWh (0.833–1.11)'
    >>> ledger_figure_text("marginal_kg", LedgerFigure(why="none is known"))
    'unknown: none is known'
    """
    if not one.known:
        return f"unknown: {one.why}" if one.why else "unknown"
    text = value_text(name, one.value, digits)
    if not math.isfinite(one.low) or not math.isfinite(one.high) or one.low == one.high:
        return text
    ladder = ladder_of(name)
    if ladder and name != "device_s":
        return interval(one.value, one.low, one.high, ladder, digits)
    return f"{text} ({value_text(name, one.low, digits)}–{value_text(name, one.high, digits)})"


def value_text(name: str, value: float, digits: int = 3) -> str:
    """Return a value in SI in the unit people use for it.

    >>> value_text("device_s", 3.6e6), value_text("gross_kg_per_j", 0.431 / 3.6e6), value_text("flop", 3.14e23)
    ('1,000 device-hours', '0.431 kg/kWh', '3.14e+23 FLOP')
    """
    if name == "device_s":
        return f"{number(value / HOUR_S, digits)} device-hours"
    if name.endswith("_kg_per_j"):
        return f"{number(value * KWH_J, digits)} kg/kWh"
    if name == "flop":
        return f"{value:.{digits - 1}e} FLOP"
    if name == "usd":
        return dollars(value)
    if name == "devices":
        return number(value, 1)
    ladder = ladder_of(name)
    return amount(value, ladder, digits) if ladder else number(value, digits)


def known_by(one: LedgerFigure) -> str:
    """Return how a figure is known and what it rests on.

    >>> known_by(LedgerFigure(1.0, how="follows", why="IT energy x PUE"))
    'follows: IT energy x PUE'
    """
    return f"{one.how}: {one.why}" if one.known and one.why else one.how


def in_days(one: LedgerFigure) -> float:
    """Return seconds in days."""
    return one.value / DAY_S


def ledger_rows(found: Disclosure) -> Iterator[tuple[str, str, str, str]]:
    """Yield the lines of the ledger as scope, energy, CO2e and a remark; scopes nobody stated are unknown."""
    for line in found.lines:
        remarks = [line.title, line.note, *search_notes(found, line.scope)]
        energy = line.of("facility_j")
        remarks.append(energy.why if energy.known and energy.how in {"estimated", "corrected"} else "")
        yield (
            line.scope,
            ledger_figure_text("facility_j", energy),
            ledger_figure_text("gross_kg", line.of("gross_kg")),
            "; ".join(filter(None, remarks)),
        )
    for scope in found.unstated:
        yield scope, "unknown: not stated", "unknown: not stated", INFERENCE if scope == "inference" else ""


INFERENCE = (
    "not in any figure here; 80 to 90 % of demand for machine learning is inference (arXiv 2104.10350, section 1)"
)


def search_notes(found: Disclosure, scope: str) -> Iterator[str]:
    """Yield what a search costs each of its uses, and when it has paid for itself."""
    for line in found.lines:
        if line.scope != scope:
            continue
        cost = line.of("gross_kg")
        if line.uses > 1 and cost.known:
            yield f"over {line.uses:g} uses: {value_text('gross_kg', cost_per_use(cost.value, line.uses))} each"
        if math.isfinite(line.saved_kg) and cost.known and cost.value > 0:
            once = payback_ratio(cost.value, line.saved_kg)
            all_of_them = payback_ratio(cost.value, line.saved_kg, line.uses)
            yield f"each use saves {value_text('gross_kg', line.saved_kg)}: {once:.3g} to 1 after the first"
            if line.uses > 1:
                yield f"{all_of_them:.3g} to 1 after {line.uses:g}"
        if math.isfinite(line.queries) and line.queries > 0 and line.of("facility_j").known:
            yield f"{line.of('facility_j').value / line.queries:.3g} J a query over {amount(line.queries, COUNT, 2)}"
