"""How people write the names of software stacks, and what a name implies where a run does not say."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from steelyard.catalog.schema import Fitted
from steelyard.strategies.denial import affirmed, denied, named
from steelyard.strategies.experts import AS_THE_REST, EXPERT_LAUNCHES, EXPERT_TENSOR_RULES, GROUPED
from steelyard.strategies.recipe import COMPILE, KBIT, LIGER
from steelyard.strategies.settings import SPELLINGS, spelled_number
from steelyard.tables import Recipe

FALLBACK = "any"
"""The stack that nobody named."""

_CONTAINER = re.compile(
    r"(?:\b(?:in|on|inside|from|with)\b\s*)?(?:\bthe\s+)?(?:nvcr\.io/\S+"
    r"|\b(?:ngc|nvidia|nemo|pytorch|jax|rocm)\b[^,;()+]{0,30}\b(?:container|image|docker)s?\b[\s\d.:v-]*)",
    re.IGNORECASE,
)
"""A container beside what runs in it: `in the NeMo container 25.02`, `nvcr.io/nvidia/nemo:25.02`."""

_OF_MODELS = re.compile(r"\b(?:hf|hugging ?face|transformers)[ -]+model(?:s|l?ing)?\b", re.IGNORECASE)
"""Where the code of a model is from, beside what trains it."""

_EAGER_ATTENTION = re.compile(r"\beager[ _-]+(?:sdpa\b|att\w*)|\batt\w*(?:[ _]impl\w*)?[\"' ]*[=:( ][\"' ]*eager\b")
"""The word eager about attention alone: it names no framework."""

_ANY_WORD = r"(?!(?:no|not|without|with|and|or|w)\b)[a-z][a-z0-9.+]*"


@dataclass(frozen=True, slots=True)
class StackRule:
    """One way to write a stack's name, and what it implies where a measured run is silent."""

    stack: str
    pattern: re.Pattern[str]
    order: float  # rules are tried from the lowest on
    until: str = ""  # last year for which the rule holds; empty: always
    sharding: str = "1"
    sequence_parallel: float = 1.0
    states: str = "mixed"  # fp32 master copy and moments; bf16: all in 16 bits; open: so in rows, but scripts differ
    recompute: str = ""  # where unstated: full, or empty for whatever fits
    adapters: str = "attention"  # what LoRA adapts, of job.models.adapters.USUAL_TARGETS
    rank: float = 8.0  # of LoRA
    library: str = ""  # whose defaults these are, whatever shards its models: DeepSpeed, FSDP or nothing
    alone: float = 0.0  # 1: shards nothing, on a device or among several: each has the whole of the states
    engine: float = 0.0  # 1: shards the models of a library, whose defaults hold where it is named beside it
    dropout: float = 0.0  # 1: trains with dropout masks unless its model is of a family that does not
    partition: str = "even"  # of its pipelines, where unstated (`strategies.partition`)
    expert_tensor: str = AS_THE_REST  # of experts, where unstated: that of its stack unless the name has its own
    experts: str = ""  # how its experts are launched, of strategies.experts.EXPERT_LAUNCHES; empty: as its stack's are
    memory_metric: str = "unknown"  # what its logs print
    recipe: tuple[tuple[str, float], ...] = ()  # entries of `tables.Recipe` in which it differs from its stack
    kernels: str = "fused"  # of norms, rotary embeddings and the loss; eager: one each, as models are published
    upcast: float = 0.0  # of its scripts, that make norms over a quantised base, and so hidden states, fp32
    cast_back: float = 0.0  # 1: of these, embeddings and head go back to bf16 over a base of 4 bits
    wide_embeddings: str = ""  # yyyy-mm from which states of embeddings are of 32 bits beside 8-bit ones; empty: never
    fp32: str = "fp32"  # what runs its fp32 products: tf32 in NVIDIA's containers, fp32 in PyTorch as installed
    why: str = ""


EAGER_SCALE, UPCAST_SCALE, CORE_SCALE = "eager_scale", "upcast_scale", "attention_upcast_scale"
"""Constants of `tables.Stack` that say what kernels take beyond fused 16-bit ones."""

