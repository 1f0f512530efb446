"""From what is said of a job to its `tables.Recipe`: entries that nobody states stay NaN."""

import math
from collections.abc import Mapping
from functools import lru_cache

from steelyard.step.tensors.recipe import ENTRIES
from steelyard.strategies.denial import named
from steelyard.strategies.losses import LOSSES, LossKind
from steelyard.strategies.recipe import RECIPE_TERMS, RecipeTerm
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


def term_entries(text: str, but: RecipeTerm | None = None) -> Mapping[str, float]:
    """Return the entries of a recipe that the words of a text stand for, a later term over an earlier.

    Args:
        text: the name of a stack, and what else is written of a run.
        but: a term that does not count.

    >>> term_entries("torchtune, optimizer in backward")["grad_life"], term_entries("HF Trainer, Liger not used")
    (2, {})
    """
    return _term_entries(text, but.pattern if but else "")


@lru_cache(maxsize=1 << 14)
def _term_entries(text: str, but: str) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for term in RECIPE_TERMS:
        if term.pattern != but and named(term.pattern, text):
            found |= term.entries
    return found


@lru_cache(maxsize=1 << 14)
def named_loss(text: str) -> LossKind | None:
    """Return the kind of loss that a text names; None where it names none.

    >>> named_loss("LLaMA-Factory + Liger").name, named_loss("NeMo 25.04")
    ('fused-linear', None)
    """
    return next((one for one in LOSSES.values() if one.pattern and named(one.pattern, text)), None)


def loss_entries(loss: LossKind | None, element_bytes: Bytes) -> dict[str, float]:
    """Return what a kind of loss says of a recipe of elements of some bytes; nothing if None.

    >>> from steelyard.strategies.losses import LOSSES
    >>> loss_entries(LOSSES["chunked"], 2.0), loss_entries(None, 2.0)
    ({'logit_bytes': 4.5}, {})
    """
    if loss is None:
        return {}
    return {"logit_bytes": float(loss.logit_bytes * (element_bytes / 2 if loss.follows else 1))}
