"""Which offers a job allows: accelerators, sites, providers and countries, named or denied."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from steelyard import catalog as facts
from steelyard.catalog.query import check_globs, matches_glob
from steelyard.catalog.residency import countries
from steelyard.errors import BadInput, UnknownName
from steelyard.job import JobSpec

_Rule = Callable[[facts.OfferRow], bool]


def allowed_offers(spec: JobSpec, catalog: facts.Catalog) -> tuple[facts.OfferRow, ...]:
    """Return the offers that a job allows, whatever their precision; a name of nothing is an error."""
    names = [name for name, _ in spec.accelerators]
    rows = catalog.offers_of(names, spec.regions, "", quarantined=True)
    rules = _rules(spec, catalog)
    return tuple(row for row in rows if all(rule(row) for rule in rules))


def no_offer_text(spec: JobSpec, catalog: facts.Catalog, offers: Sequence[facts.OfferRow]) -> str:
    """Return why nothing is offered, with the way out; `offers` are those of any precision."""
    names = ", ".join(name for name, _ in spec.accelerators) or "any accelerator"
    if offers:
        return (
            f"nothing offered of {names} has a dense {spec.precision} peak in the catalog; try --precision "
            f"{' or '.join(name for name in ('bf16', 'fp16', 'fp32') if name != spec.precision)}"
        )
    where = f" in {', '.join(spec.regions)}" if spec.regions else ""
    who = f" from {', '.join(spec.providers)}" if spec.providers else ""
    kept = f" inside {', '.join(spec.residency)}" if spec.residency else ""
    denied = [*spec.deny_accelerators, *spec.deny_providers, *spec.deny_regions]
    less = f" once {', '.join(denied)} are denied" if denied else ""
    sold = ", ".join(sorted({row.accelerator for row in catalog.offers})[:8])
    return (
        f"no offer of {names}{where}{who}{kept}{less} in the catalog; drop a filter, or judge a configuration without "
        f"a price: steelyard estimate --on. Offered are: {sold} …"
    )


def denied_accelerators(names: Sequence[str], catalog: facts.Catalog) -> frozenset[str]:
    """Return the ids of accelerators that are not wanted: names, aliases, or patterns of ids.

    >>> sorted(denied_accelerators(["A100*", "L4"], facts.load()))
    ['A100-40GB-PCIe', 'A100-40GB-SXM', 'A100-80GB-PCIe', 'A100-80GB-SXM', 'L4']
    """
    found: set[str] = set()
    for name in names:
        if "*" not in name:
            found.add(catalog.accelerator(name).id)
            continue
        same = {row for row in catalog.accelerators if fnmatchcase(row.lower(), name.lower())}
        if not same:
            raise UnknownName("accelerator", name, catalog.accelerators)
        found |= same
    return frozenset(found)


def _rules(spec: JobSpec, catalog: facts.Catalog) -> list[_Rule]:
    """Return what every offer must keep, each list checked for names of nothing."""
    rules: list[_Rule] = []
    providers, denied = _providers(spec.providers, catalog), _providers(spec.deny_providers, catalog)
    if providers:
        rules.append(lambda row: row.provider in providers)
    if denied:
        rules.append(lambda row: row.provider not in denied)
    if spec.deny_accelerators:
        unwanted = denied_accelerators(spec.deny_accelerators, catalog)
        rules.append(lambda row: row.accelerator not in unwanted)
    if spec.deny_regions:
        check_globs(spec.deny_regions, [*catalog.sites, *(row.place for row in catalog.offers)])
        rules.append(lambda row: not matches_glob(row.place, spec.deny_regions))
    if spec.residency:
        within = countries(spec.residency, (row.country for row in catalog.sites.values()))
        rules.append(lambda row: bool(row.site) and catalog.sites[row.site].country in within)
    return rules


EVERYDAY_NAMES = {"amazon": "aws", "google": "gcp", "microsoft": "azure", "oracle": "oci"}
"""Providers as people call them, by the name that the catalog has."""


def _providers(names: Sequence[str], catalog: facts.Catalog) -> frozenset[str]:
    known = {row.provider for row in catalog.offers}
    names = [EVERYDAY_NAMES.get(name.lower(), name) for name in names]
    for provider in names:
        if provider not in known:
            raise UnknownName("provider", provider, sorted(known))
    return frozenset(names)


def check_conflicts(spec: JobSpec, catalog: facts.Catalog) -> None:
    """Raise `BadInput` where an accelerator is both asked for and denied."""
    asked = {catalog.accelerator(name).id: name for name, _ in spec.accelerators}
    both = sorted(asked.keys() & denied_accelerators(spec.deny_accelerators, catalog))
    if both:
        raise BadInput(f"{asked[both[0]]} is both in accelerators and in deny_accelerators; drop one")
