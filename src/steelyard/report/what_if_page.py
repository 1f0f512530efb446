"""What if, on paper: a row for each value of a field, a column for each named point."""

from typing import Final

from rich.console import RenderableType

from steelyard.formatting.figures import ENERGY, MASS, TIME, amount, dollars
from steelyard.planner.variants import Variant, WhatIf
from steelyard.report.page import blank, heading, paragraph, section, table
from steelyard.report.plan_lines import short_assumptions
from steelyard.report.plan_page import devices_text, sources_section
from steelyard.units import KWH_J

FIRST: Final = {
    "cleanest": lambda point: amount(point.co2e_kg.value, MASS),
    "leanest": lambda point: amount(point.energy_facility_kwh.value * KWH_J, ENERGY),
}
"""What stands before time and money for the points that are about something else."""


def what_if_page(found: WhatIf, details: bool) -> list[RenderableType]:
    """Return the page of a question."""
    rows = found.rows
    labels = list(dict.fromkeys(point.label for row in rows for point in row.points))
    parts: list[RenderableType] = [heading(found.summary), blank()]
    if labels:
        cells = [[row.value, *(variant_cell(row, label) for label in labels)] for row in rows]
        parts += [table([f"|{found.what_if}", *labels], cells), blank()]
        parts.append(paragraph(f"CO2e is operational, {found.carbon_kind.replace('_', ' ')}."))
    parts += section("Nothing feasible", [infeasible_line(row) for row in rows if not row.points])
    if not details:
        short = paragraph(f"Assumed: {short_assumptions(found.assumptions)}.", 0)
        return [*parts, blank(), short, paragraph("--details: assumptions, notes, sources. --json: all of it.", 0)]
    parts += section("Assumed", found.assumptions)
    parts += section("Notes", found.notes)
    return [*parts, *sources_section(found.sources)]


def variant_cell(row: Variant, label: str) -> str:
    r"""Return one point in three lines: its figures, what it runs on, which stack.

    >>> from steelyard.formatting.interval import Interval
    >>> from steelyard.planner.answers import Point
    >>> one = Point("cheapest", Interval(233_000), Interval(1531), devices=8, accelerator="H100", stack="fsdp2")
    >>> variant_cell(Variant("20B", points=(one,)), "cheapest")
    '$1,531, 2.7 d\n8 × H100\nfsdp2'
    >>> variant_cell(Variant("20B"), "cheapest")
    'nothing'
    """
    point = next((one for one in row.points if one.label == label), None)
    if point is None:
        return "nothing" if not row.points else ""
    spent, taken = dollars(point.cost_usd.value), amount(point.time_s.value, TIME)
    figures = [taken, spent] if label == "fastest" else [spent, taken]
    first = [FIRST[label](point)] if label in FIRST else []
    return "\n".join([", ".join([*first, *figures]), devices_text(point), point.stack])


def infeasible_line(row: Variant) -> str:
    """Return why a value leaves nothing, and the ways out.

    >>> from steelyard.reasons.relaxations import Relaxation
    >>> out = (Relaxation({}, (), "--by 2h"),)
    >>> infeasible_line(Variant("1h", reason="no candidate meets the deadline", relaxations=out))
    '1h: no candidate meets the deadline; enough is --by 2h'
    """
    out = " or ".join(one.text for one in row.relaxations)
    return f"{row.value}: {row.reason}" + (f"; enough is {out}" if out else "")
