"""What is known about each stack's memory before any fit, with its source; what is fitted, and how freely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Fitted, load
from steelyard.step.tensors.recipe import ENTRIES

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """How far a fitted constant may move, as log standard deviations: of all stacks together, and of one alone."""

    common: float
    each: float


FIELDS = (*ENTRIES, "selective_scale", "workspace_bytes", "context_bytes", "communicator_bytes", "reserved_scale")
"""The constants of `tables.Stack` that memory is made of; what each stack documents of them is in its file."""

FITTED: dict[str, Prior] = {
    "workspace_bytes": Prior(0.5, 0.7),
    "context_bytes": Prior(0.2, 0.3),
    "communicator_bytes": Prior(0.5, 0.7),
    "reserved_scale": Prior(0.03, 0.05),
}
"""What no document tells: all else of a stack's memory is a fact of its recipe."""

ANY = "any"


def facts(stack: str, precision: str = ANY) -> dict[str, Fitted]:
    """Return what a stack's file documents of its memory, at one precision alone or at any."""
    file = load().stack_files.get(stack)
    rows = file.constants if file is not None else ()
    return {row.quantity: row for row in rows if row.precision == precision and row.quantity in FIELDS}


def documented(stacks: NDArray[np.str_], precisions: NDArray[np.str_]) -> dict[str, Array]:
    """Return every constant before any fit, an entry a row: common, the stack's, the stack's at its precision."""
    tables = {
        pair: facts(ANY) | facts(pair[0]) | (facts(*pair) if pair[1] != ANY else {})
        for pair in sorted(set(zip(stacks.tolist(), precisions.tolist(), strict=True)))
    }
    pairs = list(zip(stacks.tolist(), precisions.tolist(), strict=True))
    return {name: np.array([tables[pair][name].value for pair in pairs]) for name in FIELDS}
