"""A plan on paper: the named points of the frontier side by side, why rivals lost, and what was assumed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType

from steelyard.formatting.figures import (
    ENERGY,
    MASS,
    TIME,
    UNKNOWN,
    VOLUME,
    age,
    amount,
    dollars,
    interval,
    number,
    percent,
)
from steelyard.report.page import blank, bullets, heading, paragraph, plot, table
from steelyard.report.place import alone, site
from steelyard.report.plot import scatter

KWH_J: Final = 3.6e6
Point = Mapping[str, Any]


def plan(found: Mapping[str, Any]) -> list[RenderableType]:
    """Return the page of a plan, given as the mapping that `--json` prints."""
    points = found["frontier"]
    parts: list[RenderableType] = [heading(str(found["summary"])), blank(), *interrupted(found)]
    parts += [points_table(points), blank()]
    parts.append(paragraph(convention(found)))
    parts += bound(points)
    parts += _section("Simpler, and as good for all that is known: passed over", simpler(points))
    parts += _section("Not told apart: the order holds in less than 90 % of shared draws", unsure(found))
    parts += _section("Doubts about prices", doubts(points))
    parts += _section("Own beside rent", [row["text"] for row in found.get("own", ())])
    parts += _section("Why the rivals lost", found.get("rivals", ()))
    parts += _section("Other winners, if one input moves by 10 %", moved(found))
    parts += chart(found.get("points") or points, points)
    parts += _section("Assumed", found.get("assumptions", ()))
    parts += _section("Notes", found.get("notes", ()))
    return [*parts, *sources(found.get("sources", ()))]


def infeasible(found: Mapping[str, Any]) -> list[RenderableType]:
    """Return the page of a job that nothing satisfies: what fails, and the smallest relaxations."""
    parts: list[RenderableType] = [heading(str(found["summary"])), blank(), paragraph(str(found["reason"]), 0)]
    parts += _section("Smallest relaxations, any one of which makes it feasible", found.get("relaxations", ()))
    return [*parts, *_section("Assumed", found.get("assumptions", ()))]


def interrupted(found: Mapping[str, Any]) -> list[RenderableType]:
    """Return the warning that a plan is partial; nothing where all was weighed.

    >>> from steelyard.report.page import render
    >>> print(render(interrupted({"partial": True, "counts": {"considered": 30, "unseen": 10}})).strip())
    PARTIAL: interrupted with 75 % of the layouts weighed. The best so far; what was not weighed may be better.
    """
    if not found.get("partial"):
        return []
    counts = found["counts"]
    share = counts["considered"] / (counts["considered"] + counts["unseen"])
    words = f"PARTIAL: interrupted with {percent(share)} of the layouts weighed."
    return [paragraph(f"{words} The best so far; what was not weighed may be better.", 0), blank()]


def convention(found: Mapping[str, Any]) -> str:
    """Return what the figures are: intervals, which CO2e, and how many candidates were weighed.

    >>> convention({"carbon_kind": "location_gross", "counts": {"considered": 12000, "frontier": 40}})
    'In brackets 90 % intervals. CO2e is operational, location gross. 12,000 layouts weighed; 40 on the frontier.'
    """
    counts = found["counts"]
    return (
        f"In brackets 90 % intervals. CO2e is operational, {str(found['carbon_kind']).replace('_', ' ')}. "
        f"{counts['considered']:,} layouts weighed; {counts['frontier']:,} on the frontier."
    )


def points_table(points: Sequence[Point]) -> RenderableType:
    """Return the named points, a column each.

    >>> from steelyard.report.page import render
    >>> point = {"label": "cheapest", "time_s": 280_000, "time_s_low": 242_000, "time_s_high": 337_000}
    >>> print(render([points_table([point])]).splitlines()[1])
      time    3.2 d (2.8–3.9)
    """
    rows = [[name, *cells] for name, say in LINES.items() if any(cells := [say(point) for point in points])]
    return table(["|", *(str(point["label"]) for point in points)], rows)


def figure(point: Point, key: str, ladder: Any, scale: float = 1.0) -> str:
    """Return one figure of a point with its interval, scaled to the ladder's base unit."""
    middle, low, high = (
        None if (value := point.get(name)) is None else value * scale for name in (key, f"{key}_low", f"{key}_high")
    )
    return interval(middle, low, high, ladder)


def energy(point: Point) -> str:
    """Return energy at the facility's meter; where no PUE is known, what the machines draw, and that it is not all.

    >>> energy({"energy_facility_kwh": None, "energy_it_kwh": 485.0})
    'IT 485 kWh, no PUE known'
    """
    inside = point.get("energy_it_kwh")
    if point.get("energy_facility_kwh") is None and inside is not None:
        return f"IT {amount(inside * KWH_J, ENERGY)}, no PUE known"
    return figure(point, "energy_facility_kwh", ENERGY, KWH_J)


