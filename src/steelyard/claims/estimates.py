"""What a claim leaves out, estimated: device-hours, watts, energy, CO2e and money, each an interval with its grounds.

Device-hours come from the predictor, watts from the predictor or from what busy devices draw, PUE and intensity from
the place where one is stated, else from the range of all sites of the catalog. Independent spreads are joined as
logarithms. Nothing is estimated for a model, a device or a size that the predictor was never scored near.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steelyard.catalog import kernels_rows
from steelyard.claims.context import Facts
from steelyard.claims.findings import Estimate, Range
from steelyard.claims.prediction import Expected, Refused

POWER_HALF = 1.4
"""Half-width, as a factor, of a busy device's watts with its host, where its run is not known."""

TOTALS = ("wall", "energy", "co2e", "money")


@dataclass(frozen=True, slots=True)
class Span:
    """A number with the ends of its interval and its grounds."""

    value: float
    low: float
    high: float
    rests_on: str

    @property
    def half(self) -> tuple[float, float]:
        """Return the logarithmic half-widths, down and up."""
        return math.log(self.value / self.low), math.log(self.high / self.value)


def joined(*spans: Span) -> Span:
    """Return the product of independent spans.

    >>> made = joined(Span(2.0, 1.0, 4.0, "a"), Span(3.0, 3.0, 3.0, "b"))
    >>> made.value, round(made.low, 3), round(made.high, 3), made.rests_on
    (6.0, 3.0, 12.0, 'a; b')
    """
    value = math.prod(one.value for one in spans)
    down = math.sqrt(sum(one.half[0] ** 2 for one in spans))
    over = math.sqrt(sum(one.half[1] ** 2 for one in spans))
    grounds = "; ".join(dict.fromkeys(one.rests_on for one in spans))
    return Span(value, value / math.exp(down), value * math.exp(over), grounds)


def estimate(facts: Facts) -> Estimate:
    """Return what can be said of the numbers that a claim does not state; none where it states all of them.

    >>> from steelyard.claims.reading.files import read
    >>> found = estimate(Facts(read({"model": "llama-2-7b", "tokens": "2T", "hardware": "A100", "place": "US"})))
    >>> [one.quantity for one in found.ranges]
    ['device_time', 'power', 'energy', 'co2e']
    """
    stated = facts.claim.numbers
    if "energy" in stated and "co2e" in stated:
        return Estimate()
    time, why = _device_time(facts)
    if time is None:
        return Estimate(refused=why) if _asks(facts) else Estimate()
    ranges, watts = [], _power(facts)
    if "device_time" not in stated and not {"count", "wall"} <= stated.keys():
        ranges.append(_range("device_time", time))
        if "count" in stated:
            ranges.append(_range("wall", joined(time, _exact(1 / stated["count"].value, "the stated count"))))
    if watts is not None:
        ranges += _energy(facts, time, watts)
    ranges += _money(facts, time)
    grounds = facts.expected.rests_on if isinstance(facts.expected, Expected) and ranges else ()
    return Estimate(tuple(ranges), grounds)


def _asks(facts: Facts) -> bool:
    """Return whether the claim says enough of its work that an estimate would be expected."""
    claim = facts.claim
    return bool(claim.model or "parameters" in claim.numbers) and "tokens" in claim.numbers and bool(claim.hardware)


def _device_time(facts: Facts) -> tuple[Span | None, str]:
    numbers, found = facts.numbers, facts.expected
    if "device_time" in numbers:
        return _exact(numbers["device_time"].value, "the stated device-hours"), ""
    if {"count", "wall"} <= numbers.keys():
        return _exact(numbers["count"].value * numbers["wall"].value, "the stated count and hours"), ""
    if isinstance(found, Refused):
        return None, found.reason
    if "tokens" not in numbers:
        return None, "no tokens are stated"
    likely, low, high = (one * numbers["tokens"].value for one in found.device_s_per_token)
    return Span(likely, low, high, "predicted device-hours"), ""


def _power(facts: Facts) -> Span | None:
    """Return watts of one device with its host: stated, predicted, or those of a busy device of its kind."""
    stated, chip = facts.claim.numbers.get("power"), facts.chip
    if stated is not None:
        return _exact(stated.value, "the stated watts")
    if isinstance(facts.expected, Expected) and math.isfinite(facts.expected.it_w[0]):
        return Span(*facts.expected.it_w, "predicted watts of a device with its host")
    if chip is None or math.isnan(chip.tdp_w):
        return None
    rows = kernels_rows(chip, chip.precisions[0], facts.catalog) if chip.precisions else {}
    if not rows:
        return None
    likely = chip.tdp_w * (rows["compute_power"].value + rows["host_power"].value)
    return Span(likely, likely / POWER_HALF, likely * POWER_HALF, f"what a busy {chip.id} draws with its host")


def _energy(facts: Facts, time: Span, watts: Span) -> Iterator[Range]:
    numbers = facts.claim.numbers
    if "power" not in numbers:
        yield _range("power", watts)
    used = joined(time, watts, _pue(facts))
    if "energy" in numbers:
        used = _exact(numbers["energy"].value, "the stated energy")
    else:
        yield _range("energy", used)
    if "co2e" not in numbers:
        yield _range("co2e", joined(used, _intensity(facts)))


def _pue(facts: Facts) -> Span:
    stated = facts.claim.numbers.get("pue")
    if stated is not None:
        return _exact(stated.value, "the stated PUE")
    own = facts.site.facts.fact("pue") if facts.site else None
    if own is not None and own.entity != "world":
        return Span(own.si, own.si / 1.03, own.si * 1.03, f"the PUE of {own.entity}")
    every = sorted({row.facts.value("pue") for row in facts.catalog.sites.values()})
    return Span(math.sqrt(every[0] * every[-1]), every[0], every[-1], "the PUEs of all sites of the catalog")


def _intensity(facts: Facts) -> Span:
    stated = facts.claim.numbers.get("intensity")
    if stated is not None and stated.value > 0:
        return _exact(stated.value, "the stated intensity")
    low, high, where = facts.grid
    if where and facts.site is not None:
        likely = facts.site.facts.value("location_gross")
        return Span(likely, min(low, likely / 1.05), max(high, likely * 1.05), f"the grid of {where}")
    rows = (row.facts.value("location_gross") for name, row in facts.catalog.sites.items() if "/" in name)
    every = sorted(value for value in rows if value > 0)
    ends = every[len(every) // 20], every[-len(every) // 20]
    return Span(every[len(every) // 2], *ends, "nine of ten sites of the catalog: no place is stated")


def _money(facts: Facts, time: Span) -> Iterator[Range]:
    if "money" in facts.claim.numbers or "price" not in facts.claim.numbers:
        return
    price = facts.claim.numbers["price"]
    yield _range("money", joined(time, _exact(price.value, "the stated price")))


def _exact(value: float, grounds: str) -> Span:
    return Span(value, value, value, grounds)


def _range(quantity: str, span: Span) -> Range:
    return Range(quantity, span.value, span.low, span.high, span.rests_on)
