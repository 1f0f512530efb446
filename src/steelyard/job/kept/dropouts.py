"""What words say of dropout, whose masks stay for the backward pass: that of a model, and that of adapters."""

import re
from collections.abc import Mapping

from steelyard.strategies.denial import denied

DROPPED_BYTES = 3.0
"""Of an element of an adapter's input that is dropped: its 16-bit copy, which the adapter's first product keeps, and a
mask of a byte (github.com/huggingface/peft tuners/lora/layer.py, `lora_B(lora_A(dropout(x)))`; docs.pytorch.org,
torch.nn.Dropout; a rate of 0 is an Identity). Each adapted product drops its input by itself."""

_OF_ADAPTERS = r"(?:q?lora|dora|adapters?|peft)[ _-]*dropout(?:[ _-](?:rate|p))?"
_OF_MODEL = r"(?<![a-z_])(?:attention |hidden )?dropout"
_RATE = r"[\"']*\s*[=: ]\s*[\"']?(\d*\.?\d+)(?!\d)\s*(%?)"


def adapter_dropout(text: str) -> float | None:
    """Return the rate of dropout at the inputs of adapters that a text says; None where it says none.

    >>> texts = ("lora_dropout=0.05; packed", "LoRA dropout 0.1", "lora_dropout: 0", "no LoRA dropout", "dropout 0.1")
    >>> [adapter_dropout(text) for text in texts]
    [0.05, 0.1, 0.0, 0.0, None]
    """
    stated = re.search(_OF_ADAPTERS + _RATE, text.lower())
    if stated:
        return float(stated[1]) / (100 if stated[2] else 1)
    return 0.0 if denied(_OF_ADAPTERS, text) else None


def dropped_entries(rate: float | None) -> Mapping[str, float]:
    """Return the entries of a recipe that follow from the dropout of adapters; none where nobody says its rate.

    >>> dropped_entries(0.05), dropped_entries(0.0), dropped_entries(None)
    ({'adapter_bytes': 3.0}, {'adapter_bytes': 0.0}, {})
    """
    return {} if rate is None else {"adapter_bytes": DROPPED_BYTES if rate > 0 else 0.0}


def model_dropout(text: str) -> float | None:
    """Return 1 where a text says that a model is trained with dropout, 0 where that it is not; None where neither.

    Dropout of adapters is not the model's.

    >>> texts = ("dropout 0.1; learned positions", "no dropout", "dropout: 0.0", "LoRA dropout 0.1", "hidden dropout 0")
    >>> [model_dropout(text) for text in texts]
    [1.0, 0.0, 0.0, None, 0.0]
    """
    plain = re.sub(rf"(?:no |without |w/o )?{_OF_ADAPTERS}(?:{_RATE})?", " ", text.lower())
    stated = re.search(_OF_MODEL + _RATE, plain)
    if stated:
        return float(float(stated[1]) > 0)
    return 0.0 if denied(_OF_MODEL, plain) else None
