"""Which constants of the catalog a set of runs may move, and what they are before: value, and spread as a prior."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog, Fitted, kernels_rows, stack_rows, stacks
from steelyard.evidence.calibration.noise import MEMORY_NOISE
from steelyard.evidence.frames.frame import RunFrame
from steelyard.tables import Kernels, Stack
from steelyard.units import Array

CARRIERS: Mapping[str, float] = {"reserved_scale": MEMORY_NOISE}
"""Constants of a stack whose shipped spread is that of a whole prediction, and what of it no constant mends."""

LEVEL = "time_scale"
"""The residual factor of a stack, and of a chip, on a whole step: the shift of a step takes its place (`shift`)."""

ALLOCATOR = ("logit_bytes", "gathered_units", "workspace_bytes")
"""Constants of a stack that a user's peaks may move and that act inside the allocator: they carry what an allocated
peak tells, on which `reserved_scale` does not act. Their own spread in the catalog is 0: all of it stands at
`reserved_scale`."""

MOST_ALLOCATOR_SD = math.log(2)
"""Spread of one of them at most. Chosen: parts of an allocated peak are rarely off by more than a factor of two."""

MOST_NOISE = 0.5
"""Share of that spread's variance that is called noise at most: where the spread is small, so is the noise."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant that may move: the key that its local row will have, the shipped row, and the runs it acts on."""

    table: str  # kernels or stacks
    entity: str
    precision: str
    row: Fitted
    sd: float  # of its logarithm, before
    rows: NDArray[np.bool_]

    @property
    def field(self) -> str:
        """Return the field of `tables.Kernels` or `tables.Stack`."""
        return self.row.quantity

    @property
    def carrier(self) -> bool:
        """Tell whether its spread is that of a whole prediction."""
        return self.table == "stacks" and self.field in CARRIERS

    def value(self, shift: float) -> float:
        """Return the constant after a shift of its logarithm; an efficiency stays a share."""
        shifted_tables = self.row.value * math.exp(shift)
        return min(shifted_tables, 1.0) if self.field.endswith("_efficiency") else shifted_tables


def constants(
    found: RunFrame, names: NDArray[np.str_], catalog: Catalog, allocated: NDArray[np.bool_]
) -> list[Constant]:
    """Return the constants that the runs of a frame may move.

    Args:
        found: the runs.
        names: the stack that each run will count for; one that the catalog lacks starts from what its framework's
            pattern says, mostly `any`.
        catalog: the shipped fit.
        allocated: which runs have an allocated peak; their stacks' constants inside the allocator move, too, each with
            the spread of the whole peak (`sample.weighted_allocator` lays that spread out on them).
    """
    made: dict[tuple[str, str, str, str], Constant] = {}
    for one in (*_of_stacks(found, names, catalog, allocated), *_of_chips(found, catalog)):
        key = (one.table, one.entity, one.precision, one.field)
        seen = made.get(key)
        made[key] = one if seen is None else replace(seen, rows=seen.rows | one.rows)
    return list(made.values())


def unmended_noise(carrier: Fitted) -> float:
    """Return what no constant mends of a stack's peaks, in the logarithm, given their carrier."""
    return min(CARRIERS[carrier.quantity], math.sqrt(MOST_NOISE) * carrier.log_sd)


def shifted_tables(found: RunFrame, parts: list[Constant], shift: Array) -> tuple[Kernels, Stack]:
    """Return the kernels and stacks of a frame after shifts of the constants' logarithms, along the last axis."""
    tables = {"kernels": found.kernels, "stacks": found.stack}
    changed: dict[str, dict[str, Array]] = {"kernels": {}, "stacks": {}}
    for part, by in zip(parts, np.moveaxis(np.asarray(shift), -1, 0), strict=True):
        if np.any(by):
            now = changed[part.table].get(part.field, getattr(tables[part.table], part.field))
            after = now * np.where(part.rows, np.exp(by)[..., np.newaxis], 1.0)
            changed[part.table][part.field] = np.minimum(after, 1.0) if part.field.endswith("_efficiency") else after
    return replace(found.kernels, **changed["kernels"]), replace(found.stack, **changed["stacks"])


def _of_stacks(
    found: RunFrame, names: NDArray[np.str_], catalog: Catalog, allocated: NDArray[np.bool_]
) -> Iterator[Constant]:
    known = stacks(catalog)
    labels = found.labels
    for name, base, width in sorted(set(zip(names, labels.stack, labels.precision, strict=True))):
        rows = (names == name) & (labels.stack == base) & (labels.precision == width)
        start = base if base in known else "any"
        fitted = stack_rows(start, catalog, width)
        for field, row in fitted.items():
            inside = field in ALLOCATOR and bool((rows & allocated).any())
            whole = fitted["reserved_scale"] if inside else row
            sd = math.sqrt(whole.log_sd**2 - unmended_noise(whole) ** 2) if whole.quantity in CARRIERS else row.log_sd
            if sd > 0 and row.value > 0 and field != LEVEL:
                own = width if row.precision == width and row.entity == name else "any"
                yield Constant("stacks", str(name), own, row, sd, rows)


def _of_chips(found: RunFrame, catalog: Catalog) -> Iterator[Constant]:
    labels = found.labels
    for chip, width in sorted(set(zip(labels.accelerator, labels.precision, strict=True))):
        rows = (labels.accelerator == chip) & (labels.precision == width)
        for field, row in kernels_rows(catalog.accelerator(chip), width, catalog).items():
            if row.log_sd > 0 and row.value > 0 and field != LEVEL and not field.endswith("_power"):
                yield Constant("kernels", str(chip), str(width), row, row.log_sd, rows)
