"""Finding rows: names and aliases, globs of places, lists of accelerators."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from steelyard.catalog.schema import Accelerator, OfferRow, SiteRow, System
from steelyard.catalog.stacks import Capability, StackFile
from steelyard.errors import UnknownName

_Row = TypeVar("_Row")


def plain_spelling(name: str) -> str:
    """Return a name without case, spaces and punctuation: how people's spellings are compared.

    >>> plain_spelling("H100 (80 GB)"), plain_spelling("tpu-v5p")
    ('h10080gb', 'tpuv5p')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def accelerator_spellings(accelerators: Iterable[Accelerator]) -> dict[str, Accelerator]:
    """Return every spelling of every accelerator, plain, with its row."""
    return {plain_spelling(name): row for row in accelerators for name in (row.id, *row.aliases)}


def find_row(kind: str, name: str, rows: Mapping[str, _Row], known: Iterable[str]) -> _Row:
    """Return the row that the plain name stands for, or raise UnknownName with the nearest known names."""
    row = rows.get(plain_spelling(name))
    if row is None:
        raise UnknownName(kind, name, known)
    return row


def matches_glob(place: str, globs: Sequence[str]) -> bool:
    """Return whether a place `provider/region` is named by one of the globs; a bare provider means all its regions.

    >>> matches_glob("aws/us-east-1", ["aws/us-*"]), matches_glob("gcp/europe-west4", ["aws/us-*"])
    (True, False)
    >>> matches_glob("gcp/x", ["gcp"])
    True
    """
    return any(fnmatchcase(place, glob if "/" in glob else f"{glob}/*") for glob in globs)


def check_globs(globs: Sequence[str], places: Iterable[str]) -> None:
    """Raise UnknownName for a glob that names no place at all."""
    known = sorted(set(places))
    for glob in globs:
        if not any(matches_glob(place, [glob]) for place in known):
            raise UnknownName("region", glob, known)


def select_offers(
    offers: Iterable[OfferRow], accelerators: frozenset[str], globs: Sequence[str], purchase: str, quarantined: bool
) -> tuple[OfferRow, ...]:
    """Return the offers of these accelerators (empty: all) in these places (empty: all) sold in this way."""
    return tuple(
        offer
        for offer in offers
        if (not accelerators or offer.accelerator in accelerators)
        and (not globs or matches_glob(offer.place, globs))
        and (not purchase or purchase in offer.prices)
        and (quarantined or not purchase or purchase not in offer.quarantine)
    )


def reference_system(accelerator: Accelerator, systems: Iterable[System]) -> System:
    """Return the system that stands for an accelerator when no instance is named: its reference unit."""
    rows = [row for row in systems if row.accelerator == accelerator.id and row.reference]
    if not rows:
        raise UnknownName("system", f"reference system of {accelerator.id}", (row.id for row in systems))
    return rows[0]


def site_aliases(sites: Iterable[SiteRow]) -> dict[str, SiteRow]:
    """Return every spelling of every site: `aws/us-east-1`, and `us-east-1` where only one provider has it."""
    rows = {plain_spelling(row.id): row for row in sites}
    bare: dict[str, list[SiteRow]] = {}
    for row in rows.values():
        bare.setdefault(plain_spelling(row.region), []).append(row)
    return {name: found[0] for name, found in bare.items() if len(found) == 1} | rows


def proposed_stacks(files: Iterable[StackFile], vendor: str, adapters: bool) -> tuple[Capability, ...]:
    """Return the stacks that run on a vendor's chips and have a place in what is asked for, in that order.

    Args:
        files: of stacks.
        vendor: of chips.
        adapters: asked are those that people train adapters with, else those that are planned.
    """
    rows = [one.capability for one in files if one.capability.usual_on(vendor)]
    places = sorted(((row.adapters if adapters else row.planned, row) for row in rows), key=lambda one: one[0])
    return tuple(row for place, row in places if place)
