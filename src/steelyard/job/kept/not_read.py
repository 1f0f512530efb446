"""Words of a training that decide its memory and that no formula here is of: they are named, never passed over."""

import re
from functools import lru_cache

from steelyard.strategies.denial import named

UNREAD_OPTIMIZERS = (
    r"\b(?:ada)?lomo\b|\bsoap\b|\b(?:distributed[ _-]?)?shampoo\b|\badam[ _-]?mini\b|\bapollo[ _-]mini\b"
    r"|\b4[ -]?bits?[ _-](?:adamw?|lion)\b|\b(?:adamw?|lion)[ _-]?4[ -]?bits?\b"
)
"""Their states are no entry of `optimizers.csv`."""

UNREAD_PARTS = (
    r"finetuning_type\W{1,3}freeze|\bbadam\b|\blisa\b|freeze_trainable\w*|\bfreeze[ _-](?:tun|train|layers|all)\w*"
    r"|\bfrozen (?:layers|blocks|embeddings?)\b"
)
"""A part of a model is trained: states and gradients are of that part, and the backward pass ends in it."""

UNREAD_BASES = (
    r"(?<![\d.])(?:2|3|5|6)(?:\.\d+)?[ -]?bits?\b(?: (?:base|weights|model|quanti\w+))?|\bq[2-6]_(?:k|[01])\w*"
    r"|\b(?:aqlm|hqq|gguf|exl[23]|quip#?|vptq)(?: (?:[\d.]+[ -]?bits?|q\d\w*)\b)?"
)
"""Types of frozen weights that `recipe_settings.QUANTISED_BYTES` has not."""

_ALL = f"{UNREAD_OPTIMIZERS}|{UNREAD_PARTS}|{UNREAD_BASES}"


@lru_cache(maxsize=1 << 14)
def unread_word(text: str) -> str:
    """Return the first word of a text that decides memory and that nobody reads; empty where there is none.

    >>> texts = ("EXL2 3-bit", "HF Trainer + LOMO", "finetuning_type: freeze", "no Shampoo", "AdamW 8-bit, 32-bit")
    >>> [unread_word(text) for text in texts]
    ['exl2 3-bit', 'lomo', 'finetuning_type: freeze', '', '']
    """
    found = named(_ALL, text)
    return found[0] if found else ""


def unread_of_stack(stack: str) -> list[str]:
    """Return what is said of a word in the name of a stack that nobody reads, a line at most.

    >>> unread_of_stack("HF Trainer + BAdam"), unread_of_stack("torchtune")
    (["not read of stack 'HF Trainer + BAdam': 'badam', which memory and time depend on"], [])
    """
    word = unread_word(re.sub(r"_", " ", stack)) or unread_word(stack)
    return [f"not read of stack {stack[:60]!r}: {word!r}, which memory and time depend on"] if word else []
