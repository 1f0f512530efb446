"""How the experts of a rank are launched by a stack as somebody writes it, in a month: what its releases have."""

from collections.abc import Mapping

from steelyard.catalog.stack_names import StackRule
from steelyard.catalog.stacks import StackFile
from steelyard.strategies.denial import denied, named
from steelyard.strategies.experts import EXPERT_LAUNCHES, LOOP, PRODUCTS

GROUPS = r"grouped[ _-]?(?:gemm|mm|mat ?mul)|megablo\w+|ragged[ _-]?dot|scattermoe"
"""How people write that products of experts are grouped."""


def expert_launches(rule: StackRule, files: Mapping[str, StackFile], text: str, date: str = "") -> dict[str, float]:
    """Return the constant of launches of experts, of `tables.Stack`; nothing where it is that of the stack today.

    Args:
        rule: what the name of the stack implies.
        files: of the stacks.
        text: its name, and what else is written of it.
        date: of the run, yyyy-mm; empty: now.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> catalog = load()
    >>> def launched(text, date=""):
    ...     rule = rule_of_name(catalog.stack_rules, text, date)
    ...     return expert_launches(rule, catalog.stack_files, text, date)
    >>> launched("HF Trainer"), launched("HF Trainer", "2024-03"), launched("torchtitan", "2025-10")
    ({}, {'expert_launches': 1.0}, {})
    """
    plain, file = text.lower(), files.get(rule.stack)
    releases = file.experts if file is not None else ()
    own = rule.experts or next((launch for until, launch in releases if date and date <= until), "")
    if denied(GROUPS, plain):
        own = LOOP
    elif named(GROUPS, plain) and own == LOOP:
        own = PRODUCTS
    return {"expert_launches": EXPERT_LAUNCHES[own]} if own and (not releases or own != releases[-1][1]) else {}
