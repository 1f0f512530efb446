"""From a framework as people write it to the stack of the catalog, by the ordered patterns of `data/stacks/*.yaml`."""

import re

from steelyard.catalog import Catalog
from steelyard.catalog.stack_names import StackRule, rule_of_name
from steelyard.evidence.runs.run import Run

NATIVE = re.compile(r"flash_?att\w*_?3|\bfa3\b|cudnn|transformer ?engine|\bte\b")
LEGACY = re.compile(r"flash_?att\w*_?2|\bfa2\b|\btriton\b")
"""Attention kernels of Hopper's and later generations, and older ones, as rows name them."""

FUSED = re.compile(
    r"liger|foak|unsloth|thunderkittens|transformer engine|\b(?:native|fused|custom|triton) kernels|torch\.?compile"
    r"|\bcompiled\b|\bcompile(?:=true| on\b)|fused (?:rms|rope|rotary|norm)"
)
EAGER = re.compile(
    r"eager kernels|\b(?:no|not|without|w/o) (?:torch\.?)?compil|\buncompiled"
    r"|compile(?: is|[=:])? ?(?:off|false|disabled)\b"
)
KEPT_16 = re.compile(r"no upcast|without upcast|gptq|unsloth|prepare_model_for_kbit_training=(?:false|no|off)")
"""How rows say that norms and rotary embeddings are fused, that they are not, and that a quantised base and what
surrounds it stay in 16 bits: LoRA over GPTQ does not pass PEFT's preparation, and Unsloth has its own."""

EAGER_SCALE, UPCAST_SCALE, CORE_SCALE = "eager_scale", "upcast_scale", "attention_upcast_scale"

FLASH_2 = "2023-07"
"""FlashAttention-2 was published in July 2023 (arXiv 2307.08691)."""


def stack_rule(framework: str, date: str, catalog: Catalog) -> StackRule:
    """Return what a framework's name implies for a run of a date (`catalog.stacks.rule_of_name`)."""
    return rule_of_name(catalog.stack_rules, framework, date)


def slow_kernels(run: Run, rule: StackRule, precision: str) -> frozenset[str]:
    """Return which constants of `tables.Stack` that say what kernels take beyond fused 16-bit ones hold for a run.

    `eager_scale`: norms, rotary embeddings and the loss are kernels of their own, as the row says, else as the rule of
    its framework. `upcast_scale`: hidden states over a quantised base are in fp32 (PEFT's
    `prepare_model_for_kbit_training`). `attention_upcast_scale`: so is attention, as no autocast casts them back where
    the card has no bf16 and products are in fp16.

    Args:
        run: stack, note and task.
        rule: what its framework implies where it is silent.
        precision: of its products.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.catalog import load
    >>> trainer = stack_rule("HF Trainer", "", load())
    >>> told = blank_run(stack="HF Trainer", task="qlora"), blank_run(task="qlora", note="GPTQ 4-bit base; foak")
    >>> [sorted(slow_kernels(run, trainer, "bf16")) for run in told]
    [['eager_scale', 'upcast_scale'], []]
    """
    text = f"{run.stack} {run.note} {run.loss}".lower()
    eager = bool(EAGER.search(text)) or (rule.kernels == "eager" and not FUSED.search(text))
    upcast = run.task == "qlora" and rule.upcast == 1 and not KEPT_16.search(text)
    found = {EAGER_SCALE: eager, UPCAST_SCALE: upcast, CORE_SCALE: upcast and precision == "fp16"}
    return frozenset(name for name, holds in found.items() if holds)


def kernel_constants(run: Run, rule: StackRule, precision: str, catalog: Catalog) -> dict[str, float]:
    """Return the constants of `slow_kernels` for a run: 1 of those that do not hold, whatever its stack has.

    What slow kernels take is fitted to the runs of every stack that has them: a row that says `no compile` of a stack
    whose kernels are otherwise fused takes that, too.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.catalog import load
    >>> def eager(text):
    ...     return kernel_constants(blank_run(stack=text), stack_rule(text, "", load()), "bf16", load())["eager_scale"]
    >>> eager("NeMo 25.04"), eager("torchtitan, no compile") == eager("HF Trainer") > 1.5
    (1.0, True)
    """
    slow = slow_kernels(run, rule, precision)
    return {
        name: _slow_scale(name, catalog) if name in slow else 1.0 for name in (EAGER_SCALE, UPCAST_SCALE, CORE_SCALE)
    }


def _slow_scale(quantity: str, catalog: Catalog) -> float:
    """Return the one fitted value of a constant of slow kernels; 1 where no stack has any."""
    found = (row.value for (_, _, name), row in catalog.stacks.items() if name == quantity and row.value != 1)
    return next(found, 1.0)


def row_constants(run: Run, rule: StackRule) -> dict[str, float]:
    """Return the constants of `tables.Stack` that a row states otherwise than its stack, memory's recipe apart.

    The attention kernel that a row names, and before July 2023 the first FlashAttention (half the rate of the second to
    0.77 of it: Dao 2023, arXiv 2307.08691); gradients kept in 16 bits, which cross the network so.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.catalog import load
    >>> nemo, other = (stack_rule(name, "", load()) for name in ("NeMo 25.04", ""))
    >>> row_constants(blank_run(stack="NeMo 25.04"), nemo)
    {'grad_bytes': 2.0}
    >>> [row_constants(blank_run(note=note), other) for note in ("flash_attention_2", "kernels: TE + DeepEP")]
    [{'attention_native': 0.0}, {'attention_native': 1.0}]
    """
    text = f"{run.stack} {run.note}".lower()
    found: dict[str, float] = {}
    if "optimizer step not included" in text:
        found["step_host_s"] = 0.0
    if NATIVE.search(text):
        found["attention_native"] = 1.0
    elif LEGACY.search(text):
        found["attention_native"] = 0.0
    elif run.date and run.date < FLASH_2:
        found["attention_share"] = 0.6
    return found | {name: value for name, value in rule.recipe if name == "grad_bytes"}