FUSED = (
    rf"{LIGER}|foak|unsloth|thunderkittens|transformer engine|\b(?:native|fused|custom|triton) kernels"
    r"|fused (?:rms|rope|rotary|norm)"
)
EAGER = r"\beager[ -](?:kernels|mode)|\buncompiled"
UPCAST = rf"(?<!fp32 )\bupcast(?!_(?:layernorm|lmhead))|{KBIT.pattern}"
KEPT_16 = r"gptq|awq|aqlm|hqq|eetq|int4-g128|unsloth|unquantised=16"
"""How people write that norms and rotary embeddings are fused, that they are not, and that a quantised base and what
surrounds it stay in 16 bits: PEFT's preparation leaves such bases out, and Unsloth has its own."""
UPCAST_NORMS = r"\bupcast_layernorm[\"' ]*[=:][\"' ]*true|unquantised=fp32-norms"
"""How people switch that on of norms alone, in LLaMA-Factory (src/llamafactory/hparams/model_args.py)."""
OPEN_UPCAST = 0.5
"""Of scripts that nobody describes, those that prepare a quantised base as the guide of PEFT says (huggingface.co/docs/
peft, quantization): chosen."""

IN_PLACE = r"unsloth|\b(?:fast|fused)[ _-]?lora|\blora_(?:mlp|qkv|o)_kernel"
IN_PLACE_PACKED = r"foak"
"""How people write that adapters are added in place: Unsloth, its kernels in axolotl (docs, lora_optims), and those in
fms-acceleration's foak, over a quantised base."""

_INPUT_PASSES, _OUTPUT_PASSES = (1 + 6) + (1 + 1 + 6 + 3), (1 + 2 + 3) + (2 + 2)
_INPUT_IN_PLACE, _OUTPUT_IN_PLACE = 1 + (1 + 1 + 2), 2 + (1 + 1 + 1)
ADAPTER_SHARE = (_INPUT_IN_PLACE + _OUTPUT_IN_PLACE) / (_INPUT_PASSES + _OUTPUT_PASSES)
"""Passes over memory of adapters that are added in place, over those of modules of their own: 10 of 28, 16 bits each,
forward + backward, the input and the output of a product being as wide.

Source: huggingface/peft tuners/lora/layer.py, `result + lora_B(lora_A(dropout(x))) * scaling`. Input: it is read by A,
    and cast to fp32 and back (3 passes each); backward A reads and writes it once each, casts both ways, and its
    gradient is added to that of the product (3). Output: B writes it, scaling reads and writes, the sum reads two and
    writes one; backward scaling reads and writes, and both products of B read. unslothai/unsloth kernels/utils.py,
    `matmul_lora` (A reads the input, addmm_ reads and writes the output) and kernels/fast_lora.py, backward: both
    gradients of weights read the input and the output's gradient, that of the input reads the latter once more and
    adds in place.
Limits: products of rank-wide matrices take what they read; no dropout.
"""


def adapter_share(text: str, quantised: bool) -> dict[str, float]:
    """Return the constant of adapters that are added in place, where a text says that they are.

    Args:
        text: the name of a stack, and what else is written of it.
        quantised: whether the base is.

    >>> {name: round(share, 2) for name, share in adapter_share("Unsloth 2025.9", quantised=False).items()}
    {'adapter_share': 0.36}
    >>> adapter_share("HF Trainer + foak", quantised=False), adapter_share("HF Trainer, not Unsloth", quantised=True)
    ({}, {})
    """
    plain = text.lower()
    placed = named(IN_PLACE, plain) or (quantised and named(IN_PLACE_PACKED, plain))
    return {"adapter_share": ADAPTER_SHARE} if placed else {}


def slow_kernels(rule: StackRule, text: str, quantised: bool, precision: str) -> frozenset[str]:
    """Return which of the three constants of slow kernels hold for a stack as somebody writes it.

    `eager_scale`: norms, rotary embeddings and the loss are kernels of their own, as the text says, else as the rule.
    `upcast_scale`: hidden states over a quantised base are in fp32 (PEFT's `prepare_model_for_kbit_training`).
    `attention_upcast_scale`: so is attention, as no autocast casts them back where the card has no bf16 and products
    are in fp16.

    Args:
        rule: what the name of the stack implies.
        text: its name, and what else is written of it.
        quantised: whether the base is.
        precision: of the products.

    >>> from steelyard.catalog import load
    >>> names = ("HF Trainer", "unsloth", "HF Trainer + Liger")
    >>> [sorted(slow_kernels(rule_of_name(load().stack_rules, name), name, True, "bf16")) for name in names]
    [['eager_scale', 'upcast_scale'], [], ['upcast_scale']]
    """
    plain = text.lower()
    usual = rule.kernels == "eager" or (rule.stack == FALLBACK and quantised)  # mostly of PEFT
    compiled, fused = named(COMPILE, plain), named(FUSED, plain)
    eager = bool(named(EAGER, plain)) or (not fused and (denied(COMPILE, plain) or (usual and not compiled)))
    upcast = upcast_share(rule, text, quantised) > 0
    found = {EAGER_SCALE: eager, UPCAST_SCALE: upcast, CORE_SCALE: upcast and precision == "fp16"}
    return frozenset(name for name, holds in found.items() if holds)


