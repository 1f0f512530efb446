"""A disclosure in the form that is asked for, or as a plain object."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steelyard.disclosure.forms import every_form, form_names
from steelyard.disclosure.forms.sci import sci_scores
from steelyard.disclosure.ledger import Disclosure, Line
from steelyard.errors import BadInput, nearest

USUAL = "hf"
"""The form of a disclosure that nothing else is asked of."""


def form_of(path: Path | None) -> str:
    """Return the name of the form that the ending of a file asks for; BadInput where an ending asks for none.

    >>> form_of(Path("page.html")), form_of(Path("sources.bib")), form_of(None)
    ('html', 'bibtex', 'hf')
    """
    ending = path.suffix.lower() if path else ""
    found = next((name for name, form in every_form().items() if ending in form.endings), "" if ending else USUAL)
    if not found:
        known = sorted({one for form in every_form().values() for one in form.endings})
        raise BadInput(
            f"{path}: no form is written to files that end in {ending}; they end in {', '.join(known)}, or name the "
            f"form with --format, one of {', '.join(form_names())}"
        )
    return found


def write_disclosure(found: Disclosure, form: str, today: str = "") -> str:
    """Return a disclosure in one format; `today` is the day of writing, as YYYY-MM-DD.

    >>> from steelyard.disclosure import read_disclosure
    >>> print(write_disclosure(read_disclosure("patterson-t5"), "table").splitlines()[2][:44])
    | t5-11b | 11.3 | 100 | unknown | 0.545 | un
    """
    if form not in form_names():
        near = nearest(form, form_names()) or form_names()
        raise BadInput(f"unknown format {form!r}; nearest: {', '.join(near)}")
    return every_form()[form].write(found, today or datetime.now(UTC).date().isoformat())


TEXTS = (
    "title", "basis", "model", "hardware", "accelerator", "place", "location", "task", "precision", "sample", "meter",
    "date",
)  # fmt: skip


def disclosure_json(found: Disclosure) -> dict[str, Any]:
    """Return a disclosure as the object that `disclose --json` prints: SI, unknown is null with why."""
    return {
        **{name: getattr(found, name) for name in TEXTS},
        "lines": [_line(line) for line in found.lines],
        "not_stated": list(found.unstated),
        "sci": [{"intensity": one.kind, "per": one.per, "gco2e": asdict(one.grams)} for one in sci_scores(found)],
        "sources": [asdict(one) for one in found.sources],
        "notes": list(found.notes),
        "audit": found.audit,
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "scope": line.scope,
        "title": line.title,
        "uses": line.uses,
        "saved_kg": line.saved_kg,
        "queries": line.queries,
        "note": line.note,
        "numbers": {name: asdict(one) for name, one in line.numbers.items()},
    }
