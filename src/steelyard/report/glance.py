"""A plan at a glance: what a decision needs first, one line each; `report.plan` is the same in full."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType

from steelyard.formatting.figures import UNKNOWN, dollars, number, percent
from steelyard.report.oneline import distinct, held, moved, place, rivals, unsure, warnings
from steelyard.report.page import blank, heading, paragraph, table
from steelyard.report.plan import LINES, PARTS, Point, interrupted


def glance(found: Mapping[str, Any]) -> list[RenderableType]:
    """Return the short page of a plan, given as the mapping that `--json` prints."""
    points, names = found["frontier"], nicknames(found)
    return [
        heading(str(found["summary"])),
        blank(),
        *interrupted(found),
        _table(points),
        blank(),
        *(paragraph(text) for text in (instances(points), f"{convention(found)} {counts(found)}") if text),
        *_section("What binds, and in brackets what would win without that limit", held(points), names),
        *_section("Not told apart, with the share of shared draws that it wins", unsure(found), names),
        *_section("Inputs that change the winner by turning out 10 % off, and how likely that is", moved(found), names),
        *_section("The best of other kinds, by what the point is named for", rivals(found), names),
        *_section("Before you decide", warnings(found), names),
        blank(),
        paragraph(more(found), 0),
    ]


def _table(named: Sequence[Point]) -> RenderableType:
    points = distinct(named)
    rows = [[name, *cells] for name, say in ROWS.items() if any(cells := [say(point) for point in points])]
    return table(["|", *(str(point["label"]) for point in points)], rows)


def memory(point: Point) -> str:
    """Return memory per device and the limit.

    >>> memory({"memory_bytes": 61 * 2**30, "memory_limit_bytes": 79 * 2**30})
    '61 of 79 GiB'
    """
    used, limit = point.get("memory_bytes"), point.get("memory_limit_bytes")
    return UNKNOWN if used is None or limit is None else f"{number(used / 2**30)} of {number(limit / 2**30)} GiB"


def price(point: Point) -> str:
    """Return the price of a device-hour, and how it is bought.

    >>> price({"price_usd_per_device_h": 2.99, "purchase": "on-demand"})
    '$2.99/h, on-demand'
    """
    paid = point.get("price_usd_per_device_h")
    return f"{dollars(paid)}/h, {point.get('purchase', '')}" if paid is not None else ""


def failures(point: Point) -> str:
    """Return how many interruptions to expect, and the goodput.

    >>> failures({"interruptions": 2.31, "goodput": 0.957})
    '2.3, goodput 96 %'
    """
    some = point.get("interruptions")
    return "" if some is None else f"{number(some)}, goodput {percent(point['goodput'])}"


def bill(point: Point) -> str:
    """Return what is billed beside the devices, where that is a hundredth of the whole or more.

    >>> bill({"bill": {"compute_usd": 1800.0, "moving_usd": 900.0}})
    'devices $1,800, moving $900'
    >>> bill({"bill": {"compute_usd": 1800.0, "moving_usd": 9.0}})
    ''
    """
    parts = point.get("bill") or {}
    beside = sum(parts[key] for key in PARTS if parts.get(key))
    return LINES["bill"](point) if beside > 0.01 * (parts.get("compute_usd") or 0.0) else ""


ROWS: Final[Mapping[str, Callable[[Point], str]]] = {
    **{name: LINES[name] for name in ("time", "money", "energy", "CO2e", "market")},
    "devices": LINES["devices"],
    "layout": LINES["layout"],
    "stack": LINES["stack"],
    "memory": memory,
    "failures": failures,
    "offer": place,
    "price": price,
    "bill": bill,
}
"""What is said of a point, in this order."""


def nicknames(found: Mapping[str, Any]) -> dict[str, str]:
    """Return what the accelerators that a plan names can be called without memory and form, where that is one of them.

    >>> some = [{"accelerator": name} for name in ("H100-80GB-SXM", "A100-40GB-SXM", "A100-80GB-SXM", "L4")]
    >>> nicknames({"frontier": some})
    {'H100-80GB-SXM': 'H100'}
    """
    rows = [*found["frontier"], *found.get("compared", ()), *(tie for one in found["frontier"] for tie in _others(one))]
    rows += [row["winner"] for row in found.get("sensitivity", ()) if row["winner"]]
    full = dict.fromkeys(str(row["accelerator"]) for row in rows)
    nicks = {name: re.sub(r"-\d+GB.*", "", name) for name in full}
    taken = list(nicks.values())
    family = {name.partition("-")[0] for name in full if nicks[name] == name}
    return {
        name: nick for name, nick in nicks.items() if nick != name and taken.count(nick) == 1 and nick not in family
    }


def _others(point: Point) -> list[Point]:
    without = [one["without"] for one in point.get("bound_by", ()) if one["without"]]
    return [*(point.get("ties") or ()), *without]


def instances(points: Sequence[Point]) -> str:
    """Return what the offers are called, each once.

    >>> instances([{"label": label, "offer": "aws/us-east-1/p5"} for label in ("cheapest", "balanced")])
    'Instances: p5 (cheapest, balanced).'
    """
    found: dict[str, list[str]] = {}
    for point in points:
        parts = str(point.get("offer", "")).split("/", 2)
        if len(parts) > 2:
            found.setdefault(parts[2], []).append(str(point["label"]))
    said = [f"{name} ({', '.join(labels)})" for name, labels in found.items()]
    return f"Instances: {', '.join(said)}." if said else ""


def convention(found: Mapping[str, Any]) -> str:
    """Return what the figures are.

    >>> convention({"carbon_kind": "location_gross"})
    'In brackets 90 % intervals; CO2e operational, location gross; prices of one device.'
    """
    kind = str(found["carbon_kind"]).replace("_", " ")
    return f"In brackets 90 % intervals; CO2e operational, {kind}; prices of one device."


def counts(found: Mapping[str, Any]) -> str:
    """Return how many candidates went where.

    >>> counts({"counts": {"considered": 12000, "offered": 900, "within_limits": 300, "frontier": 40}})
    '12,000 layouts weighed: 900 priced, 300 within the limits, 40 on the frontier.'
    """
    some = found["counts"]
    return (
        f"{some['considered']:,} layouts weighed: {some['offered']:,} priced, {some['within_limits']:,} within the "
        f"limits, {some['frontier']:,} on the frontier."
    )


def more(found: Mapping[str, Any]) -> str:
    """Return where the rest is."""
    sizes = {key: len(found.get(key, ())) for key in ("notes", "sources")}
    some = [f"{size} {key if size > 1 else key.removesuffix('s')}" for key, size in sizes.items() if size]
    return (
        "--details: why each rival lost, every tie and moved input, the frontier drawn, assumptions in full"
        f"{''.join(f', {text}' for text in some)}. --json: all of it. steelyard explain JOB: one point taken apart."
    )


def _section(title: str, rows: Sequence[Sequence[str]], names: Mapping[str, str]) -> list[RenderableType]:
    for name, nick in names.items():
        rows = [[label, text.replace(name, nick)] for label, text in rows]
    return [blank(), heading(title), table(["|", ""], rows, header=False)] if rows else []
