"""The catalog on paper: lists of things, and one thing with every value's source, conditions, date and rivals."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date

from rich.console import RenderableType

from steelyard.catalog.schema import Accelerator, Fact, Facts, OfferRow, SiteRow, Source, System
from steelyard.formatting.encode import plain
from steelyard.formatting.figures import number
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.vocabulary import CO2E_KINDS, ON_DEMAND, SPOT

KG_PER_KWH_J = 1 / 3.6e6

FAMILY_OF_ROWS = "rows"
"""Family of a model that is described by its rows."""


def accelerators_page(rows: Iterable[Accelerator]) -> list[RenderableType]:
    """Return the list of accelerators."""
    columns = ["accelerator", ">year", ">memory GiB", ">bf16 TFLOP/s", ">fp8", ">memory TB/s", ">TDP W", "family"]
    return [
        table(
            columns,
            [
                [
                    row.id,
                    str(row.year),
                    _cell(row.memory_bytes / 2**30, 3),
                    _cell(row.peak("bf16") / 1e12, 3),
                    _cell(row.peak("fp8") / 1e12, 3),
                    _cell(row.facts.value("memory_bandwidth") / 1e12, 2),
                    _cell(row.tdp_w, 3),
                    row.family,
                ]
                for row in rows
            ],
            indent=0,
        )
    ]


def systems_page(rows: Iterable[System]) -> list[RenderableType]:
    """Return the list of systems."""
    columns = ["system", "accelerator", ">devices", ">fast domain", ">most", ">GB/s a node", "topology"]
    return [
        table(
            columns,
            [
                [
                    row.id,
                    row.accelerator,
                    str(row.devices),
                    str(row.domain_devices),
                    str(row.max_devices or "any"),
                    _cell(row.nic_gb_per_s, 3),
                    row.topology,
                ]
                for row in rows
            ],
            indent=0,
        )
    ]


def offers_page(rows: Sequence[OfferRow], today: date) -> list[RenderableType]:
    """Return the list of offers, dollars an hour for one device, with the age of the price."""
    columns = ["offer", "|devices", ">on-demand", ">spot", ">age", "in doubt"]
    return [
        table(
            columns,
            [
                [
                    row.id,
                    f"{row.accelerator}:{row.devices}",
                    _per_device(row, ON_DEMAND),
                    _per_device(row, SPOT),
                    _price_age(row, today),
                    ", ".join(row.quarantine),
                ]
                for row in rows
            ],
            indent=0,
        ),
        blank(),
        paragraph(
            "Dollars an hour for one device, and the age of the on-demand price; an offer is sold as the instance "
            "named. A price in doubt is never planned with; `steelyard catalog offers NAME` says why.",
            0,
        ),
    ]


def sites_page(rows: Iterable[SiteRow]) -> list[RenderableType]:
    """Return the list of sites, carbon intensity in g CO2e/kWh by kind."""
    columns = ["site", "location", ">PUE", ">gross", ">net", ">market", ">marginal"]
    return [
        table(
            columns,
            [
                [row.id, row.location, _cell(row.facts.value("pue"), 3)]
                + [_cell(row.facts.value(kind) / KG_PER_KWH_J * 1e3, 3) for kind in CO2E_KINDS]
                for row in rows
            ],
            indent=0,
        ),
        blank(),
        paragraph("Grams of CO2e a kWh; the four kinds are alternatives, never a sum. Blank: unknown.", 0),
    ]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model of the catalog, with its parameters counted from its shape."""

    spec: ModelSpec | RowsSpec
    params: int
    active_params: int
    sample: str = ""  # what one pass takes: an image, a sequence of so many tokens; empty: it cannot be planned
    forward_flop: float = math.nan  # of a pass over one sample, a multiply-add counted as 2

    @property
    def id(self) -> str:
        """The name of the model."""
        return self.spec.name

    def values(self) -> dict[str, object]:
        """Return its fields, what was published of it beside what follows from its shape."""
        shape = {field.name: getattr(self.spec, field.name) for field in fields(self.spec) if field.name != "rows"}
        published = shape.pop("published")
        flop = math.nan if math.isnan(self.forward_flop) else round(self.forward_flop)
        work = {"sample": self.sample, "forward_flop_per_sample": flop}
        counts = {"params": self.params, "active_params": self.active_params, **work}
        first = {"name": shape.pop("name"), "family": shape.pop("family", FAMILY_OF_ROWS)}
        shape = {name: value for name, value in shape.items() if name not in counts}
        of_paper = {f"published_{field.name}": getattr(published, field.name) for field in fields(published)}
        return first | counts | shape | of_paper


CatalogEntry = Accelerator | System | OfferRow | SiteRow | ModelEntry


def models_page(rows: Iterable[ModelEntry]) -> list[RenderableType]:
    """Return the list of models."""
    columns = ["|model", "family", ">total", ">active", ">layers", ">hidden", ">experts", ">sample", ">GFLOP"]
    return [
        table(columns, [_model_row(row) for row in rows], indent=0),
        blank(),
        paragraph(
            "Parameters in all and active for a token. A sample is an image, or as many tokens as a job takes in a "
            "sequence where none is given; GFLOP of a forward pass over it, a multiply-add counted as 2. Blank: it "
            "cannot be planned yet.",
            0,
        ),
    ]


