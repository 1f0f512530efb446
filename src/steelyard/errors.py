"""Everything that Steelyard raises on purpose.

::

    SteelyardError                 exit code 2 unless said otherwise
    ├── BadInput                   a value, file or option that cannot be read as what it should be
    │   ├── UnknownName            a name that is in no catalog; carries the nearest ones
    │   └── BadLayout              tp, pp, dp … that cannot be laid on the devices
    ├── BadCatalog                 a catalog row without a source, with a bad unit, or that contradicts another
    ├── Infeasible                 a well-formed job that no candidate satisfies; exit code 3
    └── StaleFigures               stored scores of other code or constants than those that run; exit code 5

Each message says what was given, what is wrong with it and the way out.

>>> print(UnknownName("accelerator", "H10", ["H100-80GB-SXM", "H200-141GB-SXM", "T4"]))
unknown accelerator 'H10'; nearest: H100-80GB-SXM
"""

import difflib
from collections.abc import Iterable

LISTED = frozenset({"accelerator", "system", "model", "offer", "site"})
"""Kinds of names that `steelyard catalog` lists; of others the message itself names some."""

_FEW = 24
"""Names that a message lists."""


class SteelyardError(Exception):
    """The root: anything that a caller may want to catch."""

    exit_code = 2


class BadInput(SteelyardError):
    """A value, file or option that cannot be read as what it should be."""


class UnknownName(BadInput):
    """A name that is in no catalog, with the nearest known names."""

    def __init__(self, kind: str, given: str, known: Iterable[str], count: int = 3) -> None:
        names = list(known)
        self.kind, self.given, self.nearest = kind, given, nearest(given, names, count)
        listed = f"see: steelyard catalog {kind}s" if kind in LISTED else f"known: {_few(names)}"
        hint = f"nearest: {', '.join(self.nearest)}" if self.nearest else listed
        super().__init__(f"unknown {kind} {given!r}; {hint}")


class BadLayout(BadInput):
    """Parallel degrees that cannot be laid on the devices, or on the model."""


class BadCatalog(SteelyardError):
    """A catalog row that breaks the schema: no source, a bad unit, a contradiction."""


class Infeasible(SteelyardError):
    """A well-formed job that no candidate satisfies."""

    exit_code = 3


class StaleFigures(SteelyardError):
    """Stored scores that were made by other code or constants than those that run now; a refit makes them anew."""

    exit_code = 5


def nearest(given: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names most like the given one, best first, ignoring case and punctuation.

    >>> nearest("llama3-8b", ["llama-3-8b", "llama-3-70b", "gpt2"])
    ['llama-3-8b', 'llama-3-70b']
    """
    names = {_plain(name): name for name in known}
    wanted = _plain(given)
    matches = difflib.get_close_matches(wanted, names, n=count, cutoff=0.5)
    contained = [plain for plain in names if wanted and wanted in plain and plain not in matches]
    return [names[plain] for plain in (matches + sorted(contained, key=len))[:count]]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
