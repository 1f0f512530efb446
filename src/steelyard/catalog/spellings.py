"""How people write the settings of a layout: one list for job files, literals, and rows of measured runs."""

from collections.abc import Mapping
from types import MappingProxyType

_SWITCH = MappingProxyType({"no": 0, "off": 0, "false": 0, "yes": 1, "on": 1, "true": 1})

RECOMPUTE = ("none", "selective", "full")
"""Policies of recomputation by their number in `tables.Layout`."""

SPELLINGS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "recompute": {word: number for number, word in enumerate(RECOMPUTE)} | {"no": 0, "yes": 2},
        "zero": {"fsdp": 3, "hsdp": 3, "zero1": 1, "zero2": 2, "zero3": 3},
        "sp": _SWITCH,
        "flash": _SWITCH,
        "offload": _SWITCH,
    }
)
"""Setting → word → number. Checkpointed activations without another word are all of them (`torch.utils.checkpoint`);
fully sharded data parallelism shards as ZeRO-3 does (arXiv 2304.11277, section 3.1)."""


def spelled_number(setting: str, text: str) -> int | None:
    """Return the number of a setting that a text means; None where it means none.

    >>> spelled_number("recompute", "Full"), spelled_number("zero", "fsdp"), spelled_number("zero", "2")
    (2, 3, 2)
    >>> spelled_number("sp", "maybe") is None
    True
    """
    plain = text.strip().lower()
    if plain.isascii() and plain.isdigit() and len(plain) < 10:
        return int(plain)
    return SPELLINGS.get(setting, {}).get(plain)
