"""Prices that are not believed: kept, marked with the reason, and not offered to a search.

A cost minimiser is drawn to wrong prices, so what looks wrong is taken out of its reach. The rules look at what one
device costs for one hour; "usual" is the median over providers of each provider's median on demand. The first that
applies is the reason:

- **sentinel**: not above zero, or more than ten times the usual price of the accelerator;
- **bargain**: on demand below a quarter of the usual price;
- **old**: the source says only "of this day or older";
- **copied**: a spot or reserved price that is not below the on-demand price of the same row;
- **floor**: a spot price at an eighth of the on-demand price or less: the most that is ever taken off (AWS: 90%) is
  printed where hardly anything is sold;
- **disputed**: less than half of what another source says of the same cell;
- **stale**: dated before a recorded cut of that instance's price, so the price of today is not known;
- **flat**: one and the same on-demand price in four or more countries, by a provider whose other prices differ;
- **outlier**: on demand below 55% of what the same provider asks for the same instance in other countries (median).

>>> doubt_text(700.0, usual_usd=3.0, on_demand=True)
'sentinel: 700.00 $/device-hour is 233 times usual'
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from steelyard.catalog.schema import OfferRow, Price
from steelyard.vocabulary import ON_DEMAND, SPOT

SENTINEL_FACTOR = 10.0
BARGAIN_SHARE = 0.25
OUTLIER_SHARE = 0.55
FLAT_COUNTRIES = 4
DISPUTED_SHARE = 0.5
FLOOR_SHARE = 0.125


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


def mark_doubtful(
    offers: tuple[OfferRow, ...], countries: Mapping[str, str], cuts: Iterable[PriceCut]
) -> tuple[OfferRow, ...]:
    """Return the offers, each with the reasons against its prices; `countries` maps a site to its country."""
    usual = _usual(offers)
    flat = _flat(offers, countries)
    rows = _by_country(offers, countries)
    cut_of = {(cut.provider, cut.instance): cut for cut in cuts}

    def reason(offer: OfferRow, purchase: str, price: Price) -> str:
        usd = price.usd_per_hour / offer.devices
        on_demand = purchase == ON_DEMAND
        return (
            doubt_text(usd, usual.get(offer.accelerator, 0.0), on_demand)
            or ("old: the source says only that it is of this day or before" if price.or_older else "")
            or (_copied(offer, purchase) if purchase != ON_DEMAND else "")
            or _disputed(price)
            or _stale(price, cut_of.get((offer.provider, offer.instance)))
            or (flat.get((offer.provider, offer.accelerator), "") if on_demand else "")
            or (_outlier(offer, usd, countries, rows) if on_demand else "")
        )

    def marked(offer: OfferRow) -> OfferRow:
        reasons = {purchase: reason(offer, purchase, price) for purchase, price in offer.prices.items()}
        reasons = {purchase: why for purchase, why in reasons.items() if why}
        return replace(offer, quarantine=reasons) if reasons else offer

    return tuple(marked(offer) for offer in offers)


def doubt_text(usd_per_device_hour: float, usual_usd: float, on_demand: bool) -> str:
    """Return why a price cannot be a price, or an empty text; `usual_usd` is the providers' median on demand.

    >>> doubt_text(2.95, usual_usd=10.0, on_demand=True)
    ''
    """
    if usd_per_device_hour <= 0:
        return f"sentinel: {usd_per_device_hour:.2f} $/device-hour is not a price"
    if usual_usd and usd_per_device_hour > SENTINEL_FACTOR * usual_usd:
        return f"sentinel: {usd_per_device_hour:.2f} $/device-hour is {usd_per_device_hour / usual_usd:.0f} times usual"
    if usual_usd and on_demand and usd_per_device_hour < BARGAIN_SHARE * usual_usd:
        return f"bargain: {usd_per_device_hour:.2f} $/device-hour, where providers usually ask {usual_usd:.2f}"
    return ""


def _on_demand(offers: Iterable[OfferRow]) -> list[tuple[OfferRow, float]]:
    return [(row, row.prices[ON_DEMAND].usd_per_hour / row.devices) for row in offers if ON_DEMAND in row.prices]


def _usual(offers: Iterable[OfferRow]) -> dict[str, float]:
    """Return the median over providers of each provider's own median, by accelerator."""
    groups: dict[str, dict[str, list[float]]] = {}
    for offer, usd in _on_demand(offers):
        groups.setdefault(offer.accelerator, {}).setdefault(offer.provider, []).append(usd)
    return {name: median(median(prices) for prices in found.values()) for name, found in groups.items()}


def _stale(price: Price, cut: PriceCut | None) -> str:
    if cut and price.date and price.date <= cut.after:
        return f"stale: of {price.date}; the list price was cut x{cut.factor:g} after {cut.after}"
    return ""


def _copied(offer: OfferRow, purchase: str) -> str:
    listed = offer.prices.get(ON_DEMAND)
    if listed and offer.prices[purchase].usd_per_hour >= listed.usd_per_hour:
        return f"copied: the {purchase} price is not below the on-demand price"
    if listed and purchase == SPOT and offer.prices[purchase].usd_per_hour <= FLOOR_SHARE * listed.usd_per_hour:
        return f"floor: {1 - offer.prices[purchase].usd_per_hour / listed.usd_per_hour:.0%} off the on-demand price"
    return ""


def _disputed(price: Price) -> str:
    for other in price.others:
        if price.usd_per_hour < DISPUTED_SHARE * other.usd_per_hour and not other.or_older:
            return (
                f"disputed: {price.source} says {price.usd_per_hour:.2f} $/h, {other.source} {other.usd_per_hour:.2f}"
            )
    return ""


def with_second_prices(
    offers: Iterable[OfferRow], rows: Iterable[tuple[tuple[str, str, str, str], Price]]
) -> tuple[OfferRow, ...]:
    """Return the offers with what other sources say of the same cells: (provider, instance, region, purchase)."""
    said: dict[tuple[str, str, str], list[tuple[str, Price]]] = {}
    for (*cell, purchase), price in rows:
        said.setdefault((cell[0], cell[1], cell[2]), []).append((purchase, price))

    def with_others(offer: OfferRow) -> OfferRow:
        found = said.get((offer.provider, offer.instance, offer.region))
        if found is None:
            return offer
        prices = dict(offer.prices)
        for purchase, other in found:
            if purchase in prices:
                prices[purchase] = replace(prices[purchase], others=(*prices[purchase].others, other))
        return replace(offer, prices=prices)

    return tuple(with_others(offer) for offer in offers)


def _flat(offers: Iterable[OfferRow], countries: Mapping[str, str]) -> dict[tuple[str, str], str]:
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


def _by_country(
    offers: Iterable[OfferRow], countries: Mapping[str, str]
) -> dict[tuple[str, str], dict[str, list[float]]]:
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for offer, usd in _on_demand(offers):
        by_country = found.setdefault((offer.provider, offer.instance), {})
        by_country.setdefault(countries.get(offer.site, ""), []).append(usd)
    return found


def _outlier(
    offer: OfferRow, usd: float, countries: Mapping[str, str], rows: Mapping[tuple[str, str], Mapping[str, list[float]]]
) -> str:
    here = countries.get(offer.site, "")
    prices = rows[(offer.provider, offer.instance)]
    elsewhere = [other for country, found in prices.items() if country != here for other in found]
    usual = median(elsewhere) if elsewhere else 0.0
    if usd < OUTLIER_SHARE * usual:
        return f"outlier: {usd:.2f} $/device-hour against {usual:.2f} for this instance in other countries"
    return ""
