"""Words of the settings of a layout as people write them, in a column, a job file or an option: one reader each."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from steelyard.job.kept.phrases import (
    ATTENTION_SPELLINGS,
    RECOMPUTE_SPELLINGS,
    attention_of_note,
    recompute_of_note,
    sharding_of_stack,
)
from steelyard.strategies.denial import Patterns, affirmed, exact_meaning

SHARDING_SPELLINGS: Patterns = (
    (r"hsdp\d?|hybrid([ _-]?shard\w*)?", "hsdp"),
    (r"shard[ _-]?grad[ _-]?op|(zero|ds|deepspeed)?[ _-]*(stage)?[ _-]*2|zero-?offload", "2"),
    (r"(zero|ds|deepspeed)?[ _-]*(stage)?[ _-]*3( offload)?|zero-?infinity|zero\+\+", "3"),
    (r"(zero|ds|deepspeed)?[ _-]*(stage)?[ _-]*1|dist\w*[ _-]?opt(im\w*)?|optimizer|os", "1"),
    (r"no[ _-]?shard|ddp|none|no|off|(zero)?[ _-]*(stage)?[ _-]*0", "0"),
    (r"fsdp\d?|full[ _-]?shard\w*|fully sharded.*", "fsdp"),
)


def sharding_meaning(text: str) -> str:
    """Return how a column says that states are sharded; the text where it has no meaning.

    >>> [sharding_meaning(text) for text in ("ZeRO-3", "FULL_SHARD", "stage 2", "no FSDP", "FSDP off", "zero stage: 3")]
    ['3', 'fsdp', '2', '0', '0', '3']
    """
    if (found := exact_meaning(text, SHARDING_SPELLINGS)) != text:
        return found
    said = affirmed(text, r"fsdp\d?|zero[ _-]?\d?|deepspeed|hsdp|shard\w*")
    return sharding_of_stack(said) or ("0" if text.strip() and not re.search("[a-z0-9]", said) else text)


def recompute_meaning(text: str) -> str:
    """Return the policy of recomputation that a column names; the text where it has no meaning of its own.

    A column says whether it is on, 1 or 0; the numbers of policies are those of a layout.

    >>> recompute_meaning("1"), recompute_meaning("0")
    ('full', 'none')
    >>> texts = ("selective (core)", "Minimal_Flash", "no activation checkpointing", "gradient_checkpointing=False")
    >>> [recompute_meaning(text) for text in texts], recompute_meaning("selectiv")
    (['selective', 'selective', 'none', 'none'], 'selectiv')
    """
    found = exact_meaning(text, (("1", "full"), ("0", "none"), *RECOMPUTE_SPELLINGS))
    if found != text or re.search(r"\d", text):
        return found
    return recompute_of_note(text) or recompute_of_note(f"activation {text}") or text


def attention_meaning(text: str) -> str:
    """Return yes or no where a column names the kernel of attention; else the text.

    >>> [attention_meaning(text) for text in ("flash", "flash attention disabled", "no flash", "eager", "TE fused")]
    ['yes', 'no', 'no', 'no', 'yes']
    """
    return attention_of_note(text) or exact_meaning(text, ATTENTION_SPELLINGS)


MEANINGS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"zero": sharding_meaning, "recompute": recompute_meaning, "flash": attention_meaning}
)
"""By the field of `tables.Layout` that a word is of."""
