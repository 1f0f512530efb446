"""From an accelerator as people write it (`8x NVIDIA A100-SXM4-40GB`) to the row of the catalog: chip, memory, form."""

import re
from functools import cache, lru_cache

from steelyard.catalog import Accelerator, Catalog
from steelyard.catalog.hosts.slices import slice_of_name
from steelyard.catalog.query import plain_spelling
from steelyard.errors import BadInput, UnknownName

_COUNT = re.compile(r"^\s*\d+\s*[x×*]\s*")
_COUNTED = re.compile(r"\s*(\d+)\s*[x×*]\s*(?=\D)")

_BRACKETS = re.compile(r"[()]")
_VENDOR = re.compile(
    r"(?i)\b(nvidia|tesla|geforce|amd|instinct|radeon|intel|habana|hpu|google|cloud|aws|huawei|dgx|hgx|quadro"
    r"|gpus?|cards?|chips?|accelerators?|tensor ?core|generation|blackwell|hopper|ampere|edition|\d+ ?w)\b"
)
_MEMORY = re.compile(r"(?i)[-_ ]*\b(\d{1,3})\s*g(?:i?b)?\b")
_FORM = re.compile(r"(?i)[-_ ]*\b(sxm\d?|pcie?|nvl\d*|hbm\d?\w?|oam)\b")
_BIN = re.compile(r"(?i)(910b)[1-4]\b")
_SAME = 0.13
"""Memories that differ by less are one chip's: a B200 is sold as 180 and 192 GB."""


def counted_devices(name: str) -> int | None:
    """Return how many devices the name of an accelerator says: `2x H100 80GB`, a TPU slice; None where it says none.

    >>> [counted_devices(name) for name in ("2x H100 80GB", "TPU v4-256", "v5litepod-16", "H100")]
    [2, 128, 16, None]
    """
    if found := slice_of_name(name):
        return found.devices
    counted = _COUNTED.match(name)
    return int(counted[1]) if counted else None


@lru_cache(maxsize=4096)
def accelerator_of_name(name: str, catalog: Catalog) -> Accelerator:
    """Return the accelerator of a published name; BadInput where it names several, or none.

    The words around a chip go (count, vendor, generation); its memory and its form choose among the rows of that chip.

    >>> from steelyard.catalog import load
    >>> names = ("8x H100", "Tesla V100-SXM2-16GB", "NVIDIA A100 80GB PCIe", "A100-40G", "p5.48xlarge")
    >>> [accelerator_of_name(name, load()).id for name in names]
    ['H100-80GB-SXM', 'V100-16GB-SXM2', 'A100-80GB-PCIe', 'A100-40GB-SXM', 'H100-80GB-SXM']
    """
    if "+" in name:
        raise BadInput(f"{name!r} mixes several accelerators; one kind a job is supported")
    if exact := _known(name, catalog):
        return exact
    if pod := slice_of_name(name):
        return catalog.accelerator(pod.accelerator)
    text = _BRACKETS.sub(" ", _COUNT.sub("", name))
    memory, form = _MEMORY.search(text), _FORM.search(text)
    bare = _FORM.sub(" ", _MEMORY.sub(" ", text))
    for base in dict.fromkeys((bare, _VENDOR.sub(" ", bare), _BIN.sub(r"\1", bare), bare.strip().split("-")[0])):
        if found := _known(base, catalog):
            return _sibling(found, float(memory[1]) if memory else None, form[1].lower() if form else "", catalog)
    return _of_system(name, catalog) or catalog.accelerator(name)


def open_memory(name: str, found: Accelerator, catalog: Catalog) -> bool:
    """Tell whether a name leaves open which of a chip's memories was used: A100 has 40 and 80 GB.

    >>> from steelyard.catalog import load
    >>> [open_memory(name, load().accelerator(name), load()) for name in ("A100", "A100-40GB-SXM", "T4")]
    [True, False, False]
    """
    return not re.search(r"\d\s*g", name.lower()) and _has_several_memories(found.id, catalog)


@lru_cache(maxsize=1024)
def _has_several_memories(accelerator_id: str, catalog: Catalog) -> bool:
    sizes = [_nominal(row) for row in _siblings(catalog.accelerator(accelerator_id), catalog)]
    return max(sizes) > min(sizes) * (1 + _SAME)


def _known(name: str, catalog: Catalog) -> Accelerator | None:
    try:
        return catalog.accelerator(name)
    except UnknownName:
        return None


def _of_system(name: str, catalog: Catalog) -> Accelerator | None:
    """Return the accelerator of an instance type or machine that stands in its place, as `p5.48xlarge` does."""
    try:
        return catalog.accelerator(catalog.system(name).accelerator)
    except UnknownName:
        return None


def _siblings(found: Accelerator, catalog: Catalog) -> list[Accelerator]:
    """Return the rows of one chip, whatever their memory and form: those whose id has the same first words."""
    chip = _chip(found.id)
    return [row for row in catalog.accelerators.values() if _chip(row.id) == chip]


@cache
def _chip(accelerator_id: str) -> str:
    """Return the plain name of a chip without its memory and form; variants that are chips of their own keep a word."""
    return plain_spelling(_FORM.sub("", _MEMORY.sub("", accelerator_id)))


def _nominal(row: Accelerator) -> float:
    stated = _MEMORY.search(row.id)
    return float(stated[1]) if stated else row.memory_bytes / 1e9


def _sibling(found: Accelerator, memory_gb: float | None, form: str, catalog: Catalog) -> Accelerator:
    """Return the row of a chip whose memory and form are nearest to those of a name; the chip's usual one first."""

    def misses(row: Accelerator) -> tuple[bool, bool, bool, float]:
        away = abs(_nominal(row) / memory_gb - 1) if memory_gb else 0.0
        other = bool(form) and not form.startswith(("hbm", "oam")) and form[:3] not in row.id.lower()
        return (away > _SAME, other, row.id != found.id, away)

    return min(_siblings(found, catalog), key=misses)
