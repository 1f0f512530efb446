"""Sites as numbers: a site with what rival sources say of it; or, where nobody says which it is, all that it may be.

An offer whose site is not published is not free of emissions, nor unknowable: it runs in one of the regions that its
provider has, or, if those are unknown too, in one of the cloud regions of the catalog. Its average intensity is the
median of theirs, its interval runs over all of them, and it is flagged. Market-based and marginal intensity stay
unknown: they hang on contracts and hours, not on a site at random.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from statistics import median

from steelyard import catalog as facts
from steelyard.market.options import SiteOption
from steelyard.tables import Site
from steelyard.units import KWH_J
from steelyard.vocabulary import CO2E_KINDS

EVERYWHERE = "world"
UNPLACED = Site(*[math.nan] * 7)
GROSS = "location_gross_kg_per_j"
NO_CLOUD = frozenset({"country", "us-state", "us-egrid"})
"""Sites that are no cloud region."""

RIVAL_QUANTITIES: Mapping[str, str] = {
    "pue": "pue",
    **{kind: f"{kind}_kg_per_j" for kind in CO2E_KINDS},
}
"""Quantities of a site that rival sources disagree on, and their fields of `tables.Site`."""


def site_option(site: str, catalog: facts.Catalog, provider: str = "") -> SiteOption:
    """Return a site with the rival values that equally near places give; without one, all that it may be."""
    if not site:
        return unknown_site(catalog, provider)
    row = catalog.sites[site]
    spread = {}
    for quantity, name in RIVAL_QUANTITIES.items():
        chosen = row.facts.fact(quantity)
        if chosen is not None:
            near = [rival for rival in row.facts.rivals(quantity) if rival.used and _near(rival) == _near(chosen)]
            spread[name] = (chosen.si, *(rival.si for rival in near))
    return SiteOption(site, facts.site(row), spread)


def unknown_site(catalog: facts.Catalog, provider: str = "") -> SiteOption:
    """Return a site that is not known: the PUE of a survey, and the grids of every region that it may be.

    >>> option = unknown_site(facts.load(), "lambda")
    >>> option.name, option.possible_sites, len(option.spread["location_gross_kg_per_j"])
    ('', 18, 18)
    """
    surveyed = pue_anywhere(catalog)
    values = sorted(
        value
        for site in candidate_sites(catalog, provider)
        if not math.isnan(value := site.facts.value("location_gross"))
    )
    made = replace(UNPLACED, pue=surveyed[0], **{GROSS: median(values) if values else math.nan})
    return SiteOption("", made, {"pue": surveyed} | ({GROSS: tuple(values)} if values else {}), len(values), provider)


def candidate_sites(catalog: facts.Catalog, provider: str) -> list[facts.SiteRow]:
    """Return the regions that a site may be: those of the provider, else every cloud region of the catalog."""
    sites = catalog.sites.values()
    own = [site for site in sites if site.provider == provider and provider not in NO_CLOUD]
    return own or [site for site in sites if site.provider not in NO_CLOUD]


def unknown_site_notes(options: Iterable[SiteOption]) -> list[str]:
    """Return what is to be said of sites that are not known; nothing of those that are.

    >>> unknown_site_notes([unknown_site(facts.load(), "lambda")])[0][:67]
    'site not published, CO2e is an interval over the regions that it ma'
    """
    said = []
    for option in options:
        values = option.spread.get(GROSS, ())
        if option.possible_sites and values:
            low, high = (1000 * KWH_J * value for value in (min(values), max(values)))
            said.append(f"{option.provider or 'without an offer'}: {option.possible_sites}, {low:.0f}–{high:.0f} g/kWh")
    first = "site not published, CO2e is an interval over the regions that it may be, the median its figure"
    return [f"{first} ({'; '.join(said)})"] if said else []


def surveyed_pue_notes(sites: Collection[str], catalog: facts.Catalog) -> list[str]:
    """Return a note on the providers whose PUE nobody publishes: a survey of all data centres stands in for it."""
    values = pue_anywhere(catalog)
    found = {site: catalog.sites[site].facts.fact("pue") for site in sites if site}
    silent = {catalog.sites[site].provider for site, fact in found.items() if fact and fact.entity == EVERYWHERE}
    silent |= {"offers without a site"} if "" in sites else set()
    if not silent:
        return []
    survey = f"{values[0]:g} (from {min(values):g} in new ones to {max(values):g})"
    return [f"no PUE published, a survey of data centres stands in, {survey}: {', '.join(sorted(silent))}"]


def pue_anywhere(catalog: facts.Catalog) -> tuple[float, ...]:
    """Return the surveyed PUEs that stand in where nobody publishes a site's own, the one to use first."""
    rows = next(iter(catalog.sites.values())).facts.by_quantity["pue"]
    return tuple(row.si for row in facts.preferred(tuple(row for row in rows if row.entity == EVERYWHERE)))


def _near(fact: facts.Fact) -> int:
    return fact.rank // 1000
