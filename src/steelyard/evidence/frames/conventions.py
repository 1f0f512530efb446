"""What a published TFLOP/s or MFU counts. At least four conventions are in use; each is told from the row's own words.

Matrix products: 6 FLOPs per parameter and token (8 with full recompute). Attention: 12 L h s per token in full,
6 L h s where only the causal half is counted, or nothing. Recompute: counted (hardware FLOPs) or not (model FLOPs).
"""

import re
from dataclasses import dataclass

from steelyard.evidence.runs.run import Run
from steelyard.strategies.denial import named
from steelyard.workload import Architecture

UNSTATED = re.compile(r"unstated|not stated|^n/a$|^none|peak not stated|^$")
NO_ATTENTION = re.compile(r"params\*tokens|6n only|6 ?nd\b")
CAUSAL = re.compile(r"(?<!non-)(?<!non )(?<!\()causal")
FULL = re.compile(
    r"non-causal|full attention|attention term full|12 ?l|96 ?b|2104\.04473|2205\.05198|narayanan|megatron"
)
RECOMPUTED = re.compile(r"incl\w*\.? (?:full |activation )?(?:recompute|checkpointing)|hardware|with recompute")
WHEN_ON = re.compile(r"recompute when on|with recompute, 6\*? without")


@dataclass(frozen=True, slots=True)
class FlopConvention:
    """How a published figure counts: shares of attention (1 full, 0.5 causal, 0 none) and the recompute factor."""

    attention: tuple[float, ...]  # more than one: the text does not say
    recompute: float  # 4/3 where a second forward pass is counted


def flop_convention(text: str, recompute: str) -> FlopConvention | None:
    """Return the convention that a row names, or None where it names none.

    >>> flop_convention("model FLOPs, causal attention, no recompute", "unknown")
    FlopConvention(attention=(0.5,), recompute=1.0)
    >>> flop_convention("hardware FLOPs incl. full recompute (96 B s l h^2 form)", "full").recompute
    1.3333333333333333
    >>> flop_convention("not stated; about 6N", "full") is None
    True
    """
    plain = text.lower()
    if UNSTATED.search(plain):
        return None
    counted = (
        4 / 3 if RECOMPUTED.search(plain) and not re.search(r"no re(compute|mat)|excl\. recompute", plain) else 1.0
    )
    if WHEN_ON.search(plain):
        if recompute not in ("none", "full"):
            return None
        counted = 4 / 3 if recompute == "full" else 1.0
    if NO_ATTENTION.search(plain):
        return FlopConvention((0.0,), counted)
    if FULL.search(plain):
        return FlopConvention((1.0,), counted)
    return FlopConvention((0.5,) if CAUSAL.search(plain) else (1.0, 0.5), counted)


@dataclass(frozen=True, slots=True)
class FrameworkCount:
    """What the log of one framework counts, up to a month; the last of a framework holds from then on."""

    pattern: str  # of the framework's name
    until: str  # yyyy-mm, the last month; empty: now
    attention: tuple[float, ...]
    when_on: bool  # a second forward pass is counted where it is run
    source: str


FRAMEWORK_COUNTS = (
    FrameworkCount(
        "maxtext", "2025-06", (1.0,), False, "AI-Hypercomputer/maxtext, calculate_tflops_training_per_device: 12 L h s"
    ),
    FrameworkCount("maxtext", "", (0.5,), False, "the same since July 2025: causal_attention_flops, half of it"),
    FrameworkCount("megatron-?bridge", "", (0.5,), False, "NVIDIA-NeMo/Megatron-Bridge, flop_utils: causal mask, half"),
    FrameworkCount(
        "deepspeed.*megatron|megatron.*deepspeed|gpt-?neox|metaseq|internevo|colossal",
        "",
        (1.0,),
        True,
        "get_megatron_flops and its copies: checkpoint_activations_factor is 4 with checkpointing, else 3",
    ),
    FrameworkCount("megatron|mcore", "2022-12", (1.0,), True, "arXiv 2104.04473, appendix"),
    FrameworkCount(
        "megatron|mcore",
        "2024-12",
        (1.0,),
        False,
        "NVIDIA/Megatron-LM, num_floating_point_operations: 12 B s L h^2, s/h",
    ),
    FrameworkCount("torchtitan", "", (1.0,), False, "pytorch/torchtitan, get_num_flop_per_token: 6 N + 12 L h q t"),
    FrameworkCount("nanogpt|nanochat", "", (1.0,), False, "karpathy/nanoGPT, estimate_mfu: 6 N + 12 L H Q T"),
    FrameworkCount("llm-?foundry|composer|mosaic", "", (1.0,), False, "mosaicml/llm-foundry, benchmarking: 12 L h s^2"),
)
"""Later Megatron-core halves attention (a causal mask), from a release of 2025 on: its runs of that year are open."""


def framework_convention(stack: str, date: str, recompute: str) -> FlopConvention | None:
    """Return what the log of a framework counted at a date; None where that is not known.

    >>> framework_convention("MaxText", "2024-04", "full").attention, framework_convention("MaxText", "2025-09", "full")
    ((1.0,), FlopConvention(attention=(0.5,), recompute=1.0))
    >>> framework_convention("GPT-NeoX", "2023-01", "full").recompute, framework_convention("in-house", "", "none")
    (1.3333333333333333, None)
    """
    month = date[:7] or "9999"
    found = [one for one in FRAMEWORK_COUNTS if named(one.pattern, stack)]
    first = found[0].pattern if found else ""
    counts = next((one for one in found if one.pattern == first and month <= (one.until or "9999")), None)
    if counts is None or (counts.when_on and recompute not in ("none", "full")):
        return None
    return FlopConvention(counts.attention, 4 / 3 if counts.when_on and recompute == "full" else 1.0)


def run_convention(run: Run) -> tuple[FlopConvention | None, bool]:
    """Return what a row's figures count, and whether that is its framework's usual count rather than its own words."""
    stated = flop_convention(run.flop_convention, run.recompute)
    usual = framework_convention(run.stack, run.date, run.recompute)
    if stated is None:
        return usual, usual is not None
    if len(stated.attention) > 1 and usual is not None:
        return FlopConvention(usual.attention, stated.recompute), True
    return stated, False


def attention_flop(arch: Architecture, sequence: float) -> float:
    """Return the FLOPs of a token's attention scores in a full square, forward and backward: 12 L h s."""
    return float(6 * arch.attention_layers * arch.heads * (arch.head_dim + arch.v_head_dim) * sequence)


def matrix_params(arch: Architecture) -> float:
    """Return the parameters that a token is multiplied with: its experts and the output projection, no look-up."""
    tied = arch.vocab * arch.hidden * (arch.head_params == 0)
    return float(arch.active_params - arch.embedding_params + tied)
