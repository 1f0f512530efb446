"""Live sources on paper: what came of asking them, which there are, and what they change."""

from collections.abc import Sequence

from rich.console import RenderableType

from steelyard.catalog.live.asking import SourceOutcome
from steelyard.catalog.live.source import LiveSource
from steelyard.catalog.local.diff import CatalogDiff, FactChange, PriceChange
from steelyard.catalog.local.store import SourceState
from steelyard.formatting.figures import dollars, number
from steelyard.report.page import blank, bullets, heading, paragraph, table

_SHOWN = 40
"""Rows of a difference that are listed; all of them are in `--json`."""

_KINDS = ("changed", "added", "gone", "confirmed")


def outcomes_page(rows: Sequence[SourceOutcome], folder: str) -> list[RenderableType]:
    """Return what came of asking each source.

    >>> from steelyard.report.page import render
    >>> failed = SourceOutcome("ember", rows=0, error="did not answer", answered="")
    >>> "ember: did not answer; it has never answered" in render(outcomes_page([failed], "~/catalog"))
    True
    """
    lines = []
    for row in rows:
        if row.ok:
            lines.append(f"{row.name}: {row.rows:,} rows")
        else:
            last = f"what it gave on {row.answered[:10]} stays, as old as it is" if row.answered else ""
            lines.append(f"{row.name}: {row.error}; {last or 'it has never answered'}")
        lines += [f"{row.name}: {note}" for note in row.notes]
    if not lines:
        lines = ["no source can be asked as things are: see steelyard catalog refresh --list"]
    last = f"Written to {folder}; plans use it from now on. What changed: steelyard catalog diff."
    return [
        heading("Asked"),
        bullets(lines),
        *([blank(), paragraph(last, 0)] if any(row.ok for row in rows) else []),
    ]


def sources_page(rows: Sequence[tuple[LiveSource, SourceState]], folder: str) -> list[RenderableType]:
    """Return the sources, what they need, and when each last answered."""
    cells = [[one.name, one.what, needs_text(one), state.answered[:10] or "never", state.error] for one, state in rows]
    return [table(["|source", "what", "needs", "|answered", "last error"], cells, 0), blank(), paragraph(folder, 0)]


def needs_text(one: LiveSource) -> str:
    """Return what a source needs before it can be asked."""
    return ", ".join(filter(None, (f"${one.variable}" if one.variable else "", "--regions" * bool(one.narrow))))


def diff_page(found: CatalogDiff, folder: str) -> list[RenderableType]:
    """Return what a user's rows change."""
    parts: list[RenderableType] = []
    prices, facts, profiles = found.prices, found.facts, found.profiles
    if prices:
        counts = ", ".join(f"{sum(row.kind == kind for row in prices):,} {kind}" for kind in _KINDS)
        largest = sorted(prices, key=lambda row: (_KINDS.index(row.kind), -abs(row.share or 0.0), row.offer))
        parts += [
            heading(f"Prices: {counts}"),
            table(
                ["offer", "|", ">shipped", "|of", ">yours", "|of", ">change"],
                [price_change_row(row) for row in largest[:_SHOWN]],
            ),
            *([paragraph(f"{len(prices) - _SHOWN:,} more: --json")] if len(prices) > _SHOWN else []),
            blank(),
        ]
    if facts:
        parts += [
            heading("Intensities, kg CO2e/kWh"),
            table(
                ["place", "kind", "|", ">shipped", ">yours", "source"], [intensity_row(row) for row in facts[:_SHOWN]]
            ),
            blank(),
        ]
    if profiles:
        parts += [
            heading("Hourly profiles"),
            bullets(f"{place}, {quantity}: {what}" for place, quantity, what in profiles),
            blank(),
        ]
    if not parts:
        return [paragraph(f"Nothing of yours in {folder} differs from what is shipped.", 0)]
    return [*parts, paragraph("Dollars an hour for the instance; the newer price is planned with, both are kept.", 0)]


def price_change_row(row: PriceChange) -> list[str]:
    """Return one price of a difference.

    >>> row = PriceChange("aws/us-east-1/p5", "on-demand", "changed", 55.04, "2026-07-20", 49.5, "", "ec2shop")
    >>> price_change_row(row)[2:]
    ['$55', '2026-07-20', '$50', '', '-10 %']
    """
    shipped, own = row.shipped_usd_per_h, row.own_usd_per_h
    return [
        f"{row.offer}, {row.purchase}",
        row.kind,
        "" if shipped is None else dollars(shipped),
        row.shipped_date,
        "" if own is None else dollars(own),
        row.own_date,
        "" if row.share is None else f"{row.share:+.0%}".replace("%", " %"),
    ]


def intensity_row(row: FactChange) -> list[str]:
    """Return one intensity of a difference."""
    shipped = row.shipped_kg_per_kwh
    return [
        row.place,
        row.quantity.replace("_", " "),
        row.kind,
        "" if shipped is None else f"{number(shipped, 3)} ({row.shipped_year})",
        f"{number(row.own_kg_per_kwh, 3)} ({row.own_year})",
        row.source,
    ]
