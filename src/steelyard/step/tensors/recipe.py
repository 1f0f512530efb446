"""One recipe of the job's words and its stack's defaults: what memory is computed from."""

from dataclasses import fields, replace

import numpy as np

from steelyard.tables import Job, Layout, Recipe, Stack
from steelyard.units import Bytes, Count, Share

ENTRIES = tuple(entry.name for entry in fields(Recipe))
"""What a recipe says, by the names of its entries, which the defaults of a stack share."""

SHARDED = 3
"""ZeRO stage at which parameters are sharded (arXiv 1910.02054, section 5)."""


WIDE = {"stream_bytes": 4.0, "score_copies": 2.0, "score_gradients": 6.0}
"""Entries where hidden states over a quantised base are fp32: their bytes; scores have fp32 copies and gradients."""


def settled(recipe: Recipe, stack: Stack) -> Recipe:
    """Return a recipe without unstated entries: as the job says, else as its stack does it.

    Args:
        recipe: what is said of a job, NaN where nothing is
        stack: whose defaults hold for the rest

    Source: `tables.Recipe`; the defaults of each stack have their sources in its file of the catalog.

    >>> from steelyard.catalog import stack
    >>> known = Recipe(**dict.fromkeys(ENTRIES, np.nan) | {"grad_bytes": 2.0})
    >>> found = settled(known, stack("megatron-core"))
    >>> float(found.grad_bytes), float(found.grad_life), float(stack("megatron-core").grad_bytes)
    (2.0, 0.0, 4.0)
    """
    return Recipe(**{name: settled_entry(recipe, stack, name) for name in ENTRIES})


def settled_entry(recipe: Recipe, stack: Stack, name: str) -> Count:
    """Return one entry of a recipe: as the job says, else as its stack does it.

    Args:
        recipe: what is said of a job
        stack: whose default holds otherwise
        name: of the entry

    Source: as `settled`.
    """
    return _either(getattr(recipe, name), getattr(stack, name))


def upcast(recipe: Recipe, layout: Layout) -> Recipe:
    """Return a settled recipe with fp32 hidden states and scores where what surrounds a quantised base is fp32.

    Parameters that are sharded lie in flat ones, which have one type: what is not quantised stays as it is loaded.

    Args:
        recipe: whether it is, bytes of a quantised parameter
        layout: ZeRO stage

    Source: github.com/huggingface/peft src/peft/utils/other.py, prepare_model_for_kbit_training: norms become fp32;
        github.com/bitsandbytes-foundation/bitsandbytes nn/modules.py, Linear4bit: an output has its input's type; Zhao
        et al. 2023, arXiv 2304.11277, section 3.2.1 (a FlatParameter is of one type).
    Limits: what a block keeps without recomputation is counted in 16 bits.
    """
    if not np.any(recipe.base_upcast):
        return recipe
    above = np.greater(recipe.base_upcast * recipe.packed_bytes, 0)
    flat = np.greater_equal(layout.zero, SHARDED)
    held = {name: np.where(above & ~flat, wide, getattr(recipe, name)) for name, wide in WIDE.items()}
    return replace(recipe, **held, frozen_bytes=np.where(above & flat, 0.0, recipe.frozen_bytes))


def frozen_width(job: Job, recipe: Recipe) -> Bytes:
    r"""Return the bytes of a frozen parameter, the mean; where some are quantised, those of the rest may be wider.

    .. math:: f + \max(F - e,\; 0)\,\frac{f - q}{e - q}

    Args:
        job: bytes of a frozen parameter, the mean (f), and of an element (e)
        recipe: least bytes of one that is not quantised (F), bytes of one that is (q)

    Source: derived: a share (f - q) / (e - q) of them has the bytes of an element.
    """
    given, least, packed = job.frozen_bytes, recipe.frozen_bytes, recipe.packed_bytes
    plain = np.where(given >= 2, np.maximum(given, least), given)
    if not np.any(packed):
        return plain
    narrower = np.greater(job.element_bytes, packed) & np.greater(packed, 0)
    rest = (given - packed) / np.where(narrower, job.element_bytes - packed, 1.0)
    more = np.maximum(least - job.element_bytes, 0.0) * rest * narrower
    return np.where(np.greater(packed, 0), given + more, plain)


