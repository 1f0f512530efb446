"""What a user refreshed: rows of live sources, merged over the shipped ones without writing to them.

Of two prices of one offer and purchase the newer wins, by its date (an unknown date is oldest; on one day the better
rank of the source); the others stay beside it. An offer that a later reading of its whole region no longer lists is set
aside.
"""

import csv
import datetime as dt
import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from steelyard.catalog import profile, read
from steelyard.catalog.local import store
from steelyard.catalog.profile import Profile, ProfileRow
from steelyard.catalog.schema import Fact, OfferRow, Price, Source
from steelyard.errors import BadCatalog, BadInput
from steelyard.vocabulary import ON_DEMAND

_Key = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Refreshed:
    """Rows of the user's live sources."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    prices: tuple[ProfileRow, ...] = ()
    intensity: tuple[ProfileRow, ...] = ()
    profiles: tuple[Profile, ...] = ()
    covered: Mapping[str, str] = field(default_factory=dict)  # provider/region → day its list was last read whole

    def __bool__(self) -> bool:
        return bool(self.prices or self.intensity or self.profiles)


NO_ROWS = Refreshed()


def read_refreshed(folder: Path) -> Refreshed:
    """Return the rows of every live source in a user's catalog folder.

    >>> bool(read_refreshed(Path("no-such-folder")))
    False
    """
    sources: dict[str, Source] = {}
    prices: list[ProfileRow] = []
    intensity: list[ProfileRow] = []
    profiles: list[Profile] = []
    covered: dict[str, str] = {}
    places = sorted(path for path in (folder / store.FOLDER).glob("*") if path.is_dir())
    for where in places:
        try:
            sources |= {row["id"]: read.parse_source(row) for row in store.stored_rows(where / "source.csv")}
            prices += [_checked(row, sources) for row in store.stored_rows(where / "prices.csv")]
            intensity += store.stored_rows(where / "intensity.csv")
            rows = store.stored_rows(where / "profiles.csv")
            profiles += profile.profiles_of_rows(rows) if rows else ()
        except (OSError, KeyError, TypeError, ValueError, BadInput, csv.Error) as error:
            message = (
                f"{where}: rows that cannot be read ({store.reason_text(error)}); refresh again: steelyard catalog "
                f"refresh {where.name}, or plan without yours: --shipped"
            )
            raise BadCatalog(message) from error
        covered |= store.read_state(where).covered
    return Refreshed(sources, tuple(prices), tuple(intensity), tuple(profiles), covered)


def refreshed_facts(rows: Refreshed, make: Callable[[ProfileRow], Fact]) -> list[Fact]:
    """Return the user's intensities as facts."""
    try:
        return [make(row) for row in rows.intensity]
    except (KeyError, ValueError) as error:
        raise BadCatalog(f"an intensity of a live source cannot be read ({error!r}); refresh it again") from error


def without_gone(offers: tuple[OfferRow, ...], rows: Refreshed) -> tuple[OfferRow, ...]:
    """Return the offers, those that are gone from their provider's list marked so."""
    if not rows.covered:
        return offers
    return tuple(
        replace(offer, quarantine={**offer.quarantine, ON_DEMAND: why}) if (why := gone_text(offer, rows)) else offer
        for offer in offers
    )


def with_refreshed_prices(
    shipped: Iterable[OfferRow], rows: Refreshed, systems: Container[str]
) -> tuple[OfferRow, ...]:
    """Return the shipped offers with the user's prices over them, and the offers that only the user's rows have.

    Rows of systems that the catalog no longer describes are left out.
    """
    found = {_offer_key(offer): offer for offer in shipped}
    prices: dict[_Key, list[ProfileRow]] = {}
    for row in (row for row in rows.prices if row["system"] in systems):
        prices.setdefault((row["provider"], row["region"], row["instance"]), []).append(row)
    for key, several in prices.items():
        offer = found.get(key) or read.offer_of_row(several[0], {}, "of a live source")
        found[key] = _over(offer, several, rows.sources)
    return tuple(found.values())


def gone_text(offer: OfferRow, rows: Refreshed) -> str:
    """Return why an offer is set aside though it was once sold; empty where it is not."""
    read_on = rows.covered.get(offer.place, "")
    price = offer.prices.get(ON_DEMAND)
    if not read_on or price is None or price.date >= read_on:
        return ""
    return f"gone: not in the list of {offer.place} read on {read_on}"


def _checked(row: ProfileRow, sources: Mapping[str, Source]) -> ProfileRow:
    """Return a row of prices whose numbers, day and source can be read."""
    usd, devices, _ = float(row["usd"]), int(row["devices"]), dt.date.fromisoformat(row["date"])
    if not (0 < usd < math.inf and devices > 0 and row["source"] in sources):
        raise ValueError(f"{usd} dollars, {devices} devices, source {row['source']!r}")
    return row


def _over(offer: OfferRow, rows: Iterable[ProfileRow], sources: Mapping[str, Source]) -> OfferRow:
    """Return an offer with the newest price of each purchase, the others kept beside."""
    known: dict[str, list[Price]] = {
        purchase: [price, *offer.earlier.get(purchase, ())] for purchase, price in offer.prices.items()
    }
    for row in rows:
        price = Price(float(row["usd"]), row["date"], row["source"])
        known.setdefault(row["purchase"], []).append(price)

    def newest(price: Price) -> tuple[str, int]:
        source = sources.get(price.source)
        return price.date, -(source.rank if source else 0)

    ordered = {purchase: sorted(prices, key=newest, reverse=True) for purchase, prices in known.items()}
    return replace(
        offer,
        prices={purchase: prices[0] for purchase, prices in ordered.items()},
        earlier={purchase: tuple(prices[1:]) for purchase, prices in ordered.items() if len(prices) > 1},
    )


def _offer_key(offer: OfferRow) -> _Key:
    return offer.provider, offer.region, offer.instance
