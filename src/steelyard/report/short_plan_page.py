"""A plan at a glance: what a decision needs first, one line each; `report.plan` is the same in full."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.formatting.figures import dollars, number, percent
from steelyard.planner.answers import Counts, Plan, Point
from steelyard.reasons.binds import unknown_host_text
from steelyard.reasons.summaries import Summary
from steelyard.report.breakdown import short_memory
from steelyard.report.page import blank, heading, paragraph, table
from steelyard.report.plan_lines import (
    binding_lines,
    distinct_points,
    input_lines,
    rival_lines,
    seller_text,
    unsure_lines,
    warning_lines,
)
from steelyard.report.plan_page import LINES, PARTS, interrupted_warning


def short_plan_page(found: Plan) -> list[RenderableType]:
    """Return the short page of a plan."""
    points, names = found.points, nicknames(found)
    head = (instances_text(points), f"{short_conventions(found)} {counts_text(found.counts)}")
    return [
        heading(found.summary),
        blank(),
        *interrupted_warning(found),
        _table(points),
        blank(),
        *(paragraph(text) for text in head if text),
        *_rows("What binds, and in brackets what would win without that limit", binding_lines(points), names),
        *_rows("Not told apart, with the share of shared draws that it wins", unsure_lines(found), names),
        *_rows(
            "Inputs that change the winner by turning out 10 % off, and how likely that is", input_lines(found), names
        ),
        *_rows("The best of other kinds, by what the point is named for", rival_lines(found), names),
        *_rows("Before you decide", [*host_lines(points), *warning_lines(found)], names),
        blank(),
        paragraph(rest_text(found), 0),
    ]


def _table(named: Sequence[Point]) -> RenderableType:
    points = distinct_points(named)
    rows = [[name, *cells] for name, text in ROWS.items() if any(cells := [text(point) for point in points])]
    return table(["|", *(point.label for point in points)], rows)


def host_lines(points: Sequence[Point]) -> list[list[str]]:
    """Return which points put more on a host than is sure to be there, where nobody says how much it has.

    >>> host_lines([Point("cheapest", host_bytes=400 * 2**30), Point("fastest")])
    [['hosts', 'cheapest: host memory unknown: needs 400 GiB a host']]
    """
    some = [(one.label, unknown_host_text(one.host_bytes, one.host_limit_bytes)) for one in points]
    parts = [f"{label}: {text}" for label, text in some if text]
    return [["hosts", "; ".join(parts)]] if parts else []


def short_price(point: Point) -> str:
    """Return the price of a device-hour, and how it is bought.

    >>> short_price(Point("", price_usd_per_device_h=2.99, purchase="on-demand"))
    '$2.99/h, on-demand'
    """
    paid = point.price_usd_per_device_h
    return "" if math.isnan(paid) else f"{dollars(paid)}/h, {point.purchase}"


def short_failures(point: Point) -> str:
    """Return how many interruptions to expect, and the goodput.

    >>> short_failures(Point("", interruptions=2.31, goodput=0.957))
    '2.3, goodput 96 %'
    """
    some = point.interruptions
    return "" if math.isnan(some) else f"{number(some)}, goodput {percent(point.goodput)}"


def short_bill(point: Point) -> str:
    """Return what is billed beside the devices, where that is a hundredth of the whole or more.

    >>> from steelyard.planner.answers import Bill
    >>> short_bill(Point("", bill=Bill(compute_usd=1800.0, moving_usd=900.0)))
    'devices $1,800, moving $900'
    >>> short_bill(Point("", bill=Bill(compute_usd=1800.0, moving_usd=9.0)))
    ''
    """
    more = sum(spent for key in PARTS if (spent := getattr(point.bill, key)) > 0)
    return LINES["bill"](point) if more > 0.01 * point.bill.compute_usd else ""


ROWS: Final[Mapping[str, Callable[[Point], str]]] = {
    **{name: LINES[name] for name in ("time", "money", "energy", "CO2e", "market")},
    "devices": LINES["devices"],
    "layout": LINES["layout"],
    "stack": LINES["stack"],
    "memory": short_memory,
    "on host": LINES["on host"],
    "on NVMe": LINES["on NVMe"],
    "failures": short_failures,
    "offer": lambda point: seller_text(point.offer, point.site),
    "price": short_price,
    "bill": short_bill,
}
"""What is shown of a point, in this order."""


def nicknames(found: Plan) -> dict[str, str]:
    """Return what the accelerators that a plan names can be called without memory and form, where that is one of them.

    >>> names = ("H100-80GB-SXM", "A100-40GB-SXM", "A100-80GB-SXM", "L4")
    >>> nicknames(Plan("", points=tuple(Point("", accelerator=name) for name in names)))
    {'H100-80GB-SXM': 'H100'}
    """
    rows: list[Point | Summary] = [*found.points, *found.rivals]
    rows += [one for point in found.points for one in _others(point)]
    rows += [row.winner for row in found.sensitivity if row.winner]
    full = dict.fromkeys(row.accelerator for row in rows)
    nicks = {name: re.sub(r"-\d+GB.*", "", name) for name in full}
    taken = list(nicks.values())
    family = {name.partition("-")[0] for name in full if nicks[name] == name}
    return {
        name: nick for name, nick in nicks.items() if nick != name and taken.count(nick) == 1 and nick not in family
    }


def _others(point: Point) -> list[Summary]:
    return [*point.ties, *(one.without for one in point.bound_by if one.without)]


def instances_text(points: Sequence[Point]) -> str:
    """Return what the offers are called, each once.

    >>> instances_text([Point(label, offer="aws/us-east-1/p5") for label in ("cheapest", "balanced")])
    'Instances: p5 (cheapest, balanced).'
    """
    found: dict[str, list[str]] = {}
    for point in points:
        parts = point.offer.split("/", 2)
        if len(parts) > 2:
            found.setdefault(parts[2], []).append(point.label)
    named = [f"{name} ({', '.join(labels)})" for name, labels in found.items()]
    return f"Instances: {', '.join(named)}." if named else ""


def short_conventions(found: Plan) -> str:
    """Return what the figures are.

    >>> short_conventions(Plan(""))
    'In brackets 90 % intervals; CO2e operational, location gross; prices of one device.'
    """
    kind = found.carbon_kind.replace("_", " ")
    return f"In brackets 90 % intervals; CO2e operational, {kind}; prices of one device."


def counts_text(some: Counts) -> str:
    """Return how many candidates went where.

    >>> counts_text(Counts(considered=12000, offered=900, within_limits=300, frontier=40))
    '12,000 layouts weighed: 900 priced, 300 within the limits, 40 on the frontier.'
    """
    return (
        f"{some.considered:,} layouts weighed: {some.offered:,} priced, {some.within_limits:,} within the "
        f"limits, {some.frontier:,} on the frontier."
    )


def rest_text(found: Plan) -> str:
    """Return where the rest is."""
    sizes = {"notes": len(found.notes), "sources": len(found.sources)}
    some = [f"{size} {key if size > 1 else key.removesuffix('s')}" for key, size in sizes.items() if size]
    return (
        "--details: why each rival lost, every tie and moved input, the frontier drawn, assumptions in full"
        f"{''.join(f', {text}' for text in some)}. --json: all of it. steelyard explain JOB: one point taken apart."
    )


def _rows(title: str, rows: Sequence[Sequence[str]], names: Mapping[str, str]) -> list[RenderableType]:
    for name, nick in names.items():
        rows = [[label, text.replace(name, nick)] for label, text in rows]
    return [blank(), heading(title), table(["|", ""], rows, header=False)] if rows else []
