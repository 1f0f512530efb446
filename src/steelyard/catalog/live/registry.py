"""The live sources by name: whatever the files of `sources` make."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from steelyard.catalog.live import sources
from steelyard.catalog.live.source import LiveSource


def found_sources() -> Mapping[str, LiveSource]:
    """Return the live sources that the files of `sources` make, by name.

    >>> found_sources()["aws"].source.id
    'live-aws'
    """
    names = (module.name for module in pkgutil.iter_modules(sources.__path__))
    modules = [importlib.import_module(f"{sources.__name__}.{name}") for name in names]
    made = [one for module in modules for one in vars(module).values() if isinstance(one, LiveSource)]
    return MappingProxyType({one.name: one for one in made})


SOURCES = found_sources()