def memory(point: Point) -> str:
    """Return memory per device, the limit and the headroom.

    >>> memory({"memory_bytes": 61 * 2**30, "memory_limit_bytes": 79 * 2**30})
    '61 of 79 GiB, 18 GiB free'
    """
    used, limit = point.get("memory_bytes"), point.get("memory_limit_bytes")
    if used is None or limit is None:
        return UNKNOWN
    return f"{number(used / 2**30)} of {number(limit / 2**30)} GiB, {number((limit - used) / 2**30)} GiB free"


def devices(point: Point) -> str:
    """Return how many of what.

    >>> devices({"devices": 64, "accelerator": "H100-80GB-SXM"})
    '64 × H100-80GB-SXM'
    """
    return f"{point['devices']:,} × {point.get('accelerator', '')}" if "devices" in point else ""


def price(point: Point) -> str:
    """Return the price of a device-hour, how it is bought, and how old that price is.

    >>> price({"price_usd_per_device_h": 2.99, "purchase": "on-demand", "price_age_days": 12})
    '$2.99 a device-hour, on-demand, 12 days old'
    """
    if "price_usd_per_device_h" not in point:
        return ""
    parts = [f"{dollars(point['price_usd_per_device_h'])} a device-hour", str(point.get("purchase", ""))]
    return ", ".join(part for part in [*parts, age(point.get("price_age_days"))] if part)


PARTS: Final = {"unused_usd": "unused term", "energy_usd": "power", "storage_usd": "storage", "moving_usd": "moving"}


def bill(point: Point) -> str:
    """Return what is billed beside the devices, where that is a part of a dollar or more.

    >>> bill({"bill": {"compute_usd": 1800.0, "energy_usd": 65.2, "moving_usd": 900.0}})
    'devices $1,800, power $65, moving $900'
    """
    parts = point.get("bill") or {}
    said = [f"{name} {dollars(parts[key])}" for key, name in PARTS.items() if parts.get(key) and parts[key] >= 1]
    return ", ".join([f"devices {dollars(parts['compute_usd'])}", *said]) if said else ""


def failures(point: Point) -> str:
    """Return how many interruptions to expect, how often to save, what both cost, and the goodput.

    >>> failures({"interruptions": 2.31, "checkpoint_interval_s": 4000.0, "goodput": 0.957, "lost_usd": 61.2})
    '2.3 expected, save every 1.1 h, $61 lost, goodput 96 %'
    """
    if point.get("interruptions") is None:
        return ""
    every = point.get("checkpoint_interval_s")
    saved = f", save every {amount(every, TIME)}" if every else ", nothing saved"
    lost = f", {dollars(point['lost_usd'])} lost" if point.get("lost_usd") is not None else ""
    return f"{number(point['interruptions'])} expected{saved}{lost}, goodput {percent(point['goodput'])}"


def doubts(points: Sequence[Point]) -> list[str]:
    """Return what is doubtful about the prices of the points, each doubt once.

    >>> doubts([{"label": "cheapest", "offer": "oci/x/y", "price_doubts": ["the price is 250 days old (limit 180)"]}])
    ['oci/x/y: the price is 250 days old (limit 180)']
    """
    said = [f"{point.get('offer', '')}: {doubt}" for point in points for doubt in point.get("price_doubts") or ()]
    return list(dict.fromkeys(said))


def layout(point: Point) -> str:
    """Return the layout as `--layout` takes it, broken where it may wrap."""
    return str(point.get("layout_text") or point.get("layout") or "").replace(",", ", ")


LINES: Final[Mapping[str, Callable[[Point], str]]] = {
    "time": lambda point: figure(point, "time_s", TIME),
    "money": lambda point: dollars(*(point.get(f"cost_usd{end}") for end in ("", "_low", "_high"))),
    "energy": energy,
    "CO2e": lambda point: figure(point, "co2e_kg", MASS),
    "market": lambda point: alone(point, "co2e_market_kg", MASS),
    "water": lambda point: alone(point, "water_m3", VOLUME),
    "memory": memory,
    "devices": devices,
    "layout": layout,
    "stack": lambda point: str(point.get("stack", "")),
    "offer": lambda point: str(point.get("offer", "")),
    "site": site,
    "price": price,
    "bill": bill,
    "failures": failures,
}
"""What is said of a point, in this order."""


def bound(points: Sequence[Point]) -> list[RenderableType]:
    """Return what binds each point."""
    lines = [f"{point['label']}: {point['binds']}" for point in points if point.get("binds")]
    return _section("What binds", lines)


