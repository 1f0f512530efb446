"""The catalog as one object: every table read when first asked for, every name looked up in one way."""

import datetime as dt
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property, lru_cache
from pathlib import Path

from steelyard.catalog import quarantine, query, read
from steelyard.catalog.local import layer, refreshed
from steelyard.catalog.local.layer import EMPTY, Layer
from steelyard.catalog.profile import Profile
from steelyard.catalog.schema import Accelerator, Fact, Facts, Fitted, Interruption, OfferRow, SiteRow, Source, System
from steelyard.catalog.stack_names import StackRule
from steelyard.catalog.stacks import Capability, StackFile, read_stacks
from steelyard.catalog.training import Optimizer, Precision, optimizer_of_row, precision_of_row
from steelyard.catalog.usual.documented import with_documented
from steelyard.errors import BadCatalog, UnknownName
from steelyard.vocabulary import ON_DEMAND

DATA = Path(__file__).parent / "data"

LIVE = ("sources", "grid", "sites", "offers", "_site_names")
"""What rows of live sources change."""


class Catalog:
    """All tables of one folder, and over its fitted rows those of a local layer.

    >>> catalog = load()
    >>> catalog.accelerator("h100").id, catalog.accelerator("TPUv5p").peak("bf16")
    ('H100-80GB-SXM', 459000000000000.0)
    """

    def __init__(self, folder: Path, local: Layer = EMPTY) -> None:
        self.folder = folder
        self.local = local

    def over(self, local: Layer) -> "Catalog":
        """Return the same catalog with these local rows in place of its own; what it has read is shared.

        >>> load().over(EMPTY).stacks == load().stacks
        True
        """
        made = copy(self)
        made.local = local
        changed = ("kernels", "stacks", *(LIVE if local.refreshed is not self.local.refreshed else ()))
        for name in changed:
            made.__dict__.pop(name, None)
        return made

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """All sources by id."""
        shipped = {row.id: row for row in read.parsed_rows(self.folder, "sources", read.parse_source)}
        return {**shipped, **self.local.refreshed.sources}

    @cached_property
    def accelerators(self) -> Mapping[str, Accelerator]:
        """All accelerators by id, each with the facts of all sources; `accelerator("H100")` finds one by any name."""
        facts = read.read_facts(self.folder, "accelerators", "accelerator", self.sources)
        rows = read.parsed_rows(self.folder, "accelerators_index", lambda row: read.parse_accelerator(row, facts))
        found = {row.id: row for row in rows}
        if unknown := facts.keys() - found.keys():
            raise BadCatalog(f"accelerators.csv has facts of {sorted(unknown)}, which accelerators_index.csv lacks")
        return found

    @cached_property
    def buses(self) -> Mapping[str, Facts]:
        """Facts of buses that many machines share, by `pcie/<generation>`."""
        return {name: Facts(rows) for name, rows in read.read_facts(self.folder, "buses", "bus", self.sources).items()}

    @cached_property
    def embodied(self) -> Mapping[str, Facts]:
        """Embodied carbon by accelerator id, and of a server's share by `server/<family>`."""
        found = read.read_facts(self.folder, "embodied", "entity", self.sources)
        return {name: Facts(rows) for name, rows in found.items()}

    @cached_property
    def systems(self) -> Mapping[str, System]:
        """All systems by id; `system("H100")` finds one by its name, or that of its accelerator."""
        return {
            row.id: row
            for row in read.parsed_rows(self.folder, "systems", lambda row: read.parse_system(row, self.sources))
        }

    @cached_property
    def sites(self) -> Mapping[str, SiteRow]:
        """All sites by id, each with the grid, PUE and water facts of every place it lies in."""
        return {
            row.id: row for row in read.parsed_rows(self.folder, "sites", lambda row: read.parse_site(row, self.grid))
        }

    @cached_property
    def grid(self) -> read.FactsOf:
        """Grid, PUE and water facts by place, a user's own beside the shipped ones."""
        tables = ("intensity", "pue", "water")
        shipped = [row for name in tables for row in read.parsed_rows(self.folder, name, self._place_fact)]
        return read.facts_by_entity([*shipped, *refreshed.refreshed_facts(self.local.refreshed, self._place_fact)])

    def _place_fact(self, row: Mapping[str, str]) -> Fact:
        return read.parse_fact(row, "place", self.sources)

    @cached_property
    def offers(self) -> tuple[OfferRow, ...]:
        """All offers; prices that break a rule of `quarantine` carry the reason."""
        rows = tuple(read.parsed_rows(self.folder, "offers", lambda row: read.parse_offer(row, self.sources)))
        rows = quarantine.with_second_prices(
            rows, read.parsed_rows(self.folder, "second_prices", lambda row: read.parse_second_price(row, self.sources))
        )
        rows = (
            refreshed.with_refreshed_prices(rows, self.local.refreshed, self.systems)
            if self.local.refreshed.prices
            else rows
        )
        cuts = tuple(read.parsed_rows(self.folder, "price_cuts", quarantine.price_cut))
        marked = quarantine.mark_doubtful(rows, {row.id: row.country for row in self.sites.values()}, cuts)
        return refreshed.without_gone(marked, self.local.refreshed)

    @cached_property
    def tariffs(self) -> Mapping[str, Facts]:
        """Prices of storage and of traffic out, by provider, in USD a byte and second, and USD a byte."""
        return {
            name: Facts(rows)
            for name, rows in read.read_facts(self.folder, "tariffs", "provider", self.sources).items()
        }

    @cached_property
    def interruptions(self) -> Mapping[tuple[str, str], Interruption]:
        """Published interruption bands of spot instances by (instance, `provider/region`)."""
        rows = read.parsed_rows(self.folder, "spot", lambda row: read.parse_interruption(row, self.sources))
        return {(row.instance, row.region): row for row in rows}

    @cached_property
    def models(self) -> tuple[Mapping[str, str], ...]:
        """The rows of models.csv as text; `job` reads them."""
        return tuple(read.table_rows(self.folder, "models"))

    @cached_property
    def kernels(self) -> Mapping[tuple[str, str, str], Fitted]:
        """Fitted kernel, power and whole-chip figures by (entity, precision, quantity)."""
        return {**self._fitted("kernels", "accelerators_steps", "power"), **self.local.kernels}

    @cached_property
    def stacks(self) -> Mapping[tuple[str, str, str], Fitted]:
        """Figures of time and memory of software stacks by (entity, precision, quantity): fitted, else documented."""
        return {**with_documented(self._fitted("stacks", "stacks_memory"), self.stack_files), **self.local.stacks}

    @cached_property
    def stack_files(self) -> Mapping[str, StackFile]:
        """Everything that is documented of each software stack, by its name."""
        return read_stacks(self.folder)

    @cached_property
    def stack_rules(self) -> tuple[StackRule, ...]:
        """How people write the names of stacks, in the order in which they are tried; the last meets every text."""
        rules = (rule for file in self.stack_files.values() for rule in file.rules)
        return tuple(sorted(rules, key=lambda rule: rule.order))

    @cached_property
    def precisions(self) -> Mapping[str, Precision]:
        """What each precision is in bytes, by its name."""
        return {row.precision: row for row in read.parsed_rows(self.folder, "precisions", precision_of_row)}

    @cached_property
    def optimizers(self) -> Mapping[str, Optimizer]:
        """What each optimizer keeps of a parameter, by its name; in the order in which patterns are tried."""
        return {row.optimizer: row for row in read.parsed_rows(self.folder, "optimizers", optimizer_of_row)}

    @cached_property
    def policies(self) -> Mapping[tuple[str, str], Fitted]:
        """How runs are operated, by (purchase or `any`, quantity)."""
        return {(row.entity, row.quantity): row for row in read.parsed_rows(self.folder, "policy", read.parse_fitted)}

    @cached_property
    def layout_spread(self) -> Fitted:
        """Spread of the logarithm of a layout's time against other layouts of one job, accelerator and stack."""
        rows = list(read.parsed_rows(self.folder, "layout_spread", read.parse_fitted))
        if [row.quantity for row in rows] != ["layout_log_sd"]:
            raise BadCatalog("layout_spread.csv needs one row layout_log_sd: python -m fit.layout_spread --write")
        return rows[0]

    @cached_property
    def kind_spreads(self) -> Mapping[str, Fitted]:
        """How far steps of kinds of models that no constant is fitted to scatter, beyond accelerator and stack."""
        return {row.entity: row for row in read.parsed_rows(self.folder, "unseen_kinds", read.parse_fitted)}

    @cached_property
    def countries(self) -> Mapping[str, str]:
        """Codes of countries of two letters, by those of three."""
        return {row["alpha3"]: row["alpha2"] for row in read.table_rows(self.folder, "countries")}

    @cached_property
    def gcp_shapes(self) -> tuple[Mapping[str, str], ...]:
        """The parts that Google Cloud sells an instance as: its host type, its accelerators, its cores and memory."""
        return tuple(read.table_rows(self.folder, "gcp_shapes"))

    def capability(self, stack: str) -> Capability:
        """Return what a stack can run, or raise `UnknownName` with the nearest.

        >>> load().capability("megatron-core").zero
        (0, 1)
        """
        if stack not in self.stack_files:
            raise UnknownName("stack", stack, self.stack_files)
        return self.stack_files[stack].capability

    def planned_stacks(self, vendor: str, adapters: bool = False) -> tuple[Capability, ...]:
        """Return the stacks that `plan` proposes on a vendor's accelerators, for adapters if asked, in their order.

        >>> [row.stack for row in load().planned_stacks("NVIDIA", adapters=True)]
        ['hf-trainer', 'torchtune', 'megatron-core', 'deepspeed']
        """
        return query.proposed_stacks(self.stack_files.values(), vendor, adapters)

    def hourly_places(self, site: SiteRow) -> tuple[str, ...]:
        """Return the places whose hours are a site's, nearest first: its own, and its country's zone where that is one.

        >>> load().hourly_places(load().site("gcp/europe-west9"))[-1]
        'em-zone/FR'
        """
        zone = f"em-zone/{site.country}"
        zoned = any(place.startswith("em-zone/") for place in site.places) or zone not in self.grid
        return site.places if zoned else (*site.places, zone)

    def profiles_of(self, places: Sequence[str], start: dt.datetime, hours: int) -> Mapping[str, Profile]:
        """Return the hourly profile of each kind, of the nearest place; a forecast that reaches before a usual day.

        >>> load().profiles_of(["country/FR"], dt.datetime(2027, 1, 13), 24)
        {}
        """
        found: dict[str, Profile] = {}
        for place in places:
            near = [one for one in self.local.refreshed.profiles if one.place == place and one.reaches(start, hours)]
            for one in sorted(near, key=lambda one: one.yearly):
                found.setdefault(one.quantity, one)
        return found

    def accelerator(self, name: str) -> Accelerator:
        """Return the accelerator of a name or alias; UnknownName carries the nearest ones."""
        return query.find_row("accelerator", name, self._accelerator_names, self.accelerators)

    def system(self, name: str) -> System:
        """Return the system of a name: an instance type, a machine, or an accelerator (its reference unit)."""
        row = self._system_names.get(query.plain_spelling(name))
        if row is None and query.plain_spelling(name) in self._accelerator_names:
            return query.reference_system(self.accelerator(name), self.systems.values())
        return row or query.find_row("system", name, {}, [*self.systems, *self.accelerators])

    def site(self, name: str) -> SiteRow:
        """Return the site of a name: `aws/us-east-1`, `country/FR`, or a region that only one provider has."""
        return query.find_row("site", name, self._site_names, self.sites)

    def offers_of(
        self,
        accelerators: Sequence[str] = (),
        regions: Sequence[str] = (),
        purchase: str = ON_DEMAND,
        quarantined: bool = False,
    ) -> tuple[OfferRow, ...]:
        """Return offers by accelerator names, region globs and purchase; a name or glob of nothing is an error.

        >>> offers = load().offers_of(["H100", "H200", "TPU-v5p"], ["aws/us-*", "gcp/europe-*"])
        >>> sorted({offer.provider for offer in offers})
        ['aws', 'gcp']
        """
        ids = frozenset(self.accelerator(name).id for name in accelerators)
        if regions:
            query.check_globs(regions, [*self.sites, *(offer.place for offer in self.offers)])
        return query.select_offers(self.offers, ids, regions, purchase, quarantined)

    def _fitted(self, *names: str) -> Mapping[tuple[str, str, str], Fitted]:
        """Return the rows of several fits by key; where two give the same key, the later fit builds on the earlier."""
        rows = (row for name in names for row in read.parsed_rows(self.folder, name, read.parse_fitted))
        return {(row.entity, row.precision, row.quantity): row for row in rows}

    @cached_property
    def _accelerator_names(self) -> dict[str, Accelerator]:
        return query.accelerator_spellings(self.accelerators.values())

    @cached_property
    def _system_names(self) -> dict[str, System]:
        return {query.plain_spelling(name): row for name, row in self.systems.items()}

    @cached_property
    def _site_names(self) -> dict[str, SiteRow]:
        return query.site_aliases(self.sites.values())


def load(folder: Path = DATA) -> Catalog:
    """Return the catalog of a folder, by default the one that Steelyard ships; the same object every time.

    Inside `layer.using_layer(...)` it has those local rows over its fitted ones.
    """
    return _load(folder, layer.current_layer())


@lru_cache(maxsize=8)
def _load(folder: Path, local: Layer) -> Catalog:
    return Catalog(folder, local)