def upcast_share(rule: StackRule, text: str, quantised: bool) -> float:
    """Return the share of the trainings that a text may mean in which norms over a quantised base are fp32.

    Args:
        rule: what the name of the stack implies.
        text: its name, and what else is written of it.
        quantised: whether the base is.

    >>> from steelyard.catalog import load
    >>> names = ("axolotl", "HF Trainer", "HF Trainer, prepare_model_for_kbit_training", "PEFT, no upcasting of norms")
    >>> [upcast_share(rule_of_name(load().stack_rules, name), name, True) for name in names]
    [0.0, 0.5, 1.0, 0.0]
    """
    plain = text.lower()
    if not quantised or named(KEPT_16, plain) or denied(UPCAST, plain):
        return 0.0
    if named(f"{KBIT.pattern}|{UPCAST_NORMS}", plain):
        return 1.0
    return OPEN_UPCAST if rule.stack == FALLBACK else rule.upcast


def upcast_entries(rule: StackRule, text: str, four_bits_in_bf16: bool) -> Mapping[str, float]:
    """Return the entries of a recipe of a training whose norms over a quantised base are fp32.

    PEFT's preparation makes all that is not quantised fp32; a switch, or a trainer that casts embeddings and the head
    back, leaves the norms.

    Args:
        rule: what the name of the stack implies.
        text: its name, and what else is written of it.
        four_bits_in_bf16: whether the base is of 4 bits and products are in bf16.

    Source: github.com/huggingface/trl trainer/utils.py, peft_module_casting_to_bf16, for a model that
        `is_loaded_in_4bit` under `args.bf16`.

    >>> from steelyard.catalog import load
    >>> trl = rule_of_name(load().stack_rules, "TRL")
    >>> [dict(upcast_entries(trl, text, True)) for text in ("TRL", "TRL, prepare_model_for_kbit_training")]
    [{'base_upcast': 1.0}, {'base_upcast': 1.0, 'frozen_bytes': 4.0}]
    """
    plain = text.lower()
    whole = named(KBIT.pattern, plain) or not (named(UPCAST_NORMS, plain) or (rule.cast_back and four_bits_in_bf16))
    return {name: size for name, size in KBIT.entries.items() if whole or name == "base_upcast"}


def kernel_scales(slow: Collection[str], fitted: Mapping[tuple[str, str, str], Fitted]) -> dict[str, float]:
    """Return the three constants of slow kernels where some of them hold; 1 of those that do not.

    What they take is fitted to the runs of every stack that has them: `no compile` of a stack whose kernels are
    otherwise fused costs that, too.

    >>> from steelyard.catalog import load
    >>> found = kernel_scales({"eager_scale"}, load().stacks)
    >>> found["eager_scale"] > 1.5, found["upcast_scale"]
    (True, 1.0)
    """
    names = (EAGER_SCALE, UPCAST_SCALE, CORE_SCALE)
    known = {name: row.value for (_, _, name), row in fitted.items() if name in names and row.value != 1}
    return {name: known.get(name, 1.0) if name in slow else 1.0 for name in names}


