"""Which layouts a software stack can run: the facts behind `layout.space` and the stack check of `layout.problem`."""

from collections.abc import Mapping
from dataclasses import dataclass

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


def parse_capability(row: Mapping[str, str]) -> Capability:
    """Return what one stack supports; a row without its source or date is an error."""
    if not row["source"] or not row["checked"]:
        raise ValueError(f"{row['stack']!r} has no source or date; add both")
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
