"""Which sources a plan stands on: exactly those of the catalog rows that its points used."""

from collections.abc import Iterable, Iterator

from steelyard import catalog as facts
from steelyard.search.answer import Point

DEVICE = ("memory", "memory_bandwidth", "link_bandwidth", "tdp", "idle_power", "host_bandwidth")
SITE = ("pue", "location_gross", "location_net", "market", "marginal", "water_onsite", "water_offsite")


def sources(points: Iterable[Point], precision: str, catalog: facts.Catalog) -> tuple[facts.Source, ...]:
    """Return the sources of the systems, devices, prices and sites of some points, each once, in the order of use."""
    names = dict.fromkeys(name for point in points for name in _names(point, precision, catalog))
    return tuple(catalog.sources[name] for name in names if name in catalog.sources)


def _names(point: Point, precision: str, catalog: facts.Catalog) -> Iterator[str]:
    device = catalog.accelerators[point.chip.accelerator].facts
    yield from catalog.systems[point.system].sources
    yield from _used(device, (f"peak_{precision}", *DEVICE))
    if point.deal is not None:
        yield point.deal.price_source
    if point.place.name:
        yield from _used(catalog.sites[point.place.name].facts, SITE)


def _used(known: facts.Facts, quantities: Iterable[str]) -> Iterator[str]:
    for quantity in quantities:
        row = known.fact(quantity)
        if row is not None:
            yield row.source