def rule_of_name(rules: Iterable[StackRule], text: str, date: str = "") -> StackRule:
    """Return the first rule that a text meets; the last rule meets every text.

    A container is where a library runs, and a model's code what it trains, neither is the library: their names count
    only where nothing else is written. A name that is denied, and a word about attention, name no stack.

    Args:
        rules: of the catalog, in their order.
        text: the name of a stack as somebody writes it, version and all.
        date: of the run, yyyy-mm; empty: now.

    >>> from steelyard.catalog import load
    >>> [rule_of_name(load().stack_rules, text).stack for text in ("NeMo 25.04.rc2", "torchtitan FSDP2", "in-house")]
    ['megatron-core', 'fsdp2', 'any']
    >>> [rule_of_name(load().stack_rules, text).stack for text in ("torchtitan in NeMo container 25.02", "torchtune")]
    ['fsdp2', 'torchtune']
    >>> [rule_of_name(load().stack_rules, "Megatron-LM", date).stack for date in ("2021-04", "2024-07")]
    ['megatron-lm', 'megatron-core']
    >>> texts = ("HF Trainer (eager attention)", "accelerate, no FSDP", "PyTorch eager (HF models)")
    >>> [rule_of_name(load().stack_rules, text).stack for text in texts]
    ['hf-trainer', 'hf-trainer', 'pytorch-eager']

    Where a library is named beside what shards its models, its own defaults stay:

    >>> made = rule_of_name(load().stack_rules, "ms-swift + DeepSpeed ZeRO-3")
    >>> made.stack, made.library, made.recompute, made.adapters
    ('deepspeed', 'ms-swift', 'full', 'all')
    """
    said = affirmed(_EAGER_ATTENTION.sub(" ", text.lower()), _ANY_WORD)
    year, bare = date[:4] or "9999", _OF_MODELS.sub(" ", _CONTAINER.sub(" ", said))
    name = re.sub(r"^\W+", "", bare if re.search("[a-z]{2}", bare) else said)
    met = (rule for rule in rules if (not rule.until or year <= rule.until) and rule.pattern.search(name))
    found = next(met)
    if date and date < found.wide_embeddings:
        found = replace(found, wide_embeddings="")
    return _with_library(found, next((rule for rule in met if rule.library), None)) if found.engine else found


def _with_library(engine: StackRule, library: StackRule | None) -> StackRule:
    """Return the rule of what shards, with the defaults of the library whose models it shards, if one is named.

    What states are made of and how they are sharded is the engine's; what is recomputed, what LoRA adapts and which
    kernels the model has is the library's.
    """
    if library is None:
        return engine
    kept = ("library", "recompute", "adapters", "rank", "kernels", "upcast", "cast_back", "dropout")
    return replace(engine, **{name: getattr(library, name) for name in kept})


def parse_rule(name: str, given: Mapping[str, Any]) -> StackRule:
    """Return one way to write the name of a stack, from its file; ValueError says what of it is wrong."""
    kinds = {field.name: field.type for field in fields(StackRule)}
    if unknown := given.keys() - kinds.keys():
        raise ValueError(f"unknown {sorted(unknown)} in names")
    recipe = given.get("recipe", {})
    if strange := recipe.keys() - {entry.name for entry in fields(Recipe)}:
        raise ValueError(f"unknown {sorted(strange)} in recipe")
    plain = {key: value for key, value in given.items() if key not in ("recipe", "pattern")}
    values: dict[str, Any] = {key: float(value) if kinds[key] is float else str(value) for key, value in plain.items()}
    values["recipe"] = tuple((key, float(value)) for key, value in recipe.items())
    values["pattern"] = _name_pattern(str(given["pattern"]))
    if str(given.get("partition", "even")) not in SPELLINGS["partition"]:
        raise ValueError(f"unknown partition {given['partition']!r}; known: {', '.join(SPELLINGS['partition'])}")
    if str(given.get("states", "mixed")) not in ("mixed", "bf16", "open"):
        raise ValueError(f"unknown states {given['states']!r}; known: mixed, bf16, open")
    if str(given.get("expert_tensor", AS_THE_REST)) not in EXPERT_TENSOR_RULES:
        raise ValueError(f"unknown expert_tensor {given['expert_tensor']!r}; known: {', '.join(EXPERT_TENSOR_RULES)}")
    if str(given.get("experts", GROUPED)) not in EXPERT_LAUNCHES:
        raise ValueError(f"unknown experts {given['experts']!r}; known: {', '.join(EXPERT_LAUNCHES)}")
    if str(given.get("kernels", "fused")) not in ("fused", "eager"):
        raise ValueError(f"unknown kernels {given['kernels']!r}; known: fused, eager")
    if not given["why"] or spelled_number("zero", str(given.get("sharding", "1"))) is None:
        raise ValueError("a name needs its reason (why), and sharding 0, 1, 2, 3, fsdp or hsdp")
    return StackRule(stack=name, **{"order": 0.0} | values)


def _name_pattern(text: str) -> re.Pattern[str]:
    """Return what finds a name as words of its own, digits of a version allowed after it.

    >>> [bool(_name_pattern("fsdp|trainer").search(text)) for text in ("torch FSDP2", "hf-trainer", "MyTrainer")]
    [True, True, False]
    """
    return re.compile(rf"(?<![a-z0-9])(?:{text})(?![a-z])" if text else "", re.IGNORECASE)
