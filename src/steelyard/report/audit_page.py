"""An audit on paper: the verdict with its reasons, the factors as a waterfall, every check with its arithmetic."""

import math
from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType

from steelyard.claims.findings import Audit, Check, ClaimEstimate, FactorChain
from steelyard.formatting.figures import BAR, COUNT, QUANTITY_LADDERS, Ladder, amount, number
from steelyard.report.page import blank, bullets, heading, paragraph, plot, table

MARKS: Final = {0: "", 1: "note", 2: "doubt", 3: "cannot be"}
_WIDTH: Final = 34


def audit_page(found: Audit) -> list[RenderableType]:
    """Return the page of an audit."""
    parts: list[RenderableType] = [heading(f"{found.title}: {found.verdict}")]
    if found.source:
        parts.append(paragraph(found.source))
    if found.reasons:
        parts += [blank(), bullets(found.reasons)]
    if found.settle:
        parts += [blank(), paragraph(f"What would settle it: {found.settle}.")]
    parts += _factors(found)
    parts += _checks(found.checks)
    parts += _estimate(found.estimate)
    if found.notes:
        parts += [blank(), heading("Notes"), bullets(found.notes)]
    return parts


def _factors(found: Audit) -> list[RenderableType]:
    if not found.factors:
        return []
    rows = [[one.m, one.name, f"x{times_text(one.value)}", one.claimed, one.other or one.note] for one in found.factors]
    rows.append(["", "together", f"x{times_text(found.ratio)}", "", ""])
    head = ["|M", "|factor", ">times", "claimed", "held against" if found.chain else "consistent with"]
    parts: list[RenderableType] = [blank(), heading("Factor by factor"), table(head, rows)]
    return parts + ([blank(), plot(waterfall_lines(found.chain))] if found.chain else [])


def times_text(value: float) -> str:
    """Return a factor with four digits.

    >>> times_text(88.2397), times_text(1.0040), times_text(0.0001234)
    ('88.24', '1.004', '0.0001234')
    """
    return f"{value:.4g}" if value < 1e5 else f"{value:,.0f}"


def waterfall_lines(chain: FactorChain) -> list[str]:
    r"""Return the lines of a waterfall: from the claim's total, factor by factor, to the other account's.

    >>> from steelyard.claims.findings import AuditFactor, WaterfallStep
    >>> steps = (WaterfallStep(AuditFactor("pue", "Mechanization", 1.3), 2.0, 6.0),
    ...          WaterfallStep(AuditFactor("intensity", "Map", 3.0), 4.0, 2.0))
    >>> print("\n".join(waterfall_lines(FactorChain("co2e", 8.0, 2.0, (), steps))))
    claimed    ██████████████████████████████████   8.0 kg
    pue                                  ▒▒▒▒▒▒▒▒  -2.0 kg
    intensity          ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒          -4.0 kg
    other      ████████▌                            2.0 kg
    """
    ladder = QUANTITY_LADDERS.get(chain.quantity, COUNT)
    ends = [chain.claimed - sum(step.added for step in chain.steps[:count]) for count in range(len(chain.steps) + 1)]
    most = max(chain.claimed, chain.other, *ends) or 1.0
    names = ["claimed", *(step.factor.name for step in chain.steps), "other"]
    margin = max(len(name) for name in names) + 2
    lines = [_total_line("claimed", chain.claimed, most, ladder, margin)]
    level = chain.claimed
    for step in chain.steps:
        after = level - step.added
        low, high = (max(0.0, min(level, after)), max(level, after))
        begin, end = round(low / most * _WIDTH), round(high / most * _WIDTH)
        drawn = " " * begin + ("▒" if step.added >= 0 else "▓") * max(end - begin, 0)
        change = f"{'-' if step.added >= 0 else '+'}{amount(abs(step.added), ladder)}"
        lines.append(f"{step.factor.name:<{margin}}{drawn:<{_WIDTH}}  {change}".rstrip())
        level = after
    return [*lines, _total_line("other", chain.other, most, ladder, margin)]


def _total_line(name: str, value: float, most: float, ladder: Ladder, margin: int) -> str:
    eighths = round(value / most * _WIDTH * 8)
    drawn = BAR * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8]
    return f"{name:<{margin}}{drawn.rstrip():<{_WIDTH}}   {amount(value, ladder)}"


def _checks(checks: Sequence[Check]) -> list[RenderableType]:
    if not checks:
        return []
    rows = [[MARKS[one.weight] if one.fired else "ok", one.name, one.arithmetic] for one in checks]
    return [blank(), heading("What was checked"), table(["|", "|check", "arithmetic"], rows)]


def _estimate(found: ClaimEstimate) -> list[RenderableType]:
    if found.refused:
        return [blank(), heading("Estimate"), paragraph(f"None: {found.refused}")]
    if not found.ranges:
        return []
    lines: list[RenderableType] = [
        blank(),
        heading("Estimated, with 90 % intervals"),
        table(["|", ">likely", "|between", "rests on"], range_rows(found)),
    ]
    return lines + ([bullets(found.rests_on)] if found.rests_on else [])


def range_rows(found: ClaimEstimate) -> list[list[str]]:
    """Return what was estimated: quantity, likely value, the interval, what it rests on."""
    return [
        [
            one.quantity.replace("_", " "),
            short_quantity(one.quantity, one.value),
            f"{short_quantity(one.quantity, one.low)} – {short_quantity(one.quantity, one.high)}",
            one.rests_on,
        ]
        for one in found.ranges
    ]


def short_quantity(quantity: str, value: float | None) -> str:
    """Return a value in SI in the unit people use for it.

    >>> some = (("device_time", 7.2e9), ("co2e", 552100.0), ("utilisation", 0.48))
    >>> [short_quantity(name, value) for name, value in some]
    ['2,000,000 device-h', '552 t', '48 %']
    """
    if value is None or not math.isfinite(value):
        return "unknown"
    if quantity == "device_time":
        return f"{number(value / 3600.0, 3)} device-h"
    if quantity == "utilisation":
        return f"{100 * value:.0f} %"
    return amount(value, QUANTITY_LADDERS.get(quantity, COUNT), 3)
