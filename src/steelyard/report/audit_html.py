"""An audit as one self-contained page, and its waterfall as a drawing: no script, no request, light and dark."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from steelyard.formatting.figures import COUNT, amount
from steelyard.report.audit import LADDERS, MARKS, factor, levels, said

COLOURS: Final = {
    "Model": "#7b5ea7",
    "Machine": "#2f6f9f",
    "Mechanization": "#b5651d",
    "Map": "#3c8c4a",
    "Accounting": "#a33b3b",
}
ROW, LEFT, RIGHT, WIDTH = 26, 150, 110, 760

STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.verdict{font-size:1.3rem;font-weight:600}
tr.fired td:first-child{color:#c03030;font-weight:600}
svg{width:100%;height:auto}
svg text{font:13px system-ui,sans-serif;fill:currentColor}
code{font-size:.85rem}
"""


def waterfall_svg(flow: Mapping[str, Any]) -> str:
    """Return the waterfall as SVG: one bar a factor, coloured by its M.

    >>> steps = [{"name": "pue", "M": "Mechanization", "added": 6.0, "left": 2.0}]
    >>> drawn = waterfall_svg({"quantity": "co2e", "claimed": 8.0, "other": 2.0, "steps": steps})
    >>> drawn.startswith("<svg"), drawn.count("<rect"), "-6.00 kg" in drawn
    (True, 3, True)
    """
    ladder, heights = LADDERS.get(flow["quantity"], COUNT), levels(flow)
    most = max(*heights, flow["other"], flow["claimed"]) or 1.0
    span = WIDTH - LEFT - RIGHT
    bars = [("claimed", 0.0, flow["claimed"], "#666", amount(flow["claimed"], ladder, 3))]
    for step, before, after in zip(flow["steps"], heights, heights[1:], strict=False):
        sign = "-" if step["added"] >= 0 else "+"
        text = f"{sign}{amount(abs(step['added']), ladder, 3)}"
        low, high = max(0.0, min(before, after)), max(before, after, 0.0)
        bars.append((step["name"], low, high, COLOURS.get(step["M"], "#666"), text))
    bars.append(("held against", 0.0, flow["other"], "#666", amount(flow["other"], ladder, 3)))
    lines = [_bar(row, *bar, scale=span / most) for row, bar in enumerate(bars)]
    height = ROW * len(bars) + 8
    title = f"{escape(flow['quantity'])}: from the claim to the account it is held against"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{title}"><title>{title}</title>{"".join(lines)}</svg>'
    )


def _bar(row: int, name: str, low: float, high: float, colour: str, text: str, *, scale: float) -> str:
    x, width, y = LEFT + low * scale, max((high - low) * scale, 1.0), ROW * row + 4
    return (
        f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name.replace("_", " "))}</text>'
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 6}" fill="{colour}"/>'
        f'<text x="{min(x + width, WIDTH - RIGHT) + 6:.1f}" y="{y + 15}">{escape(text)}</text>'
    )


def page(found: Mapping[str, Any]) -> str:
    """Return the page of an audit, given as the mapping that `--json` prints.

    >>> empty = {"title": "A <claim>", "source": "", "verdict": "consistent", "reasons": [], "settle": "", "ratio": 1.0,
    ...          "factors": [], "waterfall": None, "checks": [], "notes": [],
    ...          "estimate": {"ranges": [], "rests_on": [], "refused": ""}}
    >>> "A &lt;claim&gt;" in page(empty), "<script" in page(empty)
    (True, False)
    """
    title = escape(found["title"])
    parts = [f"<h1>{title}</h1>", f'<p class="verdict">{escape(found["verdict"])}</p>']
    if found["source"]:
        parts.append(f"<p>{escape(found['source'])}</p>")
    parts += [_list(found["reasons"])]
    if found["settle"]:
        parts.append(f"<p>What would settle it: {escape(found['settle'])}.</p>")
    parts += _factor_parts(found)
    parts += _check_parts(found["checks"])
    parts += _estimate_parts(found["estimate"])
    if found["notes"]:
        parts += ["<h2>Notes</h2>", _list(found["notes"])]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr{f' class={name}' if name else ''}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _factor_parts(found: Mapping[str, Any]) -> list[str]:
    if not found["factors"]:
        return []
    rows = [
        ("", [one["M"], one["name"], f"x{factor(one['value'])}", one["claimed"], one["other"] or one["note"]])
        for one in found["factors"]
    ]
    rows.append(("", ["", "together", f"x{factor(found['ratio'])}", "", ""]))
    drawn = [waterfall_svg(found["waterfall"])] if found["waterfall"] else []
    return ["<h2>Factor by factor</h2>", *drawn, _table(["M", "factor", "times", "claimed", "held against"], rows)]


def _check_parts(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    if not checks:
        return []
    rows = [
        ("fired" if one["fired"] else "", [MARKS[one["weight"]] if one["fired"] else "ok", one["name"],
         f"{one['finding']} {one['arithmetic']}".strip()])
        for one in checks
    ]  # fmt: skip
    return ["<h2>What was checked</h2>", _table(["", "check", "arithmetic"], rows)]


def _estimate_parts(found: Mapping[str, Any]) -> list[str]:
    if found["refused"]:
        return ["<h2>Estimate</h2>", f"<p>None: {escape(found['refused'])}</p>"]
    if not found["ranges"]:
        return []
    rows = [
        ("", [one["quantity"].replace("_", " "), said(one["quantity"], one["value"]),
              f"{said(one['quantity'], one['low'])} – {said(one['quantity'], one['high'])}", one["rests_on"]])
        for one in found["ranges"]
    ]  # fmt: skip
    return [
        "<h2>Estimated, with 90 % intervals</h2>",
        _table(["", "likely", "between", "rests on"], rows),
        _list(found["rests_on"]),
    ]
