"""One recipe of the job's words and its stack's defaults: what memory is computed from."""

from dataclasses import fields, replace

import numpy as np

from steelyard.tables import Layout, Recipe, Stack
from steelyard.units import Count, Share

ENTRIES = tuple(entry.name for entry in fields(Recipe))
"""What a recipe says, by the names of its entries, which the defaults of a stack share."""


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


def resident(recipe: Recipe, layout: Layout) -> Recipe:
    """Return a settled recipe with its parameters on the host where offloaded states take them there.

    Args:
        recipe: whether parameters go with the states
        layout: whether states are offloaded

    Source: PyTorch FSDP2 documentation, CPUOffloadPolicy: parameters, gradients and optimizer states are offloaded.
    """
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
