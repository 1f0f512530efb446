"""What a claim leaves out, estimated: device-hours, watts, energy, CO2e and money, each an interval with its grounds.

Device-hours come from the predictor, watts from the predictor or from what busy devices draw, PUE and intensity from
the place where one is stated, else from the range of all sites of the catalog. Independent spreads are joined as
logarithms. Nothing is estimated for a model, a device or a size that the predictor was never scored near.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from steelyard.catalog import kernels_rows
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import ClaimEstimate, EstimatedRange
from steelyard.claims.models import samples_terms, samples_trained
from steelyard.claims.prediction import ClaimPrediction, NoPrediction

POWER_HALF = 1.4
"""Half-width, as a factor, of a busy device's watts with its host, where its run is not known."""

_TOTALS = ("wall", "energy", "co2e", "money")


@dataclass(frozen=True, slots=True)
class Spread:
    """A number with the ends of its interval and its grounds."""

    value: float
    low: float
    high: float
    rests_on: str

    @property
    def half(self) -> tuple[float, float]:
        """Return the logarithmic half-widths, down and up."""
        return math.log(self.value / self.low), math.log(self.high / self.value)


def spread_product(*spans: Spread) -> Spread:
    """Return the product of independent spans.

    >>> made = spread_product(Spread(2.0, 1.0, 4.0, "a"), Spread(3.0, 3.0, 3.0, "b"))
    >>> made.value, round(made.low, 3), round(made.high, 3), made.rests_on
    (6.0, 3.0, 12.0, 'a; b')
    """
    value = math.prod(one.value for one in spans)
    down = math.sqrt(sum(one.half[0] ** 2 for one in spans))
    over = math.sqrt(sum(one.half[1] ** 2 for one in spans))
    grounds = "; ".join(dict.fromkeys(one.rests_on for one in spans))
    return Spread(value, value / math.exp(down), value * math.exp(over), grounds)


def estimate_unstated(context: ClaimContext) -> ClaimEstimate:
    """Return what can be said of the numbers that a claim does not state; none where it states all of them.

    >>> from steelyard.claims.reading.files import read_claim
    >>> given = {"model": "llama-2-7b", "tokens": "2T", "hardware": "A100", "place": "US"}
    >>> found = estimate_unstated(ClaimContext(read_claim(given)))
    >>> [one.quantity for one in found.ranges]
    ['device_time', 'power', 'energy', 'co2e']
    """
    stated = context.claim.numbers
    if "energy" in stated and "co2e" in stated:
        return ClaimEstimate()
    time, why = _device_time(context)
    if time is None:
        return ClaimEstimate(refused=why) if _asks(context) else ClaimEstimate()
    ranges, watts = [], _power(context)
    if "device_time" not in stated and not {"count", "wall"} <= stated.keys():
        ranges.append(_range("device_time", time))
        if "count" in stated:
            ranges.append(_range("wall", spread_product(time, _exact(1 / stated["count"].value, "the stated count"))))
    if watts is not None:
        ranges += _energy(context, time, watts)
    ranges += _money(context, time)
    grounds = context.prediction.rests_on if isinstance(context.prediction, ClaimPrediction) and ranges else ()
    return ClaimEstimate(tuple(ranges), grounds)


def _asks(context: ClaimContext) -> bool:
    """Return whether the claim says enough of its work that an estimate would be expected."""
    claim = context.claim
    return (
        bool(claim.model or "parameters" in claim.numbers)
        and ("tokens" in claim.numbers or bool(samples_terms(claim)))
        and bool(claim.hardware)
    )


def _device_time(context: ClaimContext) -> tuple[Spread | None, str]:
    numbers, found = context.numbers, context.prediction
    if "device_time" in numbers:
        return _exact(numbers["device_time"].value, "the stated device-hours"), ""
    if {"count", "wall"} <= numbers.keys():
        return _exact(numbers["count"].value * numbers["wall"].value, "the stated count and hours"), ""
    if isinstance(found, NoPrediction):
        return None, found.reason
    done = samples_trained(context.claim) if found.unit == "samples" else context.claim.value("tokens")
    if done is None:
        return None, f"no {found.unit} are stated"
    likely, low, high = (one * done for one in found.device_s_per_unit)
    return Spread(likely, low, high, "predicted device-hours"), ""


def _power(context: ClaimContext) -> Spread | None:
    """Return watts of one device with its host: stated, predicted, or those of a busy device of its kind."""
    stated, accelerator = context.claim.numbers.get("power"), context.accelerator
    if stated is not None:
        return _exact(stated.value, "the stated watts")
    if isinstance(context.prediction, ClaimPrediction) and math.isfinite(context.prediction.it_w[0]):
        return Spread(*context.prediction.it_w, "predicted watts of a device with its host")
    if accelerator is None or math.isnan(accelerator.tdp_w):
        return None
    rows = kernels_rows(accelerator, accelerator.precisions[0], context.catalog) if accelerator.precisions else {}
    if not rows:
        return None
    likely = accelerator.tdp_w * (rows["compute_power"].value + rows["host_power"].value)
    return Spread(likely, likely / POWER_HALF, likely * POWER_HALF, f"what a busy {accelerator.id} draws with its host")


def _energy(context: ClaimContext, time: Spread, watts: Spread) -> Iterator[EstimatedRange]:
    numbers = context.claim.numbers
    if "power" not in numbers:
        yield _range("power", watts)
    used = spread_product(time, watts, _pue(context))
    if "energy" in numbers:
        used = _exact(numbers["energy"].value, "the stated energy")
    else:
        yield _range("energy", used)
    if "co2e" not in numbers and context.claim.value("intensity") != 0:  # of a stated 0 it follows, and is 0
        yield _range("co2e", spread_product(used, _intensity(context)))


def _pue(context: ClaimContext) -> Spread:
    stated = context.claim.numbers.get("pue")
    if stated is not None:
        return _exact(stated.value, "the stated PUE")
    own = context.site.facts.fact("pue") if context.site else None
    if own is not None and own.entity != "world":
        return Spread(own.si, own.si / 1.03, own.si * 1.03, f"the PUE of {own.entity}")
    every = sorted({row.facts.value("pue") for row in context.catalog.sites.values()})
    return Spread(math.sqrt(every[0] * every[-1]), every[0], every[-1], "the PUEs of all sites of the catalog")


def _intensity(context: ClaimContext) -> Spread:
    stated = context.claim.numbers.get("intensity")
    if stated is not None:
        return _exact(stated.value, "the stated intensity")
    low, high, where = context.grid
    if where and context.site is not None:
        likely = context.site.facts.value("location_gross")
        return Spread(likely, min(low, likely / 1.05), max(high, likely * 1.05), f"the grid of {where}")
    rows = (row.facts.value("location_gross") for name, row in context.catalog.sites.items() if "/" in name)
    every = sorted(value for value in rows if value > 0)
    ends = every[len(every) // 20], every[-len(every) // 20]
    return Spread(every[len(every) // 2], *ends, "nine of ten sites of the catalog: no place is stated")


def _money(context: ClaimContext, time: Spread) -> Iterator[EstimatedRange]:
    if "money" in context.claim.numbers or "price" not in context.claim.numbers:
        return
    price = context.claim.numbers["price"]
    yield _range("money", spread_product(time, _exact(price.value, "the stated price")))


def _exact(value: float, grounds: str) -> Spread:
    return Spread(value, value, value, grounds)


def _range(quantity: str, span: Spread) -> EstimatedRange:
    return EstimatedRange(quantity, span.value, span.low, span.high, span.rests_on)
