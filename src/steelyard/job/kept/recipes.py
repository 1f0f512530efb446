"""From what is said of a job to its `tables.Recipe`: entries that nobody states stay NaN."""

import math
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from steelyard.errors import BadInput, nearest
from steelyard.step.tensors.recipe import ENTRIES
from steelyard.strategies.denial import named
from steelyard.strategies.losses import LOSSES, LossKind
from steelyard.strategies.recipe import GRADIENT_LIVES, RECIPE_TERMS
from steelyard.strategies.recipe_settings import RECIPE_SETTINGS, RecipeSetting
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


@lru_cache(maxsize=1 << 14)
def term_entries(text: str) -> Mapping[str, float]:
    """Return the entries of a recipe that the words of a text stand for, a later term over an earlier.

    Args:
        text: the name of a stack, and what else is written of a run.

    >>> term_entries("torchtune, optimizer in backward")["grad_life"], term_entries("HF Trainer, Liger not used")
    (2, {})
    """
    found: dict[str, float] = {}
    for term in RECIPE_TERMS:
        if named(term.pattern, text):
            found |= term.entries
    return found


def parse_recipe(value: Any) -> Mapping[str, float]:
    """Return the entries of a recipe that a mapping, or a text such as `gradients=fused,weights=host`, gives.

    Raises:
        BadInput: a setting that there is not, given twice, or that takes other words

    >>> dict(parse_recipe("gradients=fused,weights=host")), dict(parse_recipe({"states": 16}))["grad_bytes"]
    ({'grad_life': 2.0, 'weights_on_host': 1.0, 'weights_on_nvme': 0.0}, 2.0)
    >>> parse_recipe({"gradient": "fused"})
    Traceback (most recent call last):
    steelyard.errors.BadInput: unknown setting 'gradient' of a recipe; nearest: gradients, grad_life, score_gradients
    """
    pairs = value.items() if isinstance(value, Mapping) else [_pair(part) for part in str(value).split(",")]
    found: dict[str, float] = {}
    for name, given in pairs:
        plain = str(name).strip().lower().replace("-", "_")
        entries = _setting_entries(plain, str(given).strip().lower())
        if twice := found.keys() & entries.keys():
            raise BadInput(f"the recipe says {', '.join(sorted(twice))} twice; keep one")
        found |= entries
    return MappingProxyType(found)


def settings_of_recipe(entries: Mapping[str, float]) -> dict[str, str]:
    """Return entries of a recipe as people write them: what settings say, the rest by number.

    >>> settings_of_recipe(parse_recipe("weights=host,gradients=fused")), settings_of_recipe({"grad_bytes": 2.0})
    ({'gradients': 'fused', 'weights': 'host'}, {'grad_bytes': '2'})
    """
    found: dict[str, str] = {}
    left = dict(entries)
    for setting in RECIPE_SETTINGS:
        for word, meant in setting.meanings.items():
            if meant.items() <= left.items():
                found[setting.name] = word
                left = {name: value for name, value in left.items() if name not in meant}
                break
    return found | {name: f"{value:g}" for name, value in left.items()}


def tells_states(entries: Mapping[str, float]) -> bool:
    """Return whether entries of a recipe say how wide states are; they are then beside an fp32 master copy.

    >>> tells_states(parse_recipe("states=16")), tells_states(parse_recipe("gradients=fused"))
    (True, False)
    """
    return next(_names_of(one) for one in RECIPE_SETTINGS if one.name == "states") <= entries.keys()


def _names_of(setting: RecipeSetting) -> set[str]:
    return {name for entries in setting.meanings.values() for name in entries}


def _pair(part: str) -> tuple[str, str]:
    name, equals, given = part.partition("=")
    if not equals:
        raise BadInput(f"{part.strip()!r} is no setting of a recipe with its value; write gradients=fused,weights=host")
    return name, given


def _setting_entries(name: str, given: str) -> Mapping[str, float]:
    words = next((one.meanings for one in RECIPE_SETTINGS if one.name == name), None)
    if words is not None:
        if given in words:
            return words[given]
        way = "; write precision: bf16-pure for states of 8 bytes" if (name, given) == ("states", "8") else ""
        raise BadInput(f"{name} of a recipe is {given[:40]!r}; it takes {' or '.join(words)}{way}")
    if name == "loss":
        raise BadInput("the kind of loss is a field of its own, not of a recipe; write loss: chunked")
    if name not in ENTRIES or name == "packed_bytes":
        known = [*(one.name for one in RECIPE_SETTINGS), *ENTRIES]
        raise BadInput(f"unknown setting {name!r} of a recipe; nearest: {', '.join(nearest(name, known) or known)}")
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    most = MOST_OF.get(name, MOST_ENTRY)
    if not 0 <= number <= most:
        raise BadInput(f"{name} of a recipe is {given[:40]!r}; it takes a number from 0 to {most:g}")
    return {name: number}


MOST_ENTRY = 64.0
"""Bytes, copies or units that an entry of a recipe says at most."""

MOST_OF = {"grad_life": float(len(GRADIENT_LIVES) - 1), "grad_sharded_from": 4.0} | dict.fromkeys(
    (
        *("cast", "weights_on_host", "weights_on_nvme", "states_on_nvme", "refetched", "states_paged"),
        *("offload_weights", "narrow_inputs", "root_gathered", "logits_gathered", "norm_copies", "activation_inputs"),
        *("expanded_heads", "rotary_copies", "expert_loop", "gathered_inputs", "saved_on_host", "input_gradients"),
    ),
    1.0,
)
"""The same of those that are shares, a number among some, or a stage of ZeRO (4: at none)."""


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
