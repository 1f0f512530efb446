"""One configuration on paper, and the same taken apart to formulas and catalog rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from steelyard.formatting.figures import COUNT, FLOP_RATE, amount
from steelyard.report.breakdown import breakdown, brief, formulas, named
from steelyard.report.cite import Used
from steelyard.report.oneline import assumed
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.report.plan import bound, points_table, sources
from steelyard.report.terms import terms
from steelyard.tables import Prediction


def estimate(model: str, tokens: float, headline: Mapping[str, Any], found: Prediction) -> list[RenderableType]:
    """Return the page of one configuration: its figures, then where they go."""
    return [
        *_head(model, tokens, headline, found),
        *breakdown(found, terms(found)),
        *_assumed(headline["assumptions"]),
        *sources(headline["sources"]),
    ]


def short(model: str, tokens: float, headline: Mapping[str, Any], found: Prediction) -> list[RenderableType]:
    """Return the short page of one configuration: its figures, where seconds and bytes go, the rest in lines."""
    return [
        *_head(model, tokens, headline, found),
        *brief(found, terms(found)),
        *_ends(headline, "every part of every arm, assumptions in full, sources"),
    ]


def dissected(model: str, tokens: float, headline: Mapping[str, Any], found: Prediction) -> list[RenderableType]:
    """Return the short page of one plan taken apart: every term, its share and its formula's name."""
    return [
        *_head(model, tokens, headline, found),
        *named(found, terms(found)),
        *_ends(headline, "each formula with its source, every catalog row used, assumptions in full, sources"),
    ]


def explanation(
    model: str, tokens: float, headline: Mapping[str, Any], found: Prediction, rows: Iterable[Used]
) -> list[RenderableType]:
    """Return the page of one plan taken apart: terms, the formulas behind them, and the catalog rows used."""
    parts = terms(found)
    return [
        *_head(model, tokens, headline, found),
        *breakdown(found, parts),
        blank(),
        *formulas(parts),
        blank(),
        heading("Catalog rows used"),
        *_used(rows),
        *_assumed(headline["assumptions"]),
        *sources(headline["sources"]),
    ]


def _head(model: str, tokens: float, headline: Mapping[str, Any], found: Prediction) -> list[RenderableType]:
    return [
        heading(f"{model} on {amount(tokens, COUNT)} tokens"),
        blank(),
        points_table([headline]),
        *bound([headline]),
        blank(),
        paragraph(rate(tokens, headline, found)),
        blank(),
    ]


def rate(tokens: float, headline: Mapping[str, Any], found: Prediction) -> str:
    """Return the speed of training in tokens and in FLOPs, the convention named."""
    achieved = float(found.time.model_flop) / float(found.time.total_s) / headline["devices"]
    trained = tokens / headline["time_s"]
    return (
        f"{trained:,.0f} tokens/s over the whole run; while training {amount(achieved, FLOP_RATE, 3)} a device "
        "(model FLOPs: forward and backward, causal attention counted as half, the vocabulary included, no recompute)."
    )


def _assumed(lines: Sequence[str]) -> list[RenderableType]:
    return [blank(), heading("Assumed"), bullets(lines)] if lines else []


def _ends(headline: Mapping[str, Any], more: str) -> list[RenderableType]:
    lines = [paragraph(f"Assumed: {assumed(headline['assumptions'])}.", 0)] if headline["assumptions"] else []
    return [blank(), *lines, paragraph(f"--details: {more}. --json: all of it.", 0)]


def _used(rows: Iterable[Used]) -> list[RenderableType]:
    """Return the rows, those of one thing under its name."""
    groups: dict[str, list[list[str]]] = {}
    for row in rows:
        groups.setdefault(f"{row.of}: {row.name}", []).append([row.quantity, row.value, row.source, row.checked])
    parts = [(paragraph(key), table(["|", "", "", "|"], cells, 4, header=False)) for key, cells in groups.items()]
    return [part for pair in parts for part in pair]
