"""What a live source is asked, and what it gives back: rows of the user's own catalog, each dated and sourced."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from steelyard.catalog.live.fetch import Fetch
from steelyard.catalog.load import Catalog
from steelyard.catalog.local.store import LiveRows, PriceRow
from steelyard.catalog.query import matches_glob
from steelyard.catalog.schema import Source


@dataclass(frozen=True, slots=True)
class Ask:
    """What a refresh may use: the way onto the network, what is shipped, the places wanted, and today."""

    fetch: Fetch
    catalog: Catalog
    regions: Sequence[str]  # globs of provider/region; empty: whatever the source has
    now: dt.datetime
    token: str = ""

    @property
    def today(self) -> str:
        """The day of the reading."""
        return self.now.date().isoformat()

    def wants(self, provider: str, region: str) -> bool:
        """Return whether a region was asked for."""
        return not self.regions or matches_glob(f"{provider}/{region}", self.regions)

    def places(self, kind: str) -> list[str]:
        """Return the grid places of one kind (`em-zone`, `country`) that the regions asked for lie in."""
        sites = self.catalog.sites.values()
        named = [
            site
            for site in sites
            if any(fnmatchcase(site.id, glob if "/" in glob else f"{glob}/*") for glob in self.regions)
        ]
        found = (place for site in named for place in self.catalog.hourly_places(site) if place.startswith(f"{kind}/"))
        return sorted(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class LiveSource:
    """One live source."""

    name: str
    what: str
    source: Source  # as rows cite it; `checked` is filled in by the refresh
    collect: Callable[[Ask], LiveRows]
    variable: str = ""  # environment variable of the user's token; empty: none needed
    narrow: str = ""  # why it wants --regions; empty: it does not


class InstanceShape(NamedTuple):
    """What the catalog knows of an instance."""

    accelerator: str
    devices: int
    system: str


def instance_shapes(catalog: Catalog, provider: str) -> dict[str, InstanceShape]:
    """Return the instances of a provider that the catalog can plan with.

    >>> from steelyard.catalog.load import load
    >>> instance_shapes(load(), "aws")["p5.48xlarge"]
    InstanceShape(accelerator='H100-80GB-SXM', devices=8, system='p5.48xlarge')
    """
    sold = (offer for offer in catalog.offers if offer.provider == provider)
    offered = {offer.instance: InstanceShape(offer.accelerator, offer.devices, offer.system) for offer in sold}
    rest = (system for system in catalog.systems.values() if system.provider == provider)
    return {system.id: InstanceShape(system.accelerator, system.devices, system.id) for system in rest} | offered


def live_price(
    ask: Ask,
    provider: str,
    region: str,
    instance: str,
    shape: InstanceShape,
    purchase: str,
    usd: float,
    date: str,
    note: str = "",
) -> PriceRow:
    """Return one price, its place looked up among the catalog's sites."""
    site = f"{provider}/{region}"
    known = site if site in ask.catalog.sites else ""
    return PriceRow(
        provider, instance, region, shape.accelerator, shape.devices, shape.system, known, purchase, usd, date, note
    )
