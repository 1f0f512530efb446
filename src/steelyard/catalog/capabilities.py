"""Which layouts a software stack can run: the facts behind `layout.space` and the stack check of `layout.problem`."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from steelyard.errors import BadCatalog, UnknownName

FALLBACK = "any"
"""The row for a stack that nobody named."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What one stack supports, with the documentation that says so."""

    stack: str
    vendors: tuple[str, ...]  # of accelerators on which the stack is planned; empty: none in particular
    planned: bool  # `plan` proposes it; the others are only estimated when a user names them
    tp: bool
    sp: bool  # splits the sequence between the products of a tensor-parallel block
    pp: bool
    vpp: bool
    cp: bool
    ep: bool
    zero: tuple[int, ...]  # stages it offers
    zero_most_with_pp: int  # highest stage that works with pipeline stages
    hsdp: bool  # a shard group may be smaller than the data-parallel ranks
    offload: bool
    recompute: tuple[int, ...]
    source: str
    checked: str
    note: str


@cache
def capabilities() -> Mapping[str, Capability]:
    """Return every stack's capability by its name.

    >>> sorted(capabilities())[:3]
    ['any', 'axlearn', 'deepspeed']
    """
    text = files("steelyard.catalog").joinpath("data/stack_capabilities.csv").read_text(encoding="utf-8")
    rows = [_row(row) for row in csv.DictReader(text.splitlines())]
    return {row.stack: row for row in rows}


def capability(stack: str) -> Capability:
    """Return what one stack supports.

    >>> capability("megatron-core").zero
    (0, 1)
    """
    known = capabilities()
    if stack not in known:
        raise UnknownName("stack", stack, known)
    return known[stack]


def planned(vendor: str) -> tuple[Capability, ...]:
    """Return the stacks that `plan` proposes on a vendor's accelerators; none where no stack is known.

    >>> [row.stack for row in planned("Google")]
    ['maxtext']
    """
    return tuple(row for row in capabilities().values() if row.planned and vendor in row.vendors)


def _row(row: dict[str, str]) -> Capability:
    if not row["source"] or not row["checked"]:
        raise BadCatalog(f"stack_capabilities.csv: {row['stack']!r} has no source or date; add both")
    return Capability(
        stack=row["stack"],
        vendors=tuple(row["vendors"].split()),
        zero=_numbers(row["zero"]),
        zero_most_with_pp=int(row["zero_most_with_pp"]),
        recompute=_numbers(row["recompute"]),
        source=row["source"],
        checked=row["checked"],
        note=row["note"] or "",
        **{flag: row[flag] == "1" for flag in ("planned", "tp", "sp", "pp", "vpp", "cp", "ep", "hsdp", "offload")},
    )


def _numbers(cell: str) -> tuple[int, ...]:
    return tuple(int(number) for number in cell.split())
