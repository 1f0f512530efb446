"""The stacks that can be started, one file each: the name of the file, hyphenated, is what `--to` takes.

A file here says with `writer` which function writes, for which stacks of the catalog, and where its names were read;
nothing else names it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from steelyard.vocabulary import hyphenated

if TYPE_CHECKING:
    from steelyard.launchers.answer import LaunchFile
    from steelyard.launchers.sheet import Sheet

Fill = Callable[["Sheet"], "tuple[LaunchFile, ...]"]
"""Notes every setting of a sheet and returns the files."""

_FOUND: "dict[str, LaunchWriter]" = {}


@dataclass(frozen=True, slots=True)
class LaunchWriter:
    """What starts one stack: its name, the stacks of the catalog that it starts, where its names were read."""

    name: str
    stacks: tuple[str, ...]
    source: str
    fill: Fill
    kinds: frozenset[str] = frozenset()  # of models; empty: the user's own script makes the model
    adapters: bool = True  # whether it can train adapters alone


def writer(*stacks: str, source: str, kinds: Iterable[str] = (), adapters: bool = True) -> Callable[[Fill], Fill]:
    """Register a function of a module of this package as the writer of that module's name."""

    def register(fill: Fill) -> Fill:
        name = hyphenated(fill.__module__.rpartition(".")[2])
        _FOUND[name] = LaunchWriter(name, stacks, source, fill, frozenset(kinds), adapters)
        return fill

    return register


def writer_names() -> tuple[str, ...]:
    """Return the names of all writers, none of them imported.

    >>> "megatron-core" in writer_names()
    True
    """
    return tuple(sorted(hyphenated(module.name) for module in pkgutil.iter_modules(__path__)))


@cache
def every_writer() -> dict[str, LaunchWriter]:
    """Return all writers by name.

    >>> every_writer()["megatron-core"].stacks
    ('megatron-core',)
    """
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {name: _FOUND[name] for name in writer_names()}
