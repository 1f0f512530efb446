"""The forms in which others read a disclosure, one file each: the name of the file is the name of the form.

A file here says with `form` which function writes it, and which endings of files ask for it; nothing else names it.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from steelyard.disclosure.ledger import Disclosure

Write = Callable[[Disclosure, str], str]
"""From a disclosure and the day of writing, as YYYY-MM-DD, to text."""

Writer = TypeVar("Writer", bound=Write)

_FOUND: "dict[str, Form]" = {}


@dataclass(frozen=True, slots=True)
class Form:
    """One form: its name, the endings of files that ask for it, and the function that writes it."""

    name: str
    endings: tuple[str, ...]
    write: Write


def form(*endings: str) -> Callable[[Writer], Writer]:
    """Register a function of a module of this package as the writer of the form of that module's name."""

    def register(write: Writer) -> Writer:
        name = write.__module__.rpartition(".")[2]
        _FOUND[name] = Form(name, endings, write)
        return write

    return register


def form_names() -> tuple[str, ...]:
    """Return the names of all forms, none of them imported.

    >>> "spdx" in form_names()
    True
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


@cache
def every_form() -> dict[str, Form]:
    """Return all forms by name.

    >>> every_form()["html"].endings
    ('.html', '.htm')
    """
    for name in form_names():
        importlib.import_module(f"{__name__}.{name}")
    return {name: _FOUND[name] for name in form_names()}
