"""How far open what the catalog says of steps is: by kind of model, stack and chip, and what one's own runs leave."""

import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from steelyard.catalog.load import Catalog
from steelyard.catalog.local.step_shift import pair_name, pair_of
from steelyard.catalog.read import parse_fitted, parsed_rows
from steelyard.catalog.schema import Accelerator, Fitted
from steelyard.catalog.spread import FACTOR, PAIR_RUNS, STACK_EVIDENCE, UNPAIRED, StepSpread
from steelyard.catalog.stacks import OTHER
from steelyard.catalog.tabulate import kernels_rows, stacks, step_shift_row

_ANY = "any"


def kind_log_sd(kind: str, catalog: Catalog) -> float:
    """Return the spread of the logarithm of a step for its kind of model, of `vocabulary.TRAINED_KINDS`.

    It comes on top of that of accelerator and stack; 0 of language models, to whose runs constants are fitted.

    >>> from steelyard.catalog import load
    >>> kind_log_sd("language", load()), 0.05 < kind_log_sd("rows", load()) < 1.0
    (0.0, True)
    """
    return catalog.kind_spreads[kind].value if kind in catalog.kind_spreads else 0.0


@cache
def _spreads(folder: Path) -> Mapping[tuple[str, str], Fitted]:
    """Return the table of spreads by (`any` or stack, part of `StepSpread` or `STACK_EVIDENCE`)."""
    return {(row.entity, row.quantity): row for row in parsed_rows(folder, "step_spread", parse_fitted)}


@cache
def step_spread(catalog: Catalog) -> StepSpread:
    """Return how far predicted steps may be off, by what they are made of.

    >>> from steelyard.catalog import load
    >>> spread = step_spread(load())
    >>> 0 < spread.base < spread.moe < 1
    True
    """
    return StepSpread.of_rows({name: row for (entity, name), row in _spreads(catalog.folder).items() if entity == _ANY})


def stack_evidence(name: str, catalog: Catalog) -> float:
    """Return the posterior log sd of a stack's residual factor; of one that no fit has seen its prior's.

    >>> from steelyard.catalog import load
    >>> 0 < stack_evidence("megatron-core", load()) <= stack_evidence("my-trainer", load()) < 0.3
    True
    """
    rows = _spreads(catalog.folder)
    return (rows.get((name, STACK_EVIDENCE)) or rows[_ANY, STACK_EVIDENCE]).value


@cache
def _pairs(folder: Path) -> Mapping[tuple[str, str], Fitted]:
    """Return the table of pairs by (`any` or `pair_name` of a stack and a family, quantity)."""
    return {(row.entity, row.quantity): row for row in parsed_rows(folder, "step_pairs", parse_fitted)}


def pair_log_sd(name: str, family: str, catalog: Catalog) -> float:
    """Return what is open of a stack's steps on a family of chips on which no run of it was timed; 0 where some were.

    Args:
        name: of the stack; of the stack that nobody names, runs of any count.
        family: of the chip.
        catalog: of the fits.

    >>> from steelyard.catalog import load
    >>> [pair_log_sd("fsdp2", family, load()) > 0 for family in ("nvidia-hopper", "amd-cdna3")]
    [False, True]
    """
    rows = _pairs(catalog.folder)
    seen = (pair_name(name, family), PAIR_RUNS) in rows
    return 0.0 if seen or name in _own_stacks(catalog) else rows[_ANY, UNPAIRED].value


def _own_stacks(catalog: Catalog) -> set[str]:
    """Return the stacks that the user has calibrated, whose runs say how sure their steps are."""
    return {entity for entity, _, quantity in catalog.local.stacks if quantity == FACTOR}


def accelerator_log_sd(accelerator: Accelerator, precision: str, catalog: Catalog) -> float:
    """Return how far the residual factor of a chip spreads steps: as calibrated, or as far as the fit leaves it open.

    The latter is its posterior sd times what residuals of left-out rows make of it (`StepSpread.evidence`).

    >>> from steelyard.catalog import load
    >>> catalog = load()
    >>> known, unseen = (accelerator_log_sd(catalog.accelerator(name), "bf16", catalog) for name in ("H100", "TPUv3"))
    >>> 0 < known < unseen < 0.3
    True
    """
    row = kernels_rows(accelerator, precision, catalog)["time_scale"]
    return row.log_sd * (1.0 if _is_local(catalog.local.kernels, row) else step_spread(catalog).evidence)


def open_log_sds(pairs: Iterable[str], catalog: Catalog) -> dict[str, float]:
    """Return how far the residual factor of the chip of each pair (`step_shift.pair_name`) is open at any precision."""
    chips = {pair: catalog.accelerator(pair_of(pair)[1]) for pair in pairs}
    return {pair: accelerator_log_sd(chip, _ANY, catalog) for pair, chip in chips.items()}


def calibrated_log_sd(name: str, catalog: Catalog) -> float:
    """Return the spread of steps that a user's own runs leave of a stack; NaN of one that is not calibrated.

    >>> from steelyard.catalog import load
    >>> calibrated_log_sd("megatron-core", load())
    nan
    """
    row = catalog.local.stacks.get((name if name in stacks(catalog) else _ANY, _ANY, "time_scale"))
    return math.nan if row is None else row.log_sd


def shift_log_sd(stack_name: str, accelerator: str, catalog: Catalog) -> float:
    """Return the spread that steps of one's own leave of the shift of a stack on an accelerator; NaN: none known.

    >>> from steelyard.catalog import load
    >>> shift_log_sd("megatron-core", "H100-80GB-SXM", load())
    nan
    """
    own = step_shift_row(stack_name, accelerator, catalog)
    return math.nan if own is None else own.log_sd


def outside_transformer_engine(name: str, catalog: Catalog) -> bool:
    """Return whether a stack's fp8 and fp4 products are neither Transformer Engine's nor the chip vendor's own.

    >>> from steelyard.catalog import load
    >>> [outside_transformer_engine(name, load()) for name in ("fsdp2", "megatron-core", "any")]
    [True, False, False]
    """
    file = catalog.stack_files.get(name)
    return file is not None and file.narrow_kernels == OTHER


def _is_local(rows: Mapping[tuple[str, str, str], Fitted], row: Fitted) -> bool:
    return rows.get((row.entity, row.precision, row.quantity)) == row
