"""Prices that are not believed: kept, marked with the reason, and not offered to a search.

A cost minimiser is drawn to wrong prices, so what looks wrong is taken out of its reach. The rules look at what one
device costs for one hour; the first that applies is the reason:

- **sentinel**: not above zero, or more than ten times the median of all on-demand offers of the accelerator;
- **copied**: a spot price that is not below the on-demand price of the same row;
- **stale**: dated before a recorded cut of that instance's price, so the price of today is not known;
- **flat**: an accelerator's on-demand price is one and the same in four or more countries, while the same provider's
  other prices differ by country;
- **outlier**: less than 55% of the median that the same provider asks for the same instance in other countries.

>>> reason_of(700.0, median_usd=3.0)
'sentinel: 700.00 $/device-hour is 233 times the median'
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from steelyard.catalog.schema import Offer

ON_DEMAND = "on-demand"
SENTINEL_FACTOR = 10.0
OUTLIER_SHARE = 0.55
FLAT_COUNTRIES = 4


@dataclass(frozen=True, slots=True)
class PriceCut:
    """A cut of an instance's list price, known to have happened after a date."""

    provider: str
    instance: str
    after: str  # prices of this day and before are from before the cut
    factor: float
    source: str
    note: str


def price_cut(row: Mapping[str, str]) -> PriceCut:
    """Return one recorded price cut."""
    return PriceCut(row["provider"], row["instance"], row["after"], float(row["factor"]), row["source"], row["note"])


def mark(offers: tuple[Offer, ...], countries: Mapping[str, str], cuts: Iterable[PriceCut]) -> tuple[Offer, ...]:
    """Return the offers, each with the reasons against its prices; `countries` maps a site to its country."""
    medians = _medians(offers, lambda offer: offer.accelerator)
    flat = _flat(offers, countries)
    others = _by_country(offers, countries)
    cut_of = {(cut.provider, cut.instance): cut for cut in cuts}
    marked = []
    for offer in offers:
        reasons = {}
        for purchase, price in offer.prices.items():
            why = reason_of(price.usd_per_hour / offer.devices, medians.get(offer.accelerator, 0.0))
            if not why and purchase == "spot":
                why = _copied(offer)
            cut = cut_of.get((offer.provider, offer.instance))
            if not why and cut and price.date and price.date <= cut.after:
                why = f"stale: of {price.date}; the list price was cut x{cut.factor:g} after {cut.after}"
            if not why and purchase == ON_DEMAND:
                why = flat.get((offer.provider, offer.accelerator), "") or _outlier(offer, countries, others)
            if why:
                reasons[purchase] = why
        marked.append(replace(offer, quarantine=reasons) if reasons else offer)
    return tuple(marked)


def reason_of(usd_per_device_hour: float, median_usd: float) -> str:
    """Return why a price cannot be a price, or an empty text.

    >>> reason_of(2.95, median_usd=10.0)
    ''
    """
    if usd_per_device_hour <= 0:
        return f"sentinel: {usd_per_device_hour:.2f} $/device-hour is not a price"
    if median_usd and usd_per_device_hour > SENTINEL_FACTOR * median_usd:
        ratio = usd_per_device_hour / median_usd
        return f"sentinel: {usd_per_device_hour:.2f} $/device-hour is {ratio:.0f} times the median"
    return ""


def _on_demand(offers: Iterable[Offer]) -> list[tuple[Offer, float]]:
    return [(row, row.prices[ON_DEMAND].usd_per_hour / row.devices) for row in offers if ON_DEMAND in row.prices]


def _medians(offers: Iterable[Offer], key: Callable[[Offer], Hashable]) -> dict[Hashable, float]:
    groups: dict[Hashable, list[float]] = {}
    for offer, usd in _on_demand(offers):
        groups.setdefault(key(offer), []).append(usd)
    return {name: median(prices) for name, prices in groups.items()}


def _copied(offer: Offer) -> str:
    listed = offer.prices.get(ON_DEMAND)
    if listed and offer.prices["spot"].usd_per_hour >= listed.usd_per_hour:
        return "copied: the spot price is not below the on-demand price"
    return ""


def _flat(offers: Iterable[Offer], countries: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Find accelerators that a provider who prices by country sells at one price in many countries."""
    seen: dict[tuple[str, str], dict[str, set[float]]] = {}
    for offer, usd in _on_demand(offers):
        country = countries.get(offer.site, "")
        if country:
            found = seen.setdefault((offer.provider, offer.accelerator), {})
            found.setdefault(country, set()).add(round(usd, 2))
    varied = {
        provider
        for (provider, _), by_country in seen.items()
        if len(by_country) > 1 and len({min(prices) for prices in by_country.values()}) > 1
    }
    return {
        key: f"flat: one price in {len(by_country)} countries, where {key[0]} prices by country"
        for key, by_country in seen.items()
        if key[0] in varied and len(by_country) >= FLAT_COUNTRIES and len(set().union(*by_country.values())) == 1
    }


def _by_country(offers: Iterable[Offer], countries: Mapping[str, str]) -> dict[tuple[str, str], dict[str, list[float]]]:
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for offer, usd in _on_demand(offers):
        by_country = found.setdefault((offer.provider, offer.instance), {})
        by_country.setdefault(countries.get(offer.site, ""), []).append(usd)
    return found


def _outlier(
    offer: Offer, countries: Mapping[str, str], others: Mapping[tuple[str, str], Mapping[str, list[float]]]
) -> str:
    here = countries.get(offer.site, "")
    elsewhere = [
        usd for country, prices in others[(offer.provider, offer.instance)].items() if country != here for usd in prices
    ]
    usual = median(elsewhere) if elsewhere else 0.0
    usd = offer.prices[ON_DEMAND].usd_per_hour / offer.devices
    if usd < OUTLIER_SHARE * usual:
        return f"outlier: {usd:.2f} $/device-hour against {usual:.2f} for this instance in other countries"
    return ""
