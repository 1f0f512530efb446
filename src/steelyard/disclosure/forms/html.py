"""A disclosure as one self-contained page: no script, no request, light and dark."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from steelyard.disclosure.figure_text import FIGURE_NAMES, known_by, ledger_figure_text, ledger_rows, value_text
from steelyard.disclosure.forms import form
from steelyard.disclosure.forms.bibtex import bibtex_form
from steelyard.disclosure.forms.eu import eu_form
from steelyard.disclosure.forms.hf import hf_form
from steelyard.disclosure.forms.sci import sci_scores
from steelyard.disclosure.ledger import Disclosure
from steelyard.formatting.figures import number
from steelyard.report.audit_html import STYLE, waterfall_svg

ROW, LEFT, RIGHT, WIDTH = 26, 190, 110, 760
_COLOURS = {"the accelerators": "#2f6f9f", "their hosts and switches": "#7b5ea7", "the building (PUE)": "#b5651d"}
MORE = "pre{overflow-x:auto;background:#8881;padding:.6rem}.u{opacity:.65}details{margin:.6rem 0}"


@form(".html", ".htm")
def html_form(found: Disclosure, _today: str = "") -> str:
    """Return the page.

    >>> from steelyard.disclosure.ledger import Line
    >>> made = html_form(Disclosure(title="a <model>", basis="metered", lines=(Line("training"),)))
    >>> "a &lt;model&gt;" in made, "<script" in made, "unknown" in made
    (True, False, True)
    """
    title = escape(found.title)
    parts = [f"<h1>{title}</h1>", f'<p class="verdict">{escape(_headline(found))}</p>']
    parts += [f"<p>{escape(found.meter)}</p>" if found.meter else ""]
    parts += [*_drawings(found), "<h2>The run</h2>", _figures(found), "<h2>The ledger</h2>", _ledger(found)]
    parts += ["<h2>Software carbon intensity</h2>", _sci(found), *_formats(found), *_notes(found), *_sources(found)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}{MORE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _headline(found: Disclosure) -> str:
    energy, gross = found.total("facility_j"), found.total("gross_kg")
    figures = (
        f"{ledger_figure_text('facility_j', energy)}, {ledger_figure_text('gross_kg', gross)} of CO2e"
        if energy.known or gross.known
        else "unknown"
    )
    return f"{found.basis}: {figures}"


def _drawings(found: Disclosure) -> Iterator[str]:
    """Yield the waterfall of an audit against another account, else energy from the devices to the building."""
    flow: Mapping[str, Any] | None = (found.audit or {}).get("waterfall")
    if flow is not None:
        yield f"<h2>From the claim to these figures</h2>{waterfall_svg(flow)}"
    steps = list(_boundaries(found))
    if len(steps) > 1:
        yield f"<h2>From the devices to the building</h2>{bars(steps)}"


def _boundaries(found: Disclosure) -> Iterator[tuple[str, float, float]]:
    """Yield what each boundary adds: name, from, to, in joules."""
    ends = [
        (name, found.total(key)) for name, key in zip(_COLOURS, ("accelerator_j", "it_j", "facility_j"), strict=True)
    ]
    before = 0.0
    for name, one in ends:
        if one.known and one.value >= before:
            yield name if before or name == "the accelerators" else "IT equipment", before, one.value
            before = one.value


def bars(steps: Sequence[tuple[str, float, float]]) -> str:
    """Return a waterfall as SVG: a bar a step, then the whole.

    >>> drawn = bars([("the accelerators", 0.0, 3.6e6), ("their hosts and switches", 3.6e6, 5.4e6)])
    >>> drawn.count("<rect"), "+500 Wh" in drawn, "1.50 kWh" in drawn
    (3, True, True)
    """
    most = max(high for _, _, high in steps) or 1.0
    rows = [
        (name, low, high, f"{'+' if low else ''}{value_text('facility_j', high - low)}") for name, low, high in steps
    ]
    rows.append(("together", 0.0, most, value_text("facility_j", most)))
    scale = (WIDTH - LEFT - RIGHT) / most
    drawn = "".join(_bar(index, *row, scale) for index, row in enumerate(rows))
    title = "energy, from the accelerators to the facility's meter"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {ROW * len(rows) + 8}" role="img" '
        f'aria-label="{title}"><title>{title}</title>{drawn}</svg>'
    )


def _bar(index: int, name: str, low: float, high: float, text: str, scale: float) -> str:
    x, width, y = LEFT + low * scale, max((high - low) * scale, 1.0), ROW * index + 4
    return (
        f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 6}" fill="{_COLOURS.get(name, "#666")}"/>'
        f'<text x="{x + width + 6:.1f}" y="{y + 15}">{escape(text)}</text>'
    )


def _figures(found: Disclosure) -> str:
    words = [("model", found.model), ("hardware", found.hardware), ("place", found.location), ("date", found.date)]
    rows = [(name, text or "unknown: not stated", "") for name, text in words]
    summed = ("wall_s", "device_s", "accelerator_j", "it_j", "facility_j", "gross_kg", "net_kg", "market_kg",
              "marginal_kg", "embodied_kg", "water_m3", "usd")  # fmt: skip
    for name in FIGURE_NAMES:
        one = found.total(name) if name in summed else found.main.of(name)
        rows.append((FIGURE_NAMES[name], ledger_figure_text(name, one), known_by(one) if one.known else ""))
    return html_table(("", "", "how it is known"), rows)


def _ledger(found: Disclosure) -> str:
    return html_table(("line", "energy", "CO2e, location-based gross", ""), ledger_rows(found))


def _sci(found: Disclosure) -> str:
    rows = [
        (one.kind, one.per, f"{number(one.grams.value, 3)} g" if one.grams.known else f"unknown: {one.grams.why}")
        for one in sci_scores(found)
    ]
    return html_table(("intensity", "per", "((E x I) + M) / R"), rows)


def _formats(found: Disclosure) -> Iterator[str]:
    """Yield what can be copied into other documents."""
    for name, text in (
        ("Hugging Face model card", hf_form(found)),
        ("EU AI Act, Annex XI, 2(d) and 2(e)", eu_form(found)),
        ("BibTeX", bibtex_form(found)),
    ):
        yield f"<details><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>"


def _notes(found: Disclosure) -> Iterator[str]:
    if found.notes:
        yield f"<h2>Notes</h2><ul>{''.join(f'<li>{escape(note)}</li>' for note in found.notes)}</ul>"


def _sources(found: Disclosure) -> Iterator[str]:
    if found.sources:
        lines = (". ".join(filter(None, (one.what, one.locator, one.version))) for one in found.sources)
        yield f"<h2>Sources</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell that is unknown is pale.

    >>> html_table(("what", ""), [("PUE", "1.1")]).count("<td")
    2
    """
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(map(_cell, cells))}</tr>" for cells in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    return f"<td{' class=u' if text.startswith('unknown') else ''}>{escape(text)}</td>"