def simpler(points: Sequence[Point]) -> list[str]:
    """Return what was passed over for a simpler layout.

    >>> simpler([{"label": "cheapest", "preferred_over": {"text": "offload wins 1%"}}, {"label": "fastest"}])
    ['cheapest: offload wins 1%']
    """
    return [f"{point['label']}: {point['preferred_over']['text']}" for point in points if point.get("preferred_over")]


def unsure(found: Mapping[str, Any]) -> list[str]:
    """Return which other choices and which named points cannot be told apart, the likeliest choices first.

    >>> tie = {"devices": 8, "accelerator": "TPU-v6e", "stack": "maxtext", "share_of_draws": 0.56}
    >>> order = {"time": [["fastest"], ["cleanest", "cheapest"]]}
    >>> unsure({"frontier": [{"label": "cheapest", "ties": [tie] * 5}], "order": order})[1]
    'in time: cleanest, cheapest'
    >>> unsure({"frontier": [{"label": "cheapest", "ties": [tie]}]})
    ['cheapest, and what it wins of the draws: 8 × TPU-v6e, maxtext 44 %']
    """
    lines = []
    for point in found["frontier"]:
        some = [f"{devices(tie)}, {tie['stack']} {percent(1 - tie['share_of_draws'])}" for tie in point.get("ties", ())]
        more = [f"{len(some) - TIES} more"] if len(some) > TIES else []
        if some:
            lines.append(f"{point['label']}, and what it wins of the draws: {'; '.join(some[:TIES] + more)}")
    groups = [(axis, group) for axis, some in found.get("order", {}).items() for group in some if len(group) > 1]
    return lines + [f"in {AXES[axis]}: {', '.join(group)}" for axis, group in groups]


def moved(found: Mapping[str, Any]) -> list[str]:
    """Return what else would win if an input moved, winner by winner, and how many inputs change nothing.

    >>> h100 = {"devices": 8, "accelerator": "H100", "stack": "fsdp2", "offer": "aws/p5"}
    >>> rows = [{"label": "cheapest", "input": name, "change": by, "winner": h100}
    ...         for name, by in (("tokens", 0.1), ("budget", -0.1))]
    >>> moved({"sensitivity": rows, "inputs_moved": ["tokens", "budget", "deadline"]})
    ['cheapest: 8 × H100 (aws/p5, fsdp2), with tokens +10%, budget -10%', '1 of 3 inputs moved change no winner']
    """
    lines: dict[str, list[str]] = {}
    for row in found.get("sensitivity", ()):
        winner = row["winner"]
        what = f"{devices(winner)} ({winner['offer']}, {winner['stack']})" if winner else "nothing within the limits"
        lines.setdefault(f"{row['label']}: {what}, with ", []).append(f"{row['input']} {row['change']:+.0%}")
    told = {row["input"] for row in found.get("sensitivity", ())}
    still = [name for name in found.get("inputs_moved", ()) if name not in told]
    made = [head + ", ".join(moves) for head, moves in lines.items()]
    every = len(found.get("inputs_moved", ()))
    return made + ([f"{len(still)} of {every} inputs moved change no winner"] if still else [])


AXES: Final[Mapping[str, str]] = {"time": "time", "cost": "money", "energy": "energy", "co2e": "CO2e"}
TIES: Final = 4
"""Choices that are named for each point; all of them are in the JSON."""


def chart(points: Sequence[Point], named: Sequence[Point]) -> list[RenderableType]:
    """Return time against money for every point of the frontier, the named ones as letters."""
    dots = [(point["time_s"], point["cost_usd"], "·") for point in points if _plotted(point)]
    letters = [
        (point["time_s"], point["cost_usd"], chr(ord("A") + place))
        for place, point in enumerate(named)
        if _plotted(point)
    ]
    if len({(x, y) for x, y, _ in dots + letters}) < 3:
        return []
    lines = scatter(dots + letters, lambda seconds: amount(seconds, TIME), dollars, width=70, height=10)
    legend = ", ".join(f"{chr(ord('A') + place)} {point['label']}" for place, point in enumerate(named))
    return [blank(), heading(f"The frontier: money against time ({legend})"), plot(lines)]


def sources(rows: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return the sources of exactly the catalog rows used."""
    lines = [f"[{row['id']}] {row['what']}. {row['locator']}, read {row['checked']}" for row in rows]
    return _section("Sources of the catalog rows used", lines)


def _section(title: str, lines: Sequence[str]) -> list[RenderableType]:
    return [blank(), heading(title), bullets(lines)] if lines else []


def _plotted(point: Point) -> bool:
    return bool(point.get("time_s") and point.get("cost_usd"))