def resident(recipe: Recipe, layout: Layout) -> Recipe:
    """Return a settled recipe as it is on a layout: parameters go to the host where offloaded states take them there.

    Args:
        recipe: whether parameters go with the states
        layout: whether states are offloaded, and sharded parameters (`upcast`)

    Source: PyTorch FSDP2 documentation, CPUOffloadPolicy: parameters, gradients and optimizer states are offloaded.
    """
    recipe = upcast(recipe, layout)
    if not np.any(recipe.offload_weights) or not np.any(layout.offload):
        return recipe
    return replace(recipe, weights_on_host=_gone(recipe.weights_on_host, recipe.offload_weights, layout))


def resident_weights(recipe: Recipe, stack: Stack, layout: Layout) -> Share:
    """Return whether parameters rest on the host, of a recipe that is not settled: that entry of `resident` alone.

    Args:
        recipe: what is said of a job
        stack: whose defaults hold for the rest
        layout: whether states are offloaded

    Source: as `resident`.
    """
    rests, follow = (settled_entry(recipe, stack, name) for name in ("weights_on_host", "offload_weights"))
    return rests if np.ndim(follow) == 0 and not follow else _gone(rests, follow, layout)


def has_drives(recipe: Recipe, stack: Stack) -> bool:
    """Tell whether anything may rest on drives, of any layout: two entries say it, and mostly neither does.

    Args:
        recipe: what is said of a job
        stack: whose defaults hold for the rest

    Source: as `weights_on_drives`, `states_on_drives`.
    """
    weights, states = (settled_entry(recipe, stack, name) for name in ("weights_on_nvme", "states_on_nvme"))
    return bool(np.any(weights + states))


def weights_on_drives(recipe: Recipe, stack: Stack, layout: Layout) -> Share:
    """Return whether parameters rest on the drives of the host: of those that leave the device, where that is said.

    Args:
        recipe: what is said of a job
        stack: whose defaults hold for the rest
        layout: whether states are offloaded

    Source: github.com/deepspeedai/DeepSpeed runtime/zero/offload_config.py, DeepSpeedZeroOffloadParamConfig: device
        cpu or nvme.
    """
    drives = settled_entry(recipe, stack, "weights_on_nvme")
    return drives * resident_weights(recipe, stack, layout) if np.any(drives) else 0.0


def states_on_drives(recipe: Recipe, stack: Stack, layout: Layout) -> Share:
    """Return whether states of the optimizer rest on the drives of the host: of those that are offloaded.

    Args:
        recipe: what is said of a job
        stack: whose defaults hold for the rest
        layout: whether states are offloaded

    Source: github.com/deepspeedai/DeepSpeed runtime/zero/offload_config.py, DeepSpeedZeroOffloadOptimizerConfig: device
        cpu or nvme.
    """
    drives = settled_entry(recipe, stack, "states_on_nvme")
    return drives * layout.offload if np.any(drives) else 0.0


def _gone(rests: Share, follow: Share, layout: Layout) -> Share:
    """Of FSDP, which shards gradients at least; below that optimizer states go alone whatever the stack."""
    return np.maximum(rests, follow * layout.offload * np.greater_equal(layout.zero, 2))


def _either(given: Count, usual: Count) -> Count:
    """Return what is given, else what is usual; a column of one value as that value, so that zeros cost nothing."""
    if np.ndim(given):
        return np.where(np.isnan(given), usual, given)
    return _plain(usual) if given != given else given  # noqa: PLR0124  # NaN alone differs from itself


def _plain(column: Count) -> Count:
    values = np.asarray(column)
    if values.ndim != 1 or values.size == 0:
        return column
    alike = values[0] == values[-1] and (values == values[0]).all()
    return float(values[0]) if alike else values
