"""From a framework as people write it to the stack of the catalog, by ordered patterns in `stack_patterns.csv`."""

import re
from dataclasses import dataclass
from functools import cache

from steelyard.catalog import Catalog, load
from steelyard.evidence.runs.run import Run

NATIVE = re.compile(r"flash_?att\w*_?3|\bfa3\b|cudnn|transformer ?engine|\bte\b")
LEGACY = re.compile(r"flash_?att\w*_?2|\bfa2\b|\btriton\b")
"""Attention kernels of Hopper's and later generations, and older ones, as rows name them."""

FLASH_2 = "2023-07"
"""FlashAttention-2 was published in July 2023 (arXiv 2307.08691)."""


@dataclass(frozen=True, slots=True)
class StackRule:
    """What a framework's name implies where a published row is silent."""

    pattern: re.Pattern[str]
    until: str  # last year for which the rule holds; empty: always
    stack: str
    sharding: str
    sequence_parallel: float
    states: str  # mixed: fp32 master copy and moments; bf16: everything in 16 bits
    recompute: str  # where unstated: full, or empty for whatever fits
    adapters: str  # what LoRA adapts: attention or all (every linear layer)
    dropout: float  # 1: trains with dropout masks unless its model is of a family that does not
    stages: str  # even: equal blocks a pipeline stage; cost: equal parameters, output projection included
    memory_metric: str  # what its logs print
    grad_bytes: float  # of one parameter, where its recipes keep gradients otherwise than the stack; 0: as the stack
    chunk_layers: float  # layers of one chunk where interleaving is the recipe and unstated; 0: no interleaving
    fp32: str  # what runs its fp32 products: tf32 in NVIDIA's containers, fp32 in PyTorch as installed


def stack_rule(framework: str, date: str) -> StackRule:
    """Return the first rule that a framework's text meets; the last rule meets every text.

    >>> [stack_rule(text, "2025-01").stack for text in ("NeMo 25.04.rc2", "Megatron-DeepSpeed", "torchtitan FSDP2")]
    ['megatron-core', 'megatron-deepspeed', 'fsdp2']
    >>> dated = (("Megatron-LM", "2021-04"), ("Megatron-LM", "2024-07"), ("in-house", ""))
    >>> [stack_rule(text, date).stack for text, date in dated]
    ['megatron-lm', 'megatron-core', 'any']
    """
    year = date[:4] or "9999"
    return next(row for row in _rules(load()) if (not row.until or year <= row.until) and row.pattern.search(framework))


def row_constants(case: Run) -> dict[str, float]:
    """Return the constants of `tables.Stack` that a row or its framework states otherwise than its stack.

    A loss computed in chunks (Liger; prime-rl's RL trainer never forms whole logits) or on 16-bit logits with an fp32
    copy (fused cross-entropy); gradients kept in 16 bits; the attention kernel that a row names, and before July 2023
    the first FlashAttention (half the rate of the second to 0.77 of it: Dao 2023, arXiv 2307.08691).

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> row_constants(blank_run(stack="LLaMA-Factory + Liger")), row_constants(blank_run(stack="NeMo 25.04"))
    ({'fused_loss': 1.0}, {'grad_bytes': 2.0})
    >>> row_constants(blank_run(note="flash_attention_2")), row_constants(blank_run(note="kernels: TE + DeepEP"))
    ({'attention_native': 0.0}, {'attention_native': 1.0})
    """
    text = f"{case.stack} {case.note}".lower()
    found = {"fused_loss": 1.0} if "liger" in text or "rl trainer" in text else {}
    if "fused cross-entropy" in text:
        found["logit_bytes"] = 6.0
    if "optimizer step not included" in text:
        found["step_host_s"] = 0.0
    if NATIVE.search(text):
        found["attention_native"] = 1.0
    elif LEGACY.search(text):
        found["attention_native"] = 0.0
    elif case.date and case.date < FLASH_2:
        found["attention_share"] = 0.6
    gradients = stack_rule(case.stack, case.date).grad_bytes
    return found | ({"grad_bytes": gradients} if gradients else {})


@cache
def _rules(catalog: Catalog) -> tuple[StackRule, ...]:
    return tuple(
        StackRule(
            pattern=re.compile(row["pattern"], re.IGNORECASE),
            until=row["until"],
            stack=row["stack"],
            sharding=row["sharding"],
            sequence_parallel=float(row["sequence_parallel"]),
            states=row["states"],
            recompute=row["recompute"],
            adapters=row["adapters"],
            dropout=float(row["dropout"]),
            stages=row["stages"],
            memory_metric=row["memory_metric"],
            grad_bytes=float(row["grad_bytes"]),
            chunk_layers=float(row["chunk_layers"]),
            fp32=row["fp32"],
        )
        for row in catalog.stack_patterns
    )
