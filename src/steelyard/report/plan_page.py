"""A plan on paper: the named points of the frontier side by side, why rivals lost, and what was assumed."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.formatting.figures import (
    ENERGY,
    MASS,
    TIME,
    VOLUME,
    Ladder,
    age,
    amount,
    dollars,
    interval,
    number,
    percent,
)
from steelyard.formatting.interval import Interval
from steelyard.planner.answers import CitedSource, Plan, Point
from steelyard.reasons.summaries import Summary
from steelyard.report.breakdown import drives_text, host_memory_text, memory_text
from steelyard.report.page import blank, heading, paragraph, plot, section, table
from steelyard.report.plot import scatter
from steelyard.units import KWH_J


def plan_page(found: Plan) -> list[RenderableType]:
    """Return the page of a plan."""
    points = found.points
    parts: list[RenderableType] = [heading(found.summary), blank(), *interrupted_warning(found)]
    parts += [points_table(points), blank()]
    parts.append(paragraph(conventions(found)))
    parts += binding_section(points)
    parts += section("Simpler, and as good for all that is known: passed over", passed_over(points))
    parts += section("Not told apart: the order holds in less than 90 % of shared draws", unsure_orders(found))
    parts += section("Doubts about prices", doubtful_prices(points))
    parts += section("Own beside rent", [row.text for row in found.own])
    parts += section("Why the rivals lost", [f"{rival.label}: {rival.text}" for rival in found.rivals])
    parts += section("Other winners, if one input moves by 10 %", other_winners(found))
    parts += frontier_chart(found.frontier, points)
    parts += section("Assumed", found.assumptions)
    parts += section("A measured step", [one.text for one in (found.measured_step, found.one_step) if one])
    parts += section("Notes", found.notes)
    return [*parts, *sources_section(found.sources)]


def infeasible_page(found: Plan) -> list[RenderableType]:
    """Return the page of a job that nothing satisfies: what fails, and the smallest relaxations."""
    parts: list[RenderableType] = [heading(found.summary), blank(), paragraph(found.reason, 0)]
    ways = [row.text for row in found.relaxations]
    parts += section("Smallest relaxations, any one of which makes it feasible", ways)
    return [*parts, *section("Assumed", found.assumptions)]


def interrupted_warning(found: Plan) -> list[RenderableType]:
    """Return the warning that a plan is partial; nothing where all was weighed.

    >>> from steelyard.planner.answers import Counts
    >>> from steelyard.report.page import render
    >>> print(render(interrupted_warning(Plan("", partial=True, counts=Counts(considered=30, unseen=10)))).strip())
    PARTIAL: interrupted with 75 % of the layouts weighed. The best so far; what was not weighed may be better.
    """
    if not found.partial:
        return []
    share = found.counts.considered / (found.counts.considered + found.counts.unseen)
    first = f"PARTIAL: interrupted with {percent(share)} of the layouts weighed."
    return [paragraph(f"{first} The best so far; what was not weighed may be better.", 0), blank()]


def conventions(found: Plan) -> str:
    """Return what the figures are: intervals, which CO2e, and how many candidates were weighed.

    >>> from steelyard.planner.answers import Counts
    >>> conventions(Plan("", counts=Counts(considered=12000, frontier=40)))
    'In brackets 90 % intervals. CO2e is operational, location gross. 12,000 layouts weighed; 40 on the frontier.'
    """
    return (
        f"In brackets 90 % intervals. CO2e is operational, {found.carbon_kind.replace('_', ' ')}. "
        f"{found.counts.considered:,} layouts weighed; {found.counts.frontier:,} on the frontier."
    )


def points_table(points: Sequence[Point], own: Mapping[str, Callable[[Point], str]] | None = None) -> RenderableType:
    """Return the named points, a column each; `own` says some lines otherwise.

    >>> from steelyard.report.page import render
    >>> print(render([points_table([Point("cheapest", Interval(280_000, 242_000, 337_000))])]).splitlines()[1])
      time    3.2 d (2.8–3.9)
    """
    rows = [
        [name, *cells]
        for name, text in {**LINES, **(own or {})}.items()
        if any(cells := [text(point) for point in points])
    ]
    return table(["|", *(point.label for point in points)], rows)


def interval_text(figure: Interval, ladder: Ladder, scale: float = 1.0) -> str:
    """Return a figure with its interval, scaled to the ladder's base unit.

    >>> interval_text(Interval(2.0, 1.0, 3.0), ENERGY, KWH_J)
    '2.0 kWh (1.0–3.0)'
    """
    made = figure.scaled(scale)
    return interval(made.value, made.low, made.high, ladder)


def energy_text(point: Point) -> str:
    """Return energy at the facility's meter; where no PUE is known, what the machines draw, and that it is not all.

    >>> energy_text(Point("", energy_it_kwh=485.0))
    'IT 485 kWh, no PUE known'
    """
    if math.isnan(point.energy_facility_kwh.value) and not math.isnan(point.energy_it_kwh):
        return f"IT {amount(point.energy_it_kwh * KWH_J, ENERGY)}, no PUE known"
    return interval_text(point.energy_facility_kwh, ENERGY, KWH_J)


def devices_text(point: Point | Summary) -> str:
    """Return how many of what.

    >>> devices_text(Summary(devices=64, accelerator="H100-80GB-SXM"))
    '64 × H100-80GB-SXM'
    """
    return f"{point.devices:,} × {point.accelerator}" if point.devices else ""


def price_text(point: Point) -> str:
    """Return the price of a device-hour, how it is bought, and how old that price is.

    >>> price_text(Point("", price_usd_per_device_h=2.99, purchase="on-demand", price_age_days=12))
    '$2.99 a device-hour, on-demand, 12 days old'
    """
    parts = [f"{dollars(point.price_usd_per_device_h)} a device-hour", point.purchase]
    return ", ".join(part for part in [*parts, age(point.price_age_days)] if part)


PARTS: Final = {"unused_usd": "unused term", "energy_usd": "power", "storage_usd": "storage", "moving_usd": "moving"}


def bill_text(point: Point) -> str:
    """Return what is billed beside the devices, where that is a part of a dollar or more.

    >>> from steelyard.planner.answers import Bill
    >>> bill_text(Point("", bill=Bill(compute_usd=1800.0, energy_usd=65.2, moving_usd=900.0)))
    'devices $1,800, power $65, moving $900'
    """
    parts = [f"{name} {dollars(spent)}" for key, name in PARTS.items() if (spent := getattr(point.bill, key)) >= 1]
    return ", ".join([f"devices {dollars(point.bill.compute_usd)}", *parts]) if parts else ""


def failures_text(point: Point) -> str:
    """Return how many interruptions to expect, how often to save, what both cost, and the goodput.

    >>> failures_text(Point("", interruptions=2.31, checkpoint_interval_s=4000.0, goodput=0.957, lost_usd=61.2))
    '2.3 expected, save every 1.1 h, $61 lost, goodput 96 %'
    """
    if math.isnan(point.interruptions):
        return ""
    every, lost_usd = point.checkpoint_interval_s, point.lost_usd
    saved = ", nothing saved" if math.isnan(every) else f", save every {amount(every, TIME)}"
    lost = "" if math.isnan(lost_usd) else f", {dollars(lost_usd)} lost"
    return f"{number(point.interruptions)} expected{saved}{lost}, goodput {percent(point.goodput)}"


def site_text(point: Point) -> str:
    """Return where it runs; a site that nobody publishes is one of so many.

    >>> site_text(Point("", site="gcp/europe-north1")), site_text(Point("", site_candidates=18))
    ('gcp/europe-north1', 'not published: one of 18')
    """
    return point.site or (f"not published: one of {point.site_candidates}" if point.site_candidates else "")


def doubtful_prices(points: Sequence[Point]) -> list[str]:
    """Return what is doubtful about the prices of the points, each doubt once.

    >>> doubtful_prices([Point("cheapest", offer="oci/x/y", price_doubts=("the price is 250 days old (limit 180)",))])
    ['oci/x/y: the price is 250 days old (limit 180)']
    """
    return list(dict.fromkeys(f"{point.offer}: {doubt}" for point in points for doubt in point.price_doubts))


def known_amount(value: float, ladder: Ladder) -> str:
    """Return a figure; nothing where it is unknown."""
    return "" if math.isnan(value) else amount(value, ladder)


LINES: Final[Mapping[str, Callable[[Point], str]]] = {
    "time": lambda point: interval_text(point.time_s, TIME),
    "money": lambda point: dollars(point.cost_usd.value, point.cost_usd.low, point.cost_usd.high),
    "energy": energy_text,
    "CO2e": lambda point: interval_text(point.co2e_kg, MASS),
    "market": lambda point: known_amount(point.co2e_market_kg, MASS),
    "water": lambda point: known_amount(point.water_m3, VOLUME),
    "memory": memory_text,
    "on host": host_memory_text,
    "on NVMe": drives_text,
    "devices": devices_text,
    "layout": lambda point: point.layout_text.replace(",", ", "),
    "stack": lambda point: f"{point.stack_written}, as {point.stack}" if point.stack_written else point.stack,
    "offer": lambda point: point.offer,
    "site": site_text,
    "price": price_text,
    "bill": bill_text,
    "failures": failures_text,
}
"""What is shown of a point, in this order."""


def binding_section(points: Sequence[Point]) -> list[RenderableType]:
    """Return what binds each point."""
    return section("What binds", [f"{point.label}: {point.binds}" for point in points if point.bound_by])


def passed_over(points: Sequence[Point]) -> list[str]:
    """Return what was passed over for a simpler layout.

    >>> from steelyard.reasons.simpler import Preference
    >>> passed_over([Point("cheapest", preferred_over=Preference(text="offload wins 1%")), Point("fastest")])
    ['cheapest: offload wins 1%']
    """
    return [f"{point.label}: {point.preferred_over.text}" for point in points if point.preferred_over]


def unsure_orders(found: Plan) -> list[str]:
    """Return which other choices and which named points cannot be told apart, the likeliest choices first.

    >>> from steelyard.reasons.order import Tie
    >>> tie = Tie(devices=8, accelerator="TPU-v6e", stack="maxtext", share_of_draws=0.56)
    >>> unsure_orders(Plan("", points=(Point("cheapest", ties=(tie,)),), order={"time": (("cleanest", "cheapest"),)}))
    ['cheapest, and what it wins of the draws: 8 × TPU-v6e, maxtext 44 %', 'in time: cleanest, cheapest']
    """
    lines = []
    for point in found.points:
        some = [f"{devices_text(tie)}, {tie.stack} {percent(1 - tie.share_of_draws)}" for tie in point.ties]
        more = [f"{len(some) - TIES} more"] if len(some) > TIES else []
        if some:
            lines.append(f"{point.label}, and what it wins of the draws: {'; '.join(some[:TIES] + more)}")
    groups = [(axis, group) for axis, some in found.order.items() for group in some if len(group) > 1]
    return lines + [f"in {AXES[axis]}: {', '.join(group)}" for axis, group in groups]


def other_winners(found: Plan) -> list[str]:
    """Return what else would win if an input moved, winner by winner, and how many inputs change nothing.

    >>> from steelyard.reasons.sensitivity import WinnerChange
    >>> h100 = Summary(devices=8, accelerator="H100", stack="fsdp2", offer="aws/p5")
    >>> rows = [WinnerChange("cheapest", name, by, winner=h100) for name, by in (("tokens", 0.1), ("budget", -0.1))]
    >>> other_winners(Plan("", sensitivity=tuple(rows), inputs_moved=("tokens", "budget", "deadline")))
    ['cheapest: 8 × H100 (aws/p5, fsdp2), with tokens +10%, budget -10%', '1 of 3 inputs moved change no winner']
    """
    lines: dict[str, list[str]] = {}
    for row in found.sensitivity:
        winner = row.winner
        what = f"{devices_text(winner)} ({winner.offer}, {winner.stack})" if winner else "nothing within the limits"
        lines.setdefault(f"{row.label}: {what}, with ", []).append(f"{row.input} {row.change:+.0%}")
    changing = {row.input for row in found.sensitivity}
    still = [name for name in found.inputs_moved if name not in changing]
    made = [head + ", ".join(inputs) for head, inputs in lines.items()]
    return made + ([f"{len(still)} of {len(found.inputs_moved)} inputs moved change no winner"] if still else [])


AXES: Final[Mapping[str, str]] = {"time": "time", "cost": "money", "energy": "energy", "co2e": "CO2e"}
TIES: Final = 4
"""Choices that are named for each point; all of them are in the JSON."""


def frontier_chart(frontier: Sequence[Summary], named: Sequence[Point]) -> list[RenderableType]:
    """Return time against money for every candidate of the frontier, the named points as letters."""
    dots = [(one.time_s, one.cost_usd, "·") for one in frontier if one.time_s > 0 and one.cost_usd > 0]
    letters = [
        (point.time_s.value, point.cost_usd.value, chr(ord("A") + place))
        for place, point in enumerate(named)
        if point.time_s.value > 0 and point.cost_usd.value > 0
    ]
    if len({(x, y) for x, y, _ in dots + letters}) < 3:
        return []
    lines = scatter(dots + letters, lambda seconds: amount(seconds, TIME), dollars, width=70, height=10)
    legend = ", ".join(f"{chr(ord('A') + place)} {point.label}" for place, point in enumerate(named))
    return [blank(), heading(f"The frontier: money against time ({legend})"), plot(lines)]


def sources_section(rows: Sequence[CitedSource]) -> list[RenderableType]:
    """Return the sources of exactly the catalog rows used."""
    lines = [f"[{row.id}] {row.what}. {row.locator}, read {row.checked}" for row in rows]
    return section("Sources of the catalog rows used", lines)