def _model_row(row: ModelEntry) -> list[str]:
    spec, shape, family = row.spec, ["", "", ""], FAMILY_OF_ROWS
    if isinstance(spec, ModelSpec):
        shape, family = [f"{spec.layers}", f"{spec.hidden}", f"{spec.experts or ''}"], spec.family
    work = "" if math.isnan(row.forward_flop) else number(row.forward_flop / 1e9, 4)
    tokens = re.search(r"[\d,]+", row.sample)
    counts = [_millions(row.params), _millions(row.active_params)]
    return [row.id, family, *counts, *shape, tokens[0] if tokens else row.sample, work]


def entry_page(row: CatalogEntry, sources: Mapping[str, Source]) -> list[RenderableType]:
    """Return one thing of the catalog: what it is, each value with its source, and the values not used."""
    values, facts = entry_values(row), getattr(row, "facts", None)
    texts = [[key.replace("_", " "), text] for key, value in values.items() if (text := _value_text(value))]
    parts: list[RenderableType] = [heading(row.id), table(["|", ""], texts)]
    used = set(_named_sources(row))
    if facts is not None:
        parts += _fact_parts(facts)
        used |= {fact.source for rows in facts.by_quantity.values() for fact in rows}
    return [*parts, *citations(used, sources)]


def entry_values(row: CatalogEntry) -> dict[str, object]:
    """Return the fields of a thing of the catalog as plain values, its facts left out."""
    if isinstance(row, ModelEntry):
        values = plain(row.values())
        return {key: value for key, value in values.items() if value}  # 0 is none, or as another field
    values = {field.name: plain(getattr(row, field.name)) for field in fields(row) if field.name != "facts"}
    return values if "id" in values else {"id": row.id} | values


def citations(ids: Iterable[str], sources: Mapping[str, Source]) -> list[RenderableType]:
    """Return the sources of exactly these ids: what each is, where, and when it was read."""
    lines = [
        f"[{key}] {row.what}. {row.locator}" + (f" ({row.version})" if row.version else "") + f", read {row.checked}"
        for key in sorted(set(ids))
        if (row := sources.get(key)) is not None
    ]
    return [blank(), heading("Sources"), bullets(lines)] if lines else []


def _fact_parts(facts: Facts) -> list[RenderableType]:
    chosen = [(fact, facts.rivals(name)) for name in facts.by_quantity if (fact := facts.fact(name)) is not None]
    parts: list[RenderableType] = [
        blank(),
        heading("Values used"),
        table(["|quantity", ">value", "conditions", "|checked", "source"], [_fact_row(fact) for fact, _ in chosen]),
    ]
    others = [rival for name in facts.by_quantity for rival in facts.rivals(name)]
    if others:
        parts += [
            blank(),
            heading("Values not used: other sources, other conditions"),
            table(["|quantity", ">value", "conditions", "|checked", "source"], [_fact_row(fact) for fact in others]),
        ]
    return parts


def _fact_row(fact: Fact) -> list[str]:
    conditions = "; ".join(part for part in (fact.conditions, fact.note) if part)
    return [fact.quantity, f"{fact.value:g} {fact.unit}".strip(), conditions, fact.checked, fact.source]


def _named_sources(row: CatalogEntry) -> list[str]:
    """Return the sources that a thing names, beside those of its facts."""
    if isinstance(row, OfferRow):
        earlier = [price for prices in row.earlier.values() for price in prices]
        return [price.source for price in (*row.prices.values(), *earlier) if price.source]
    named = [getattr(row, "source", ""), *getattr(row, "sources", ())]
    return [name for name in named if name]


def _value_text(value: object) -> str:
    """Say a value of the catalog in words; empty, unknown and nothing are not said."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {text}" for key, item in value.items() if (text := _value_text(item)))
    if isinstance(value, list | tuple):
        return ", ".join(_value_text(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else f"{value}"


def _cell(value: float, digits: int) -> str:
    return "" if math.isnan(value) else number(value, digits)


def _millions(count: int) -> str:
    """Return parameters, those of small models in millions.

    >>> _millions(8_030_261_248), _millions(25_557_032)
    ('8.03B', '25.6M')
    """
    if not count:
        return ""
    return f"{count / 1e9:.2f}B" if count >= 1e9 else f"{count / 1e6:.1f}M"


def _per_device(offer: OfferRow, purchase: str) -> str:
    price = offer.prices.get(purchase)
    return f"{price.usd_per_hour / offer.devices:.2f}" if price else ""


def _price_age(offer: OfferRow, today: date) -> str:
    price = offer.prices.get(ON_DEMAND)
    days = price.age_days(today) if price else math.nan
    return "" if math.isnan(days) else f"{days:.0f} d"
