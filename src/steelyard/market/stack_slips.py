"""Slips of the pen in the names of stacks: a word that is nearly a known one, and yet is met by its pattern."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from steelyard.catalog.stack_names import StackRule

ALIKE_FROM = 0.85
"""From here on a word is taken for a slip of another: chosen, one letter in six."""

_WORD = re.compile(r"[a-z][a-z0-9._-]*[a-z0-9]")
_VERSION = re.compile(r"[-_.]v?\d[\d.]*.*$")
"""A version that is written apart: torchtune-0.6, nemo-v2."""


def slip_of_name(rules: Iterable[StackRule], names: Collection[str], text: str) -> tuple[str, str] | None:
    """Return a word of a stack's name that is nearly one that names it, and that one; None where each is as known.

    A number behind a known word is a slip, too: it is a version where it stands apart, and else it may be a stage.

    Args:
        rules: of the catalog, in their order.
        names: of its stacks.
        text: the name as somebody writes it.

    >>> from steelyard.catalog import load
    >>> def slip(text):
    ...     return slip_of_name(load().stack_rules, load().stack_files, text)
    >>> slip("fsdp22"), slip("Megatron-coree 0.9"), slip("deepspeed3")
    (('fsdp22', 'fsdp2'), ('megatron-coree', 'megatron-core'), ('deepspeed3', 'deepspeed'))
    >>> [slip(one) for one in ("NeMo 25.04", "torchtune-0.6", "DeepSpeed ZeRO-3", "PyTorch FSDP + Transformer Engine")]
    [None, None, None, None]
    """
    patterns = [rule.pattern for rule in rules if rule.pattern.pattern]
    written = {word for one in patterns for word in re.findall("[a-z][a-z0-9-]{2,}[a-z0-9]", one.pattern.lower())}
    known, plain = sorted({*written, *names}), text.lower()
    met = [found.span() for one in patterns for found in one.finditer(plain)]
    for found in _WORD.finditer(plain):
        word = found[0]
        if not any(start < found.end() and found.start() < stop for start, stop in met):
            continue
        if any(_is_known(one, known, patterns) for one in (word, _VERSION.sub("", word))):
            continue
        near = get_close_matches(word, known, 1, ALIKE_FROM)
        bare = re.sub(r"\d+$", "", word)
        if not near and bare != word and _is_known(bare, known, patterns):
            near = [bare]
        if near:
            return word, near[0]
    return None


def _is_known(word: str, names: Collection[str], patterns: Iterable[re.Pattern[str]]) -> bool:
    return word in names or any(one.fullmatch(word) for one in patterns)
