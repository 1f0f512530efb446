"""A plan in sentences of one line a point: what binds, what is not told apart, what would change it, who comes next."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from steelyard.formatting.figures import ENERGY, MASS, TIME, UNKNOWN, amount, dollars, percent
from steelyard.report.plan import AXES, KWH_J, LINES, Point

OBJECTIVE: Final[Mapping[str, str]] = {"cheapest": "cost", "fastest": "time", "leanest": "energy", "cleanest": "co2e"}
"""What a label is about, as the keys of `ratios` and `order` name it."""

AXIS_OF: Final = {"deadline": "time", "budget": "cost", "energy limit": "energy", "CO2e limit": "co2e"}
SAID: Final[Mapping[str, Callable[[Point], str]]] = {
    "time": lambda point: amount(point["time_s"], TIME),
    "cost": lambda point: dollars(point["cost_usd"]),
    "energy": lambda point: amount(_joules(point["energy_facility_kwh"]), ENERGY),
    "co2e": lambda point: amount(point["co2e_kg"], MASS),
}
NAMED: Final = 3
"""Choices that are named where a point is not told apart."""

RARE: Final = 0.005
"""Inputs that are less likely to be so far off are not named."""

INPUTS: Final = 2
"""Inputs that are named for each point."""


def held(points: Sequence[Point]) -> list[list[str]]:
    """Return what binds each point, in one line.

    >>> free = {"devices": 2, "accelerator": "L4", "cost_usd": 1027.0, "time_s": 3.5e6}
    >>> binds = [{"what": "deadline", "text": "deadline: …", "without": free, "missed": False},
    ...          {"what": "step", "text": "step: 87% communication", "without": None, "missed": False}]
    >>> held([{"label": "cheapest", "bound_by": binds}])
    [['cheapest', 'deadline (2 × L4: $1,027, 41 d); step: 87% communication']]
    """
    lines = []
    for point in points:
        said = [_bind(str(point["label"]), one) for one in point.get("bound_by", ()) if not one["missed"]]
        if said:
            lines.append([str(point["label"]), "; ".join(said)])
    return lines


def _bind(label: str, bind: Mapping[str, Any]) -> str:
    other = bind["without"]
    if other is None:
        return str(bind["text"])
    axes = dict.fromkeys((OBJECTIVE[label], AXIS_OF[bind["what"]]))
    return f"{bind['what']} ({LINES['devices'](other)}: {', '.join(SAID[axis](other) for axis in axes)})"


def unsure(found: Mapping[str, Any]) -> list[list[str]]:
    """Return how many other choices a point is not told apart from, the likeliest named, and which points.

    >>> ties = [{"devices": 8 * k, "accelerator": "L4", "stack": "fsdp2", "share_of_draws": 0.56} for k in range(1, 6)]
    >>> unsure({"frontier": [{"label": "cheapest", "ties": ties}], "order": {"cost": [["cheapest", "balanced"]]}})
    [['cheapest', '8 × L4 44 %, 16 × L4 44 %, 24 × L4 44 %, 2 more'], ['these', 'money: cheapest ~ balanced']]
    """
    lines = []
    for point in found["frontier"]:
        ties = point.get("ties") or ()
        shown: dict[str, str] = {}
        for tie in ties:
            shown.setdefault(beside(point, tie), percent(1 - tie["share_of_draws"]))
        named = [f"{name} {share}" for name, share in list(shown.items())[:NAMED]]
        if named:
            rest = len(ties) - len(named)
            lines.append([str(point["label"]), ", ".join([*named, *([f"{rest} more"] if rest else [])])])
    first = {
        name: one["label"].split(", ")[0] for one in distinct(found["frontier"]) for name in one["label"].split(", ")
    }
    order = {
        axis: [list(dict.fromkeys(first.get(name, name) for name in some)) for some in groups]
        for axis, groups in found.get("order", {}).items()
    }
    alike = {AXES[axis]: [some for some in groups if len(some) > 1] for axis, groups in order.items()}
    said = [f"{axis}: {', '.join(' ~ '.join(some) for some in groups)}" for axis, groups in alike.items() if groups]
    return lines + ([["these", "; ".join(said)]] if said else [])


def distinct(points: Sequence[Point]) -> list[Point]:
    """Return points that are one and the same configuration once, under all their names.

    >>> some = [{"label": label, "layout_text": "tp=8", "offer": "aws/x/p5"} for label in ("cheapest", "fastest")]
    >>> [point["label"] for point in distinct(some)]
    ['cheapest, fastest']
    """
    found: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        key = tuple(point.get(name) for name in ("accelerator", "layout_text", "stack", "offer", "purchase", "site"))
        found.setdefault(key, []).append(point)
    return [{**some[0], "label": ", ".join(str(one["label"]) for one in some)} for some in found.values()]


def beside(point: Point, other: Point) -> str:
    """Return what another choice is, beside a point: only what differs.

    >>> point = {"devices": 8, "accelerator": "L4", "stack": "fsdp2"}
    >>> beside(point, point | {"stack": "deepspeed"}), beside(point, point | {"devices": 16})
    ('with deepspeed', '16 × L4')
    """
    machines = LINES["devices"](other)
    same = machines == LINES["devices"](point)
    return f"with {other['stack']}" if same and other["stack"] != point["stack"] else machines


def moved(found: Mapping[str, Any]) -> list[list[str]]:
    """Return the inputs that most plausibly change each winner: the likeliest to be so far off, each to another winner.

    >>> point = {"label": "cheapest", "devices": 8, "accelerator": "H100", "stack": "fsdp2", "offer": "aws/x/p5"}
    >>> row = {"label": "cheapest", "input": "speed of fsdp2", "change": -0.1, "chance": 0.34,
    ...        "winner": point | {"accelerator": "L4"}}
    >>> moved({"frontier": [point], "sensitivity": [row]})
    [['cheapest', 'fsdp2 slower (34 %): 8 × L4']]
    """
    lines = []
    for point in found["frontier"]:
        rows = [row for row in found.get("sensitivity", ()) if row["label"] == point["label"] and _likely(row)]
        first: dict[str, Mapping[str, Any]] = {}
        for row in sorted(rows, key=_likely, reverse=True):
            first.setdefault(_winner(point, row["winner"]), row)
        said = [f"{change(row)}: {winner}" for winner, row in list(first.items())[:INPUTS]]
        if said:
            lines.append([str(point["label"]), "; ".join(said)])
    return lines


def _likely(row: Mapping[str, Any]) -> float:
    """Rank an input by how likely it is so far off; a price, which is quoted, before what is chosen; 0: it is not."""
    if row.get("chance") is None:
        return -1.0 if row["input"].startswith("price") else -2.0
    return float(row["chance"]) if row["chance"] >= RARE else 0.0


def _winner(point: Point, winner: Point | None) -> str:
    if winner is None:
        return "nothing within the limits"
    where = place(winner) if winner["offer"] != point.get("offer") else ""
    name = beside(point, winner)
    return f"{name} at {where}" if where and name == LINES["devices"](point) else name


def change(row: Mapping[str, Any]) -> str:
    """Return an input that moved, and how likely it is so far off.

    >>> change({"input": "speed of fsdp2", "change": 0.1, "chance": 0.31}), change({"input": "budget", "change": -0.1})
    ('fsdp2 faster (31 %)', 'budget lower')
    """
    name, up = str(row["input"]), row["change"] > 0
    likely = f" ({percent(row['chance'])})" if row.get("chance") is not None else ""
    if name.startswith("speed of "):
        return f"{name.removeprefix('speed of ')} {'faster' if up else 'slower'}{likely}"
    return f"{name} {'higher' if up else 'lower'}{likely}"


def rivals(found: Mapping[str, Any]) -> list[list[str]]:
    """Return the best of each other kind beside each point, in one line.

    >>> point = {"label": "cheapest", "devices": 8, "accelerator": "H100", "stack": "fsdp2"}
    >>> rows = [point | {"accelerator": "L4", "ratios": {"cost": 1.07}}, point | {"stack": "x", "ratios": {"cost": 5}}]
    >>> rivals({"frontier": [point], "compared": rows})
    [['cheapest', '8 × L4 +7 %, with x x5.0']]
    """
    lines = []
    for point in found["frontier"]:
        axis = OBJECTIVE.get(str(point["label"]), "time")
        rows = [row for row in found.get("compared", ()) if row["label"] == point["label"]]
        said = [f"{beside(point, row)} {ratio(row['ratios'].get(axis))}" for row in rows]
        if said:
            lines.append([str(point["label"]), ", ".join(said)])
    return lines


def ratio(value: float | None) -> str:
    """Return how much more or less a figure is.

    >>> ratio(1.071), ratio(0.97), ratio(4.2), ratio(None)
    ('+7 %', '-3 %', 'x4.2', 'unknown')
    """
    if value is None:
        return UNKNOWN
    return f"{100 * (value - 1):+.0f} %" if value < 3 else f"x{value:.1f}"


def warnings(found: Mapping[str, Any]) -> list[list[str]]:
    """Return what a reader should know before deciding: limits at risk, doubtful prices, own machines, assumptions."""
    points = found["frontier"]
    said = [
        ("may miss", missed(points)),
        ("prices", doubts(points)),
        ("own", "; ".join(owned(row) for row in found.get("own", ()))),
        ("simpler", simpler(points)),
        ("assumed", assumed(found.get("assumptions", ()))),
    ]
    return [[name, text] for name, text in said if text]


def missed(points: Sequence[Point]) -> str:
    """Return which limits the upper end of an interval is beyond.

    >>> budget = {"what": "budget", "missed": True}
    >>> missed([{"label": "fastest", "bound_by": [budget]}, {"label": "cleanest", "bound_by": [budget]}])
    'the budget: fastest, cleanest (at the upper end of the interval)'
    """
    over: dict[str, list[str]] = {}
    for point in points:
        for bind in point.get("bound_by", ()):
            if bind["missed"]:
                over.setdefault(bind["what"], []).append(str(point["label"]))
    said = "; ".join(f"the {what}: {', '.join(labels)}" for what, labels in over.items())
    return f"{said} (at the upper end of the interval)" if said else ""


def doubts(points: Sequence[Point]) -> str:
    """Return what is doubtful about the prices, each doubt once with the places it is about.

    >>> old = {"price_doubts": ["the price is 250 days old (limit 180)"]}
    >>> doubts([{"offer": "oci/x/y"} | old, {"offer": "oci/z/y"} | old, {"offer": "aws/x/y"}])
    'oci/x, oci/z: the price is 250 days old (limit 180)'
    """
    found: dict[str, dict[str, None]] = {}
    for point in points:
        for doubt in point.get("price_doubts") or ():
            found.setdefault(doubt, {})["/".join(str(point.get("offer", "")).split("/", 2)[:2])] = None
    return "; ".join(f"{', '.join(places)}: {doubt}" for doubt, places in found.items())


def owned(row: Mapping[str, Any]) -> str:
    """Return a machine of one's own beside the cheapest rent.

    >>> owned({"own": "own/DGX-H100", "own_usd": 9407.0, "own_time_s": 1166463.0, "used_share": 0.6, "rent_usd": 8608.0,
    ...        "rent_time_s": 1166463.0, "break_even_share": 0.666})
    'own/DGX-H100 $9,407, 14 d at 60 % use; rent $8,608, 14 d; owning pays from 67 % use'
    """
    mine = (
        f"{row['own']} {dollars(row['own_usd'])}, {amount(row['own_time_s'], TIME)} at {percent(row['used_share'])} use"
    )
    if row.get("rent_usd") is None:
        return mine
    rent = f"{mine}; rent {dollars(row['rent_usd'])}, {amount(row['rent_time_s'], TIME)}"
    share = row.get("break_even_share")
    return f"{rent}; owning pays from {percent(share)} use" if share is not None else rent


def simpler(points: Sequence[Point]) -> str:
    """Return which points stand in for an exact optimum that is more complicated and no better for all that is known.

    >>> simpler([{"label": "cheapest", "preferred_over": {"ratio": 1.0}}, {"label": "fastest"}])
    'the layouts of cheapest stand in for exact optima that lead by noise'
    """
    labels = [str(point["label"]) for point in points if point.get("preferred_over")]
    return f"the layouts of {', '.join(labels)} stand in for exact optima that lead by noise" if labels else ""


def assumed(texts: Sequence[str]) -> str:
    """Return assumptions without their reasons, in one line.

    >>> assumed(["precision bf16: 16-bit work", "task pretrain: all parameters are trained"])
    'precision bf16, task pretrain'
    """
    return ", ".join(short(text) for text in texts)


def short(text: str) -> str:
    """Return an assumption without its reason.

    >>> short("precision bf16: 16-bit work"), short("prices are as quoted; no tax"), short("batch 512 (4M: Llama)")
    ('precision bf16', 'prices are as quoted', 'batch 512')
    """
    return re.sub(r" \([^)]*$", "", text.partition(":")[0].partition(";")[0])


def place(point: Point) -> str:
    """Return who sells it and where, and the site if that is another place.

    >>> place({"offer": "aws/us-east-1/p5", "site": "aws/us-east-1"}), place({"offer": "vast/*/8x", "site": ""})
    ('aws/us-east-1', 'vast/*')
    """
    offer, site = str(point.get("offer", "")), str(point.get("site", ""))
    sold = "/".join(offer.split("/", 2)[:2])
    return sold if site in {"", sold} else f"{sold} at {site}".removeprefix(" at ")


def _joules(kwh: float | None) -> float | None:
    return None if kwh is None else kwh * KWH_J
