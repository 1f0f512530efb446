"""An audit on paper: the verdict with its reasons, the factors as a waterfall, every check with its arithmetic."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType

from steelyard.formatting.figures import (
    BAR,
    COUNT,
    ENERGY,
    FLOP_RATE,
    MASS,
    POWER,
    TIME,
    VOLUME,
    Ladder,
    amount,
    number,
)
from steelyard.report.page import blank, bullets, heading, paragraph, plot, table

LADDERS: Final[Mapping[str, Ladder]] = {
    "co2e": MASS,
    "energy": ENERGY,
    "energy_it": ENERGY,
    "energy_facility": ENERGY,
    "device_time": TIME,
    "wall": TIME,
    "water": VOLUME,
    "power": POWER,
    "speed": FLOP_RATE,
    "tokens": COUNT,
}
MARKS: Final = {0: "", 1: "note", 2: "doubt", 3: "cannot be"}
WIDTH: Final = 34


def audit(found: Mapping[str, Any]) -> list[RenderableType]:
    """Return the page of an audit, given as the mapping that `--json` prints."""
    parts: list[RenderableType] = [heading(f"{found['title']}: {found['verdict']}")]
    if found["source"]:
        parts.append(paragraph(found["source"]))
    if found["reasons"]:
        parts += [blank(), bullets(found["reasons"])]
    if found["settle"]:
        parts += [blank(), paragraph(f"What would settle it: {found['settle']}.")]
    parts += _factors(found)
    parts += _checks(found["checks"])
    parts += _estimate(found["estimate"])
    if found["notes"]:
        parts += [blank(), heading("Notes"), bullets(found["notes"])]
    return parts


def _factors(found: Mapping[str, Any]) -> list[RenderableType]:
    if not found["factors"]:
        return []
    rows = [
        [one["M"], one["name"], f"x{factor(one['value'])}", one["claimed"], one["other"] or one["note"]]
        for one in found["factors"]
    ]
    rows.append(["", "together", f"x{factor(found['ratio'])}", "", ""])
    head = ["|M", "|factor", ">times", "claimed", "held against" if found["waterfall"] else "consistent with"]
    parts: list[RenderableType] = [blank(), heading("Factor by factor"), table(head, rows)]
    return parts + ([blank(), plot(waterfall(found["waterfall"]))] if found["waterfall"] else [])


def factor(value: float) -> str:
    """Return a factor with four digits.

    >>> factor(88.2397), factor(1.0040), factor(0.0001234)
    ('88.24', '1.004', '0.0001234')
    """
    return f"{value:.4g}" if value < 1e5 else f"{value:,.0f}"


def waterfall(flow: Mapping[str, Any]) -> list[str]:
    r"""Return the lines of a waterfall: from the claim's total, factor by factor, to the other account's.

    >>> steps = [{"name": "pue", "added": 2.0, "left": 6.0}, {"name": "intensity", "added": 4.0, "left": 2.0}]
    >>> print("\n".join(waterfall({"quantity": "co2e", "claimed": 8.0, "other": 2.0, "steps": steps})))
    claimed    ██████████████████████████████████   8.0 kg
    pue                                  ▒▒▒▒▒▒▒▒  -2.0 kg
    intensity          ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒          -4.0 kg
    other      ████████▌                            2.0 kg
    """
    steps, ladder = flow["steps"], LADDERS.get(flow["quantity"], COUNT)
    most = max(flow["claimed"], flow["other"], *levels(flow)) or 1.0
    names = ["claimed", *(step["name"] for step in steps), "other"]
    margin = max(len(name) for name in names) + 2
    lines = [_whole("claimed", flow["claimed"], most, ladder, margin)]
    level = flow["claimed"]
    for step in steps:
        after = level - step["added"]
        low, high = (max(0.0, min(level, after)), max(level, after))
        begin, end = round(low / most * WIDTH), round(high / most * WIDTH)
        drawn = " " * begin + ("▒" if step["added"] >= 0 else "▓") * max(end - begin, 0)
        sign = "-" if step["added"] >= 0 else "+"
        lines.append(f"{step['name']:<{margin}}{drawn:<{WIDTH}}  {sign}{amount(abs(step['added']), ladder)}".rstrip())
        level = after
    return [*lines, _whole("other", flow["other"], most, ladder, margin)]


def levels(flow: Mapping[str, Any]) -> list[float]:
    """Return the total after each bar of a waterfall.

    >>> levels({"claimed": 8.0, "steps": [{"added": 2.0}, {"added": 4.0}]})
    [8.0, 6.0, 2.0]
    """
    found = [flow["claimed"]]
    for step in flow["steps"]:
        found.append(found[-1] - step["added"])
    return found


def _whole(name: str, value: float, most: float, ladder: Ladder, margin: int) -> str:
    eighths = round(value / most * WIDTH * 8)
    drawn = BAR * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8]
    return f"{name:<{margin}}{drawn.rstrip():<{WIDTH}}   {amount(value, ladder)}"


def _checks(checks: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    if not checks:
        return []
    rows = [[MARKS[one["weight"]] if one["fired"] else "ok", one["name"], one["arithmetic"]] for one in checks]
    return [blank(), heading("What was checked"), table(["|", "|check", "arithmetic"], rows)]


def _estimate(found: Mapping[str, Any]) -> list[RenderableType]:
    if found["refused"]:
        return [blank(), heading("Estimate"), paragraph(f"None: {found['refused']}")]
    if not found["ranges"]:
        return []
    rows = [
        [one["quantity"].replace("_", " "), said(one["quantity"], one["value"]),
         f"{said(one['quantity'], one['low'])} – {said(one['quantity'], one['high'])}", one["rests_on"]]
        for one in found["ranges"]
    ]  # fmt: skip
    lines: list[RenderableType] = [blank(), heading("Estimated, with 90 % intervals"), table(
        ["|", ">likely", "|between", "rests on"], rows)]  # fmt: skip
    return lines + ([bullets(found["rests_on"])] if found["rests_on"] else [])


def said(quantity: str, value: float | None) -> str:
    """Return a value in SI in the unit people use for it.

    >>> said("device_time", 7.2e9), said("co2e", 552100.0), said("utilisation", 0.48)
    ('2,000,000 device-h', '552 t', '48 %')
    """
    if value is None or not math.isfinite(value):
        return "unknown"
    if quantity == "device_time":
        return f"{number(value / 3600.0, 3)} device-h"
    if quantity == "utilisation":
        return f"{100 * value:.0f} %"
    return amount(value, LADDERS.get(quantity, COUNT), 3)
