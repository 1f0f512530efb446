"""From what is said of a job to its `tables.Recipe`: entries that nobody states stay NaN."""

import math
from functools import lru_cache

from steelyard.step.tensors.recipe import ENTRIES
from steelyard.strategies.losses import LossKind
from steelyard.tables import Recipe
from steelyard.units import Bytes


def partial_recipe(**entries: float) -> Recipe:
    """Return a recipe with some entries stated.

    >>> partial_recipe(grad_bytes=2.0).grad_bytes, partial_recipe().cast
    (2.0, nan)
    """
    return _recipe(tuple(sorted(entries.items())))


@lru_cache(maxsize=1024)
def _recipe(entries: tuple[tuple[str, float], ...]) -> Recipe:
    return Recipe(**(dict.fromkeys(ENTRIES, math.nan) | dict(entries)))


def loss_entries(loss: LossKind | None, element_bytes: Bytes) -> dict[str, float]:
    """Return what a kind of loss says of a recipe of elements of some bytes; nothing if None.

    >>> from steelyard.strategies.losses import LOSSES
    >>> loss_entries(LOSSES["chunked"], 2.0), loss_entries(None, 2.0)
    ({'logit_bytes': 4.5}, {})
    """
    if loss is None:
        return {}
    return {"logit_bytes": float(loss.logit_bytes * (element_bytes / 2 if loss.follows else 1))}
