"""Switches of other configurations for the precision of a training, and what contradicts them."""

from collections.abc import Mapping
from typing import Any

from steelyard.errors import BadInput
from steelyard.job.training import PRECISION_SPELLINGS
from steelyard.strategies.denial import meaning

_SWITCHES = ("bf16", "fp16")
WIDTH_NAMES = (*_SWITCHES, "tf32", "mixed_precision", "torch_dtype", "pure_bf16")
"""Switches of `TrainingArguments`, the setting of Accelerate, the type that `from_pretrained` loads a model in, and
LLaMA-Factory's switch for parameters and states in 16 bits alike."""

ON = frozenset({"true", "yes", "on", "1"})
OFF = frozenset({"false", "no", "off", "0", "none", "null"})
"""What a switch holds, in small letters."""

_OTHERS = ("bf16", "fp16", "fp32", "tf32")
"""Beginnings of precisions that are beside no other; products of 8 and 4 bits are over weights of 16."""


def width_fields(given: Mapping[str, Any], job: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the precision that switches say, where the job does not name one; nothing where none is on.

    Args:
        given: the switches.
        job: the fields of the job.
        where: what messages call it.

    Raises:
        BadInput: both switches are on, or one contradicts the precision that is named

    >>> width_fields({"bf16": True, "fp16": False}, {}, "job"), width_fields({"mixed_precision": "no"}, {}, "job")
    ({'precision': 'bf16=True'}, {'precision': 'fp32'})
    >>> width_fields({"tf32": True}, {"precision": "fp32"}, "job"), width_fields({"tf32": True}, {}, "job")
    ({'precision': 'tf32'}, {})
    >>> width_fields({"bf16": True}, {"precision": "fp32"}, "job")
    Traceback (most recent call last):
    steelyard.errors.BadInput: job: precision is fp32 but bf16 is on; keep one, or write precision: bf16
    """
    on = [name for name in _SWITCHES if str(given.get(name)).lower() in ON]
    if len(on) > 1:
        raise BadInput(f"{where}: bf16 and fp16 are both on, and products are of one type; keep one")
    stated = {name: str(job["precision"]) for name in ("precision",) if job.get("precision") is not None}
    if "mixed_precision" in given:
        plain = str(given["mixed_precision"]).lower()
        stated["mixed_precision"] = "fp32" if plain in OFF else f"{plain} mixed"
    for name, text in stated.items():
        word = meaning(text, PRECISION_SPELLINGS)
        if on and word.startswith(_OTHERS) and not word.startswith(on[0]):
            raise BadInput(f"{where}: {name} is {text[:40]} but {on[0]} is on; keep one, or write precision: {on[0]}")
    loaded = meaning(str(given.get("torch_dtype", "")), PRECISION_SPELLINGS)
    loaded = loaded if loaded.startswith(_OTHERS) else ""
    pure = "pure bf16" if str(given.get("pure_bf16")).lower() in ON else ""
    found = pure or stated.get("mixed_precision") or (f"{on[0]}=True" if on else loaded)
    if str(given.get("tf32")).lower() in ON and meaning(stated.get("precision", found), PRECISION_SPELLINGS) == "fp32":
        return {"precision": "tf32"}  # how products of fp32 are computed, where there are any
    return {"precision": found} if found and "precision" not in stated else {}
