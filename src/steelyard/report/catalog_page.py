"""The catalog on paper: lists of things, and one thing with every value's source, conditions, date and rivals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from rich.console import RenderableType

from steelyard.catalog.schema import Accelerator, Fact, Facts, OfferRow, SiteRow, Source, System
from steelyard.formatting.figures import number
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.vocabulary import CO2E_KINDS, ON_DEMAND, SPOT

KG_PER_KWH_J = 1 / 3.6e6


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


def models_page(rows: Iterable[Mapping[str, Any]]) -> list[RenderableType]:
    """Return the list of models, each a mapping with its name, family, parameters and shape."""
    columns = ["model", "family", ">total", ">active", ">layers", ">hidden", ">experts", ">context"]
    return [
        table(
            columns,
            [
                [
                    str(row["name"]),
                    str(row["family"]),
                    _billions(row["params"]),
                    _billions(row["active_params"]),
                    f"{row['layers']}",
                    f"{row['hidden']}",
                    f"{row['experts'] or ''}",
                    f"{row['context_tokens'] or ''}",
                ]
                for row in rows
            ],
            indent=0,
        )
    ]


def entry_page(row: Any, facts: Facts | None, sources: Mapping[str, Source]) -> list[RenderableType]:
    """Return one thing of the catalog: what it is, each value with its source, and the values not used."""
    parts: list[RenderableType] = [heading(str(row["id"] if "id" in row else row["name"]))]
    shown = [[key.replace("_", " "), _value_text(value)] for key, value in row.items() if _value_text(value)]
    parts.append(table(["|", ""], shown))
    used = set(_named_sources(row))
    if facts is not None:
        parts += _fact_parts(facts)
        used |= {fact.source for rows in facts.by_quantity.values() for fact in rows}
    return [*parts, *citations(used, sources)]


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


def _named_sources(row: Mapping[str, Any]) -> list[str]:
    named = [row.get("source", ""), *row.get("sources", ())]
    named += [price["source"] for price in row.get("prices", {}).values()]
    named += [price["source"] for prices in row.get("earlier", {}).values() for price in prices]
    return [name for name in named if name]


def _value_text(value: Any) -> str:
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


def _billions(count: Any) -> str:
    return f"{count / 1e9:.2f}B" if count else ""


def _per_device(offer: OfferRow, purchase: str) -> str:
    price = offer.prices.get(purchase)
    return f"{price.usd_per_hour / offer.devices:.2f}" if price else ""


def _price_age(offer: OfferRow, today: date) -> str:
    price = offer.prices.get(ON_DEMAND)
    days = price.age_days(today) if price else math.nan
    return "" if math.isnan(days) else f"{days:.0f} d"
