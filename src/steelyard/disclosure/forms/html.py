"""A disclosure as one self-contained page: no script, no request, light and dark."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from steelyard.disclosure.figure_text import (
    FIGURE_NAMES,
    figure_name,
    known_by,
    ledger_figure_text,
    ledger_rows,
    value_text,
)
from steelyard.disclosure.forms import form
from steelyard.disclosure.forms.bibtex import bibtex_form
from steelyard.disclosure.forms.eu import eu_form
from steelyard.disclosure.forms.hf import hf_form
from steelyard.disclosure.forms.sci import sci_scores
from steelyard.disclosure.ledger import Disclosure
from steelyard.formatting.drawing import GREY, Bar, bars_svg, waterfall_svg
from steelyard.formatting.figures import number
from steelyard.formatting.html import html_page, html_table

_LEFT = 190
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
    return html_page(found.title, parts, MORE)


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
        yield f"<h2>From the claim to these figures</h2>{_waterfall(flow)}"
    steps = list(_boundaries(found))
    if len(steps) > 1:
        yield f"<h2>From the devices to the building</h2>{boundaries_svg(steps)}"


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


def _waterfall(flow: Mapping[str, Any]) -> str:
    steps = [(step["name"], step["M"], step["added"]) for step in flow["steps"]]
    return waterfall_svg(flow["quantity"], flow["claimed"], flow["other"], steps)


def boundaries_svg(steps: Sequence[tuple[str, float, float]]) -> str:
    """Return energy as a waterfall: a bar for what each boundary adds, in joules, then all of it.

    >>> drawn = boundaries_svg([("the accelerators", 0.0, 3.6e6), ("their hosts and switches", 3.6e6, 5.4e6)])
    >>> drawn.count("<rect"), "+500 Wh" in drawn, "1.50 kWh" in drawn
    (3, True, True)
    """
    bars = [
        Bar(name, low, high, f"{'+' if low else ''}{value_text('facility_j', high - low)}", _COLOURS.get(name, GREY))
        for name, low, high in steps
    ]
    most = max(high for _, _, high in steps) or 1.0
    bars.append(Bar("together", 0.0, most, value_text("facility_j", most)))
    return bars_svg("energy, from the accelerators to the facility's meter", bars, _LEFT)


def _figures(found: Disclosure) -> str:
    words = [("model", found.model), ("hardware", found.hardware), ("place", found.location), ("date", found.date)]
    rows = [(name, text or "unknown: not stated", "") for name, text in words]
    summed = ("wall_s", "device_s", "accelerator_j", "it_j", "facility_j", "gross_kg", "net_kg", "market_kg",
              "marginal_kg", "embodied_kg", "water_m3", "usd")  # fmt: skip
    for name in FIGURE_NAMES:
        if name in {"tokens", "samples"} - {found.work}:
            continue
        one = found.total(name) if name in summed else found.main.of(name)
        rows.append((figure_name(found, name), ledger_figure_text(name, one), known_by(one) if one.known else ""))
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
