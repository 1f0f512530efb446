"""What a user's live rows change: prices added, gone and changed, intensities, hourly profiles."""

from collections.abc import Iterable
from dataclasses import dataclass

from steelyard.catalog.load import Catalog
from steelyard.catalog.schema import OfferRow, Price

_SAME = 0.0005
"""A change of less than this share is none."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One price that a user's rows add, change or take away. None: not there."""

    offer: str
    purchase: str
    kind: str  # added, changed, gone, or confirmed (the same, seen later)
    shipped_usd_per_h: float | None
    shipped_date: str
    own_usd_per_h: float | None
    own_date: str
    source: str

    @property
    def share(self) -> float | None:
        """How much dearer it became, as a share of the shipped price."""
        if self.shipped_usd_per_h is None or self.own_usd_per_h is None:
            return None
        return self.own_usd_per_h / self.shipped_usd_per_h - 1


@dataclass(frozen=True, slots=True)
class FactChange:
    """One intensity that a user's rows add or change, in kg CO2e/kWh."""

    place: str
    quantity: str
    kind: str
    shipped_kg_per_kwh: float | None
    shipped_year: int
    own_kg_per_kwh: float
    own_year: int
    source: str


@dataclass(frozen=True, slots=True)
class CatalogDiff:
    """All that differs between the shipped catalog and the same with a user's rows."""

    prices: tuple[PriceChange, ...]
    facts: tuple[FactChange, ...]
    profiles: tuple[tuple[str, str, str], ...]  # place, quantity, what it is

    def count(self, kind: str) -> int:
        """How many prices and intensities changed in one way."""
        return sum(row.kind == kind for row in self.prices) + sum(row.kind == kind for row in self.facts)


def catalog_diff(shipped: Catalog, merged: Catalog) -> CatalogDiff:
    """Return what differs; `merged` is the shipped catalog with a user's layer over it."""
    before = {offer.id: offer for offer in shipped.offers}
    prices = [row for offer in merged.offers for row in _prices(before.get(offer.id), offer)]
    profiles = tuple(
        (one.place, one.quantity, "usual day of each month" if one.yearly else f"from {one.first:%Y-%m-%d %H:%M} UTC")
        for one in merged.local.refreshed.profiles
    )
    return CatalogDiff(tuple(prices), tuple(_facts(shipped, merged)), profiles)


def change_kind(old: float | None, new: float) -> str:
    """Return what became of a value.

    >>> change_kind(None, 2.0), change_kind(2.0, 2.0), change_kind(2.0, 2.1)
    ('added', 'confirmed', 'changed')
    """
    if old is None:
        return "added"
    return "confirmed" if abs(new - old) <= _SAME * abs(old) else "changed"


def _prices(before: OfferRow | None, after: OfferRow) -> Iterable[PriceChange]:
    for purchase, price in after.prices.items():
        old = before.prices.get(purchase) if before else None
        if after.quarantine.get(purchase, "").startswith("gone"):
            yield PriceChange(after.id, purchase, "gone", *_shown(old), None, "", price.source)
        elif price != old:
            kind = change_kind(old.usd_per_hour if old else None, price.usd_per_hour)
            yield PriceChange(after.id, purchase, kind, *_shown(old), *_shown(price), price.source)


def _shown(price: Price | None) -> tuple[float | None, str]:
    return (price.usd_per_hour, price.date) if price else (None, "")


def _facts(shipped: Catalog, merged: Catalog) -> Iterable[FactChange]:
    newest: dict[tuple[str, str], tuple[int, float, str]] = {}
    for row in merged.local.refreshed.intensity:
        key, found = (row["place"], row["quantity"]), (int(row["year"]), float(row["value"]), row["source"])
        newest[key] = max(newest.get(key, found), found)
    for (place, quantity), (year, value, source) in sorted(newest.items()):
        rows = [fact for fact in shipped.grid.get(place, {}).get(quantity, ()) if fact.used]
        old = max(rows, key=lambda fact: fact.year, default=None)
        kind = change_kind(old.value if old else None, value)
        yield FactChange(place, quantity, kind, old.value if old else None, old.year if old else 0, value, year, source)
