"""What if, on paper: a row for each value of a field, a column for each named point."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType

from steelyard.formatting.figures import ENERGY, MASS, TIME, amount, dollars
from steelyard.report.oneline import assumed
from steelyard.report.page import blank, bullets, heading, paragraph, table
from steelyard.report.plan import KWH_J, devices, sources

Row = Mapping[str, Any]
FIRST: Final = {
    "cleanest": lambda point: amount(point["co2e_kg"], MASS),
    "leanest": lambda point: amount(_joules(point["energy_facility_kwh"]), ENERGY),
}
"""What stands before time and money for the points that are about something else."""


def page(found: Mapping[str, Any], details: bool) -> list[RenderableType]:
    """Return the page of a question, given as the mapping that `--json` prints."""
    rows = found["rows"]
    labels = list(dict.fromkeys(point["label"] for row in rows for point in row["frontier"]))
    parts: list[RenderableType] = [heading(str(found["summary"])), blank()]
    if labels:
        cells = [[str(row["value"]), *(cell(row, label) for label in labels)] for row in rows]
        parts += [table([f"|{found['what_if']}", *labels], cells), blank()]
        parts.append(paragraph(f"CO2e is operational, {str(found['carbon_kind']).replace('_', ' ')}."))
    parts += section("Nothing feasible", [lost(row) for row in rows if not row["frontier"]])
    if not details:
        short = paragraph(f"Assumed: {assumed(found.get('assumptions', ()))}.", 0)
        return [*parts, blank(), short, paragraph("--details: assumptions, notes, sources. --json: all of it.", 0)]
    parts += section("Assumed", found.get("assumptions", ()))
    parts += section("Notes", found.get("notes", ()))
    return [*parts, *sources(found.get("sources", ()))]


def cell(row: Row, label: str) -> str:
    r"""Return one point in three lines: its figures, what it runs on, which stack.

    >>> point = {"label": "cheapest", "time_s": 233_000, "cost_usd": 1531, "devices": 8, "accelerator": "H100",
    ...          "stack": "fsdp2"}
    >>> cell({"frontier": [point]}, "cheapest")
    '$1,531, 2.7 d\n8 × H100\nfsdp2'
    >>> cell({"frontier": []}, "cheapest")
    'nothing'
    """
    point = next((one for one in row["frontier"] if one["label"] == label), None)
    if point is None:
        return "nothing" if not row["frontier"] else ""
    spent, taken = dollars(point["cost_usd"]), amount(point["time_s"], TIME)
    figures = [taken, spent] if label == "fastest" else [spent, taken]
    first = [FIRST[label](point)] if label in FIRST else []
    return "\n".join([", ".join([*first, *figures]), devices(point), str(point["stack"])])


def lost(row: Row) -> str:
    """Return why a value leaves nothing, and the ways out.

    >>> lost({"value": "1h", "reason": "no candidate meets the deadline", "relaxations": ["--by 2h"]})
    '1h: no candidate meets the deadline; enough is --by 2h'
    """
    out = " or ".join(row["relaxations"])
    return f"{row['value']}: {row['reason']}" + (f"; enough is {out}" if out else "")


def section(title: str, lines: Sequence[str]) -> list[RenderableType]:
    """Return a titled list; nothing where there is nothing to list."""
    return [blank(), heading(title), bullets(lines)] if lines else []


def _joules(kwh: float | None) -> float | None:
    return None if kwh is None else kwh * KWH_J
