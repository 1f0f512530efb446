"""A disclosure in the form that is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from steelyard.disclosure.forms.bibtex import bibtex
from steelyard.disclosure.forms.eu import act
from steelyard.disclosure.forms.hf import card
from steelyard.disclosure.forms.html import page
from steelyard.disclosure.forms.sci import sci, scores
from steelyard.disclosure.forms.spdx import spdx
from steelyard.disclosure.forms.table import table
from steelyard.disclosure.ledger import Disclosure, Line
from steelyard.errors import BadInput, nearest

FORMATS: Mapping[str, Callable[[Disclosure, str], str]] = MappingProxyType(
    {
        "hf": lambda found, _today: card(found),
        "spdx": spdx,
        "eu": lambda found, _today: act(found),
        "sci": lambda found, _today: sci(found),
        "table": lambda found, _today: table(found),
        "bibtex": lambda found, _today: bibtex(found),
        "html": lambda found, _today: page(found),
    }
)
"""Every format by its name."""


def write(found: Disclosure, form: str, today: str = "") -> str:
    """Return a disclosure in one format; `today` is the day of writing, as YYYY-MM-DD.

    >>> from steelyard.disclosure import read
    >>> print(write(read("patterson-t5"), "table").splitlines()[2][:44])
    | t5-11b | 11.3 | 100 | unknown | 0.545 | un
    """
    if form not in FORMATS:
        near = nearest(form, FORMATS) or list(FORMATS)
        raise BadInput(f"unknown format {form!r}; nearest: {', '.join(near)}")
    return FORMATS[form](found, today or datetime.now(UTC).date().isoformat())


WORDS = (
    "title", "basis", "model", "hardware", "accelerator", "place", "location", "task", "precision", "meter", "date",
)  # fmt: skip


def mapping(found: Disclosure) -> dict[str, Any]:
    """Return a disclosure as the object that `disclose --json` prints: SI, unknown is null with why."""
    return {
        **{name: getattr(found, name) for name in WORDS},
        "lines": [_line(line) for line in found.lines],
        "not_stated": list(found.unstated),
        "sci": [{"intensity": one.kind, "per": one.per, "gco2e": asdict(one.grams)} for one in scores(found)],
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
