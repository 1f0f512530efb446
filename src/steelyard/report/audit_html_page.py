"""An audit as one self-contained page with its waterfall as a drawing."""

from collections.abc import Sequence
from html import escape

from steelyard.claims.findings import Audit, Check, ClaimEstimate
from steelyard.formatting.drawing import waterfall_svg
from steelyard.formatting.html import html_list, html_page, html_table
from steelyard.report.audit_page import MARKS, range_rows, times_text


def audit_html_page(found: Audit) -> str:
    """Return the page of an audit.

    >>> page = audit_html_page(Audit("A <claim>", "", "consistent", (), "", 1.0, (), ()))
    >>> "A &lt;claim&gt;" in page, "<script" in page
    (True, False)
    """
    parts = [f"<h1>{escape(found.title)}</h1>", f'<p class="verdict">{escape(found.verdict)}</p>']
    if found.source:
        parts.append(f"<p>{escape(found.source)}</p>")
    parts.append(html_list(found.reasons))
    if found.settle:
        parts.append(f"<p>What would settle it: {escape(found.settle)}.</p>")
    parts += [*_factor_parts(found), *_check_parts(found.checks), *_estimate_parts(found.estimate)]
    if found.notes:
        parts += ["<h2>Notes</h2>", html_list(found.notes)]
    return html_page(found.title, parts)


def _factor_parts(found: Audit) -> list[str]:
    if not found.factors:
        return []
    rows = [[one.m, one.name, f"x{times_text(one.value)}", one.claimed, one.other or one.note] for one in found.factors]
    rows.append(["", "together", f"x{times_text(found.ratio)}", "", ""])
    drawn = []
    if found.chain:
        steps = [(step.factor.name, step.factor.m, step.added) for step in found.chain.steps]
        drawn.append(waterfall_svg(found.chain.quantity, found.chain.claimed, found.chain.other, steps))
    return ["<h2>Factor by factor</h2>", *drawn, html_table(["M", "factor", "times", "claimed", "held against"], rows)]


def _check_parts(checks: Sequence[Check]) -> list[str]:
    if not checks:
        return []
    rows = [
        [MARKS[one.weight] if one.fired else "ok", one.name, f"{one.finding} {one.arithmetic}".strip()]
        for one in checks
    ]
    fired = ["fired" if one.fired else "" for one in checks]
    return ["<h2>What was checked</h2>", html_table(["", "check", "arithmetic"], rows, fired)]


def _estimate_parts(found: ClaimEstimate) -> list[str]:
    if found.refused:
        return ["<h2>Estimate</h2>", f"<p>None: {escape(found.refused)}</p>"]
    if not found.ranges:
        return []
    return [
        "<h2>Estimated, with 90 % intervals</h2>",
        html_table(["", "likely", "between", "rests on"], range_rows(found)),
        html_list(found.rests_on),
    ]
