"""What a run should say of itself: from a plan, a metered run or an audited claim to the forms that others read.

read_disclosure(source, point, against) -> Disclosure   a plan's JSON, a metered run, a claim file, a case of the book
write_disclosure(disclosure, form, today) -> str        one of the forms of `forms.form_names()`
disclosure_json(disclosure)                             the same as a plain object, as `--json` prints it
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.disclosure.ledger import Disclosure, LedgerFigure, Line
    from steelyard.disclosure.origins.files import read_disclosure
    from steelyard.disclosure.write import disclosure_json, form_of, write_disclosure

_FACE = {
    **dict.fromkeys(("Disclosure", "LedgerFigure", "Line"), "ledger"),
    "read_disclosure": "origins.files",
    **dict.fromkeys(("disclosure_json", "form_of", "write_disclosure"), "write"),
}

__all__ = ["Disclosure", "LedgerFigure", "Line", "disclosure_json", "form_of", "read_disclosure", "write_disclosure"]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FACE[name]}"), name)
