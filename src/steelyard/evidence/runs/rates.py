"""Rates under other names than ours: steps a second, tokens a second of all devices, or of nobody says which."""

import math
import re
from collections.abc import Mapping
from functools import cache

from steelyard.errors import BadInput
from steelyard.evidence.runs.cells import UNSAID, read_number

STEPS, OF_ALL, OPEN = "steps_per_second", "tokens_per_second_of_all", "tokens_per_second"
RATES = (OF_ALL, OPEN, STEPS)
"""Columns that fill one of ours, in the order in which they do."""

RATE_COLUMNS = dict.fromkeys(
    (
        "images_per_second",
        "images_per_s",
        "img_per_s",
        "samples_per_s",
        "sequences_per_s",
        "samples/s",
        "train_samples_per_second",
    ),
    "samples_per_second",
)
"""Other names of the rate of all devices together; one that ends in `_per_device` is of one of them."""

PER_DEVICE = "_per_device"

_PER_S = r"(?:/|_per_)(?:s|sec|second)s?"
_STEPS = re.compile(rf"(?:train_)?(?:its?|iters?|iterations?|steps?){_PER_S}")
_TOKENS = re.compile(
    rf"(?P<all>(?:total|global|overall|aggregate)_)?(?P<trainer>train_)?(?:toks?|tokens?){_PER_S}"
    r"(?P<each>(?:/|_per_)(?:gpu|device|chip|card|accelerator))?(?P<end>_(?:total|global|all))?"
)
_TIMES = ("tokens_per_s_per_device", "samples_per_second", "tflops_per_device", "mfu")


@cache
def rate_column(name: str) -> str:
    """Return one of `RATES`, or the rate of one device, where a name is of one; else empty.

    The Trainer's own rate of tokens is of one device (huggingface.co/docs/transformers TrainingArguments,
    include_tokens_per_second).

    >>> [rate_column(name) for name in ("it/s", "tokens/s/GPU", "total_tokens_per_s", "tokens_per_second", "mfu")]
    ['steps_per_second', 'tokens_per_s_per_device', 'tokens_per_second_of_all', 'tokens_per_second', '']
    """
    plain = re.sub(r"_*/_*", "/", re.sub(r"[\s_-]+", "_", name.strip().lstrip("\ufeff").lower()))
    if _STEPS.fullmatch(plain):
        return STEPS
    found = _TOKENS.fullmatch(plain)
    if found is None:
        return ""
    if found["each"] or found["trainer"]:
        return "tokens_per_s_per_device"
    return OF_ALL if found["all"] or found["end"] else OPEN


def fill_rates(cells: Mapping[str, str], numbers: dict[str, float], faults: dict[str, str]) -> list[str]:
    """Put rates of steps, and of tokens of all devices, into our columns; return what of them is not taken.

    A rate of tokens that does not say of how many devices it is can be read of a single device alone.

    >>> numbers = {"devices": 8.0, "step_time_s": math.nan, "tokens_per_s_per_device": math.nan}
    >>> fill_rates({"it/s": "0.5", "total_tokens_per_s": "8000"}, numbers, {})
    ["column 'it/s': the step is that of tokens_per_s_per_device"]
    >>> numbers["tokens_per_s_per_device"]
    1000.0
    """
    told: list[str] = []
    found = [(rate_column(name), name) for name, text in cells.items() if text.lower() not in UNSAID]
    for kind, name in sorted((pair for pair in found if pair[0] in RATES), key=lambda pair: RATES.index(pair[0])):
        target = "step_time_s" if kind == STEPS else "tokens_per_s_per_device"
        other = [one for one in (target, *_TIMES * (kind == STEPS)) if numbers.get(one, math.nan) > 0]
        if other:
            told.append(f"column {name[:40]!r}: the step is that of {other[0]}")
            continue
        try:
            numbers[target] = _figure(kind, name, cells[name], numbers["devices"])
        except BadInput as refusal:
            faults[target] = str(refusal)
    return told


def _figure(kind: str, name: str, text: str, devices: float) -> float:
    """Return the seconds of a step or the rate of one device that a cell of a rate says."""
    value = read_number(text, STEPS if kind == STEPS else "tokens_per_s_per_device")
    if kind == STEPS:
        return 1 / value if value > 0 else math.nan
    if kind == OPEN and devices != 1:
        raise BadInput(
            f"{name[:40]} is {text[:40]!r}, of one device or of all; name its column tokens_per_s_per_device or "
            "total_tokens_per_s"
        )
    return value / devices
