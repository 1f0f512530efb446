"""One configuration on paper: where its seconds, bytes, joules and dollars go."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.formatting import figures
from steelyard.formatting.figures import UNKNOWN, number
from steelyard.planner.answers import Point
from steelyard.reasons.terms import Term, formula
from steelyard.report.page import blank, bullets, heading, table
from steelyard.tables import Draw, Energy, Prediction, StepMemory
from steelyard.units import GB_BYTES, GIB_BYTES

ValueText = Callable[[float], str]

VALUE_TEXTS: Final[dict[str, ValueText]] = {
    "s": lambda value: figures.amount(value, figures.TIME, 3),
    "byte": lambda value: figures.amount(value, figures.MEMORY, 3),
    "J": lambda value: figures.amount(value, figures.ENERGY, 3),
    "usd": figures.dollars,
    "kgco2e": lambda value: figures.amount(value, figures.MASS, 3),
    "m**3": lambda value: figures.amount(value, figures.VOLUME, 3),
}
TITLES: Final = {
    "time": "One step",
    "memory": "Memory of the heaviest rank",
    "run": "The whole run",
    "energy": "Energy at the facility's meter",
    "money": "Money",
    "carbon": "CO2e by kind: alternatives, never a sum",
    "water": "Water",
}


def breakdown(found: Prediction, parts: Sequence[Term]) -> list[RenderableType]:
    """Return the page of one prediction and its terms."""
    totals = arm_totals(found)
    page: list[RenderableType] = []
    for arm, title in TITLES.items():
        rows = [part for part in parts if part.arm == arm]
        if rows:
            page += [heading(f"{title}: {totals[arm]}" if arm in totals else title), shares(rows), blank()]
        if arm == "run":
            page += [heading("Power of one device"), _power(found.draw), blank()]
    return page[:-1]


def short_breakdown(found: Prediction, parts: Sequence[Term]) -> list[RenderableType]:
    """Return where the seconds of a step and the bytes of a device go, and the other arms in a line each."""
    totals, page = arm_totals(found), list[RenderableType]()
    for arm in DRAWN:
        page += [heading(f"{TITLES[arm]}: {totals[arm]}"), shares(part for part in parts if part.arm == arm), blank()]
    rest = [arm for arm in TITLES if arm not in DRAWN and any(part.arm == arm for part in parts)]
    rows = [[arm, term_line(part for part in parts if part.arm == arm)] for arm in rest]
    named = [[_NAMES.get(arm, arm), "; ".join(text for text in (totals.get(arm), row) if text)] for arm, row in rows]
    return [*page, heading("The rest in a line each"), table(["|", ""], named, header=False)]


DRAWN: Final = ("time", "memory")
"""What a short page draws; of the rest it names what is a hundredth or more."""

_NAMES: Final = {"run": "whole run", "carbon": "CO2e by kind"}


def term_line(parts: Iterable[Term]) -> str:
    """Return terms in one line: shares of a hundredth or more, the largest first; amounts where there are no shares.

    >>> term_line([Term("run", "computing", 9.0, "s", 0.9, ""), Term("run", "waiting", 1e-3, "s", 1e-4, "")])
    'computing 90 %'
    >>> term_line([Term("carbon", "embodied", 10.9, "kgco2e", math.nan, "")])
    'embodied 10.9 kg'
    """
    some = sorted(parts, key=lambda part: 0.0 if math.isnan(part.share) else -part.share)
    return ", ".join(
        f"{part.name} {VALUE_TEXTS[part.unit](part.value) if math.isnan(part.share) else figures.percent(part.share)}"
        for part in some
        if math.isnan(part.share) or part.share >= 0.01
    )


def arm_totals(found: Prediction) -> dict[str, str]:
    """Return the totals of the arms that have one."""
    return {
        "time": _total(found.time.total_s, "s"),
        "memory": _memory(found.memory),
        "run": f"{_total(found.draw.wall_s, 's')}, goodput {figures.percent(float(found.draw.goodput))}",
        "energy": _energy(found.energy),
        "money": _total(found.money.total_usd, "usd"),
    }


def shares(parts: Iterable[Term]) -> RenderableType:
    """Return terms with their share of the whole, as a number and as a bar.

    >>> from steelyard.report.page import render
    >>> parts = [Term("time", "matrix products", 1.5, "s", 0.75, ""), Term("time", "bubble", 0.5, "s", 0.25, "")]
    >>> print(render([shares(parts)]))
      matrix products  1.50 s  75 %  ███████████████
      bubble           500 ms  25 %  █████
    """
    rows = [[part.name, VALUE_TEXTS[part.unit](part.value), *_share(part.share)] for part in parts]
    return table(["|", ">", ">", "|"], rows, header=False)


def named_terms(found: Prediction, parts: Sequence[Term]) -> list[RenderableType]:
    """Return every term with its share and the name of its formula, an arm after the other."""
    totals, page = arm_totals(found), list[RenderableType]()
    for arm, title in TITLES.items():
        rows = [part for part in parts if part.arm == arm]
        if rows:
            cells = [
                [part.name, VALUE_TEXTS[part.unit](part.value), _share(part.share)[0], part.formula] for part in rows
            ]
            page.append(heading(f"{title}: {totals[arm]}" if arm in totals else title))
            page.append(table(["", ">", ">", "|"], cells, header=False))
    return page


def formula_list(parts: Iterable[Term]) -> list[RenderableType]:
    """Return every formula of these terms once: what it is and where it was published."""
    made = [formula(name) for name in dict.fromkeys(part.formula for part in parts)]
    lines = [
        f"{one['formula']}: {one['what']}" + (f" Source: {one['source']}" if one["source"] else "") for one in made
    ]
    return [heading("Formulas"), bullets(lines)]


def _share(share: float) -> list[str]:
    return ["", ""] if math.isnan(share) else [figures.percent(share), figures.bar(share)]


def _total(value: object, unit: str) -> str:
    return VALUE_TEXTS[unit](float(value))  # type: ignore[arg-type]  # one candidate: every field is one number


def _memory(peak: StepMemory) -> str:
    kinds = {"allocated": peak.allocated_bytes, "reserved": peak.reserved_bytes, "on the device": peak.device_bytes}
    return ", ".join(f"{_total(value, 'byte')} {kind}" for kind, value in kinds.items())


def _energy(used: Energy) -> str:
    inner = f"accelerators {_total(used.accelerator_j, 'J')}, IT {_total(used.it_j, 'J')}"
    return f"{_total(used.facility_j, 'J')} ({inner})"


def _power(drawn: Draw) -> RenderableType:
    watts = {
        "computing": drawn.compute_w,
        "bound by memory": drawn.memory_w,
        "communicating": drawn.communication_w,
        "waiting for launches or another stage": drawn.waiting_w,
        "writing checkpoints": drawn.checkpoint_w,
        "idle": drawn.idle_w,
        "its share of host and network": drawn.host_w,
    }
    rows = [[name, figures.amount(float(value), figures.POWER, 3)] for name, value in watts.items()]
    return table(["|", ">"], rows, header=False)


def memory_text(point: Point) -> str:
    """Return memory per device, the limit and the headroom, or the ends of the interval where they reach beyond it.

    >>> from steelyard.formatting.interval import Interval
    >>> has = {"memory_limit_bytes": 79 * 2**30}
    >>> memory_text(Point("", memory_bytes=Interval(61 * 2**30, 55 * 2**30, 70 * 2**30), **has))
    '61 of 79 GiB, 18 GiB free'
    >>> memory_text(Point("", memory_bytes=Interval(61 * 2**30, 55 * 2**30, 90 * 2**30), **has))
    '61 (55–90) of 79 GiB'
    >>> memory_text(Point("", memory_bytes=Interval(90 * 2**30, 85 * 2**30, 99 * 2**30), **has))
    '90 of 79 GiB, 11 GiB too much'
    """
    held, limit = point.memory_bytes.scaled(1 / GIB_BYTES), point.memory_limit_bytes / GIB_BYTES
    if math.isnan(held.value + limit):
        return UNKNOWN
    if held.low <= limit < held.high:
        return f"{number(held.value)} ({number(held.low)}–{number(held.high)}) of {number(limit)} GiB"  # a range
    used = held.value
    rest = f"{number(limit - used)} GiB free" if used <= limit else f"{number(used - limit)} GiB too much"
    return f"{number(used)} of {number(limit)} GiB, {rest}"


def short_memory(point: Point) -> str:
    """Return memory per device and the limit.

    >>> from steelyard.formatting.interval import Interval
    >>> short_memory(Point("", memory_bytes=Interval(61 * 2**30), memory_limit_bytes=79 * 2**30))
    '61 of 79 GiB'
    """
    used, limit = point.memory_bytes.value / GIB_BYTES, point.memory_limit_bytes / GIB_BYTES
    return UNKNOWN if math.isnan(used + limit) else f"{number(used)} of {number(limit)} GiB"


def host_memory_text(point: Point) -> str:
    """Return what lies in the memory of one host, and how much that is; nothing where nothing does.

    >>> host_memory_text(Point("", host_bytes=36 * 2**30, host_limit_bytes=64 * 2**30))
    '36 of 64 GiB'
    >>> host_memory_text(Point("", host_bytes=36 * 2**30)), host_memory_text(Point(""))
    ('36 of ? GiB', '')
    """
    if not point.host_bytes > 0:
        return ""
    used, limit = point.host_bytes / GIB_BYTES, point.host_limit_bytes / GIB_BYTES
    if math.isnan(limit):
        return f"{number(used)} of ? GiB"
    return f"{number(used)} of {number(limit)} GiB"


def drives_text(point: Point) -> str:
    """Return what lies on the NVMe drives of one host, and how much they hold; nothing where nothing does.

    >>> drives_text(Point("", nvme_bytes=1.4e12, nvme_limit_bytes=30.4e12)), drives_text(Point("", nvme_bytes=1.4e12))
    ('1,400 of 30,400 GB', '1,400 of ? GB')
    >>> drives_text(Point("", nvme_bytes=1.4e12, nvme_limit_bytes=0.0)), drives_text(Point(""))
    ('1,400 GB where there are none', '')
    """
    if not point.nvme_bytes > 0:
        return ""
    used = number(point.nvme_bytes / GB_BYTES)
    if point.nvme_limit_bytes == 0:
        return f"{used} GB where there are none"
    limit = "?" if math.isnan(point.nvme_limit_bytes) else number(point.nvme_limit_bytes / GB_BYTES)
    return f"{used} of {limit} GB"
