"""A plan in sentences of one line a point: what binds, what is not told apart, what would change it, who comes next."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steelyard.formatting.figures import ENERGY, MASS, TIME, UNKNOWN, amount, dollars, percent
from steelyard.job.unstated.taken import OPEN_SETTINGS
from steelyard.planner.answers import Ownership, Plan, Point
from steelyard.planner.measured.narrowing import narrowing_line
from steelyard.reasons.binds import Bind
from steelyard.reasons.sensitivity import WinnerChange
from steelyard.reasons.summaries import Summary
from steelyard.report.plan_page import AXES, devices_text
from steelyard.units import KWH_J

OBJECTIVE: Final[Mapping[str, str]] = {"cheapest": "cost", "fastest": "time", "leanest": "energy", "cleanest": "co2e"}
"""What a label is about, as the keys of `ratios` and `order` name it."""

AXIS_OF: Final = {"deadline": "time", "budget": "cost", "energy limit": "energy", "CO2e limit": "co2e"}
_FIGURES: Final[Mapping[str, Callable[[Summary], str]]] = {
    "time": lambda one: amount(one.time_s, TIME),
    "cost": lambda one: dollars(one.cost_usd),
    "energy": lambda one: amount(one.energy_facility_kwh * KWH_J, ENERGY),
    "co2e": lambda one: amount(one.co2e_kg, MASS),
}
_NAMED: Final = 3
"""Choices that are named where a point is not told apart."""

RARE: Final = 0.005
"""Inputs that are less likely to be so far off are not named."""

INPUTS: Final = 2
"""Inputs that are named for each point."""


def binding_lines(points: Sequence[Point]) -> list[list[str]]:
    """Return what binds each point, in one line.

    >>> free = Summary(devices=2, accelerator="L4", cost_usd=1027.0, time_s=3.5e6)
    >>> binds = (Bind("deadline", "deadline: …", without=free), Bind("step", "step: 87% communication"))
    >>> binding_lines([Point("cheapest", bound_by=binds)])
    [['cheapest', 'deadline (2 × L4: $1,027, 41 d); step: 87% communication']]
    """
    lines = []
    for point in points:
        parts = [_bind(point.label, one) for one in point.bound_by if not one.missed]
        if parts:
            lines.append([point.label, "; ".join(parts)])
    return lines


def _bind(label: str, bind: Bind) -> str:
    other = bind.without
    if other is None:
        return bind.text
    axes = dict.fromkeys((OBJECTIVE[label], AXIS_OF[bind.what]))
    return f"{bind.what} ({devices_text(other)}: {', '.join(_FIGURES[axis](other) for axis in axes)})"


def unsure_lines(found: Plan) -> list[list[str]]:
    """Return how many other choices a point is not told apart from, the likeliest named, and which points.

    >>> from steelyard.reasons.order import Tie
    >>> ties = [Tie(devices=8 * k, accelerator="L4", stack="fsdp2", share_of_draws=0.56) for k in range(1, 6)]
    >>> points = (Point("cheapest", ties=tuple(ties)),)
    >>> unsure_lines(Plan("", points=points, order={"cost": (("cheapest", "balanced"),)}))
    [['cheapest', '8 × L4 44 %, 16 × L4 44 %, 24 × L4 44 %, 2 more'], ['these', 'money: cheapest ~ balanced']]
    """
    lines = []
    for point in found.points:
        shown: dict[str, str] = {}
        for tie in point.ties:
            shown.setdefault(different_part(point, tie), percent(1 - tie.share_of_draws))
        named = [f"{name} {share}" for name, share in list(shown.items())[:_NAMED]]
        if named:
            rest = len(point.ties) - len(named)
            lines.append([point.label, ", ".join([*named, *([f"{rest} more"] if rest else [])])])
    first = {name: one.label.split(", ")[0] for one in distinct_points(found.points) for name in one.label.split(", ")}
    order = {
        axis: [list(dict.fromkeys(first.get(name, name) for name in some)) for some in groups]
        for axis, groups in found.order.items()
    }
    alike = {AXES[axis]: [some for some in groups if len(some) > 1] for axis, groups in order.items()}
    parts = [f"{axis}: {', '.join(' ~ '.join(some) for some in groups)}" for axis, groups in alike.items() if groups]
    return lines + ([["these", "; ".join(parts)]] if parts else [])


def distinct_points(points: Sequence[Point]) -> list[Point]:
    """Return points that are one and the same configuration once, under all their names.

    >>> some = [Point(label, layout_text="tp=8", offer="aws/x/p5") for label in ("cheapest", "fastest")]
    >>> [point.label for point in distinct_points(some)]
    ['cheapest, fastest']
    """
    found: dict[tuple[str, ...], list[Point]] = {}
    for point in points:
        key = (point.accelerator, point.layout_text, point.stack, point.offer, point.purchase, point.site)
        found.setdefault(key, []).append(point)
    return [replace(some[0], label=", ".join(one.label for one in some)) for some in found.values()]


def different_part(point: Point, other: Summary) -> str:
    """Return what another choice is, against a point: only what differs.

    >>> point, other = Point("", devices=8, accelerator="L4", stack="fsdp2"), Summary(devices=8, accelerator="L4")
    >>> different_part(point, replace(other, stack="deepspeed"))
    'with deepspeed'
    >>> different_part(point, replace(other, stack="fsdp2", devices=16))
    '16 × L4'
    """
    machines = devices_text(other)
    alike = machines == devices_text(point)
    return f"with {other.stack}" if alike and other.stack != point.stack else machines


def input_lines(found: Plan) -> list[list[str]]:
    """Return the inputs that most plausibly change each winner: the likeliest to be so far off, each to another winner.

    >>> point = Point("cheapest", devices=8, accelerator="H100", stack="fsdp2", offer="aws/x/p5")
    >>> other = Summary(devices=8, accelerator="L4", stack="fsdp2", offer="aws/x/p5")
    >>> row = WinnerChange("cheapest", "speed of fsdp2", -0.1, 0.34, other)
    >>> input_lines(Plan("", points=(point,), sensitivity=(row,)))
    [['cheapest', 'fsdp2 slower (34 %): 8 × L4']]
    """
    lines = []
    for point in found.points:
        rows = [row for row in found.sensitivity if row.label == point.label and _likely(row)]
        first: dict[str, WinnerChange] = {}
        for row in sorted(rows, key=_likely, reverse=True):
            first.setdefault(_winner(point, row.winner), row)
        parts = [f"{change_text(row)}: {winner}" for winner, row in list(first.items())[:INPUTS]]
        if parts:
            lines.append([point.label, "; ".join(parts)])
    return lines


def _likely(row: WinnerChange) -> float:
    """Rank an input by how likely it is so far off; a price, which is quoted, before what is chosen; 0: it is not."""
    if math.isnan(row.chance):
        return -1.0 if row.input.startswith("price") else -2.0
    return row.chance if row.chance >= RARE else 0.0


def _winner(point: Point, winner: Summary | None) -> str:
    if winner is None:
        return "nothing within the limits"
    where = seller_text(winner.offer) if winner.offer != point.offer else ""
    name = different_part(point, winner)
    return f"{name} at {where}" if where and name == devices_text(point) else name


def change_text(row: WinnerChange) -> str:
    """Return an input that moved, and how likely it is so far off.

    >>> change_text(WinnerChange("", "speed of fsdp2", 0.1, 0.31)), change_text(WinnerChange("", "budget", -0.1))
    ('fsdp2 faster (31 %)', 'budget lower')
    """
    name, up = row.input, row.change > 0
    likely = "" if math.isnan(row.chance) else f" ({percent(row.chance)})"
    if name.startswith("speed of "):
        return f"{name.removeprefix('speed of ')} {'faster' if up else 'slower'}{likely}"
    return f"{name} {'higher' if up else 'lower'}{likely}"


def rival_lines(found: Plan) -> list[list[str]]:
    """Return the best of each other kind against each point, in one line.

    >>> from steelyard.reasons.rivals import Rival
    >>> rows = [Rival(devices=8, accelerator="L4", stack="fsdp2", label="cheapest", ratios={"cost": 1.07}),
    ...         Rival(devices=8, accelerator="H100", stack="x", label="cheapest", ratios={"cost": 5})]
    >>> point = Point("cheapest", devices=8, accelerator="H100", stack="fsdp2")
    >>> rival_lines(Plan("", points=(point,), rivals=tuple(rows)))
    [['cheapest', '8 × L4 +7 %, with x x5.0']]
    """
    lines = []
    for point in found.points:
        axis = OBJECTIVE.get(point.label, "time")
        rows = [row for row in found.rivals if row.label == point.label]
        parts = [f"{different_part(point, row)} {change_share_text(row.ratios.get(axis, math.nan))}" for row in rows]
        if parts:
            lines.append([point.label, ", ".join(parts)])
    return lines


def change_share_text(value: float) -> str:
    """Return how much more or less a figure is.

    >>> change_share_text(1.071), change_share_text(0.97), change_share_text(4.2), change_share_text(math.nan)
    ('+7 %', '-3 %', 'x4.2', 'unknown')
    """
    if math.isnan(value):
        return UNKNOWN
    return f"{100 * (value - 1):+.0f} %" if value < 3 else f"x{value:.1f}"


CHOSEN: Final = tuple(f"{name} " for name in OPEN_SETTINGS if name != "precision")
"""Settings that a plan chooses, and shows with each point as its stack and layout: in full among the details."""


def warning_lines(found: Plan) -> list[list[str]]:
    """Return what a reader should know before deciding: limits at risk, doubtful prices, own machines, assumptions."""
    parts = [
        ("may miss", missed_limits(found.points)),
        ("prices", doubt_line(found.points)),
        ("own", "; ".join(ownership_line(row) for row in found.own)),
        ("simpler", stand_ins(found.points)),
        ("assumed", short_assumptions([text for text in found.assumptions if not text.startswith(CHOSEN)])),
        ("measured", found.measured_step.text if found.measured_step else ""),
        ("measure", narrowing_line(found.one_step) if found.one_step else ""),
    ]
    return [[name, text] for name, text in parts if text]


def missed_limits(points: Sequence[Point]) -> str:
    """Return which limits the upper end of an interval is beyond.

    >>> budget = (Bind("budget", "", missed=True),)
    >>> missed_limits([Point("fastest", bound_by=budget), Point("cleanest", bound_by=budget)])
    'the budget: fastest, cleanest (at the upper end of the interval)'
    """
    over: dict[str, list[str]] = {}
    for point in points:
        for bind in point.bound_by:
            if bind.missed:
                over.setdefault(bind.what, []).append(point.label)
    parts = "; ".join(f"the {what}: {', '.join(labels)}" for what, labels in over.items())
    return f"{parts} (at the upper end of the interval)" if parts else ""


def doubt_line(points: Sequence[Point]) -> str:
    """Return what is doubtful about the prices, each doubt once with the sites it is about.

    >>> old = ("the price is 250 days old (limit 180)",)
    >>> points = [Point("", offer="oci/x/y", price_doubts=old), Point("", offer="oci/z/y", price_doubts=old)]
    >>> doubt_line([*points, Point("", offer="aws/x/y")])
    'oci/x, oci/z: the price is 250 days old (limit 180)'
    """
    found: dict[str, dict[str, None]] = {}
    for point in points:
        for doubt in point.price_doubts:
            found.setdefault(doubt, {})["/".join(point.offer.split("/", 2)[:2])] = None
    return "; ".join(f"{', '.join(sites)}: {doubt}" for doubt, sites in found.items())


def ownership_line(row: Ownership) -> str:
    """Return a machine of one's own against the cheapest rent.

    >>> own = Ownership("own/DGX-H100", used_share=0.6, own_usd=9407.0, own_time_s=1166463.0)
    >>> ownership_line(replace(own, rent_usd=8608.0, rent_time_s=1166463.0, break_even_share=0.666))
    'own/DGX-H100 $9,407, 14 d at 60 % use; rent $8,608, 14 d; owning pays from 67 % use'
    """
    mine = f"{row.own} {dollars(row.own_usd)}, {amount(row.own_time_s, TIME)} at {percent(row.used_share)} use"
    if math.isnan(row.rent_usd):
        return mine
    rent = f"{mine}; rent {dollars(row.rent_usd)}, {amount(row.rent_time_s, TIME)}"
    pays = f"; owning pays from {percent(row.break_even_share)} use"
    return rent if math.isnan(row.break_even_share) else f"{rent}{pays}"


def stand_ins(points: Sequence[Point]) -> str:
    """Return which points stand in for an exact optimum that is more complicated and no better for all that is known.

    >>> from steelyard.reasons.simpler import Preference
    >>> stand_ins([Point("cheapest", preferred_over=Preference()), Point("fastest")])
    'the layouts of cheapest stand in for exact optima that lead by noise'
    """
    labels = [point.label for point in points if point.preferred_over]
    return f"the layouts of {', '.join(labels)} stand in for exact optima that lead by noise" if labels else ""


def short_assumptions(texts: Sequence[str]) -> str:
    """Return assumptions without their reasons, in one line; those that without say nothing are left out.

    >>> short_assumptions(["precision bf16: 16-bit work", "documents: none is masked", "task lora: adapters"])
    'precision bf16, task lora'
    """
    return ", ".join(short for text in texts if " " in (short := short_assumption(text)))


def short_assumption(text: str) -> str:
    """Return an assumption without its reason.

    >>> [short_assumption(text) for text in ("precision bf16: 16-bit work", "batch 512 (4M: Llama)")]
    ['precision bf16', 'batch 512']
    """
    return re.sub(r" \([^)]*$", "", text.partition(":")[0].partition(";")[0])


def seller_text(offer: str, site: str = "") -> str:
    """Return who sells an offer and where, and the site if that is another.

    >>> seller_text("aws/us-east-1/p5", "aws/us-east-1"), seller_text("vast/*/8x")
    ('aws/us-east-1', 'vast/*')
    """
    sold = "/".join(offer.split("/", 2)[:2])
    return sold if site in {"", sold} else f"{sold} at {site}".removeprefix(" at ")
