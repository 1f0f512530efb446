"""Switches of training scripts that a job says in fields of its own: kernels, offload, stages of training, nothing."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from steelyard.errors import BadInput
from steelyard.job.spelled.widths import OFF, ON
from steelyard.job.training import task_meaning

LIGER_NAMES = ("use_liger_kernel", "enable_liger_kernel", "use_liger", "liger")
"""Switches of `TrainingArguments`, LLaMA-Factory and ms-swift. Liger replaces norms, rotary embeddings, the gated MLP
and, by default, the loss: a linear layer fused with its cross-entropy (github.com/linkedin/Liger-Kernel transformers/
monkey_patch.py, fused_linear_cross_entropy=True)."""

COMPILE_NAMES = ("torch_compile", "compile")
OFFLOADING_NAMES = ("enable_activation_offloading", "activation_offloading")
"""Switches of torchtune and TRL: tensors that the backward pass needs wait on the host."""

_SAVES = ("recompute", "gradient_checkpointing", "activation_checkpointing", "use_gradient_checkpointing")
_MEANS = MappingProxyType({"sft": "", "pt": "continued_pretrain"})
SWITCH_NAMES = (*LIGER_NAMES, *COMPILE_NAMES, *OFFLOADING_NAMES, "stage", "quantization_method", "quant_method")

MAY_BE_EMPTY = frozenset(
    {
        "fsdp", "fsdp_config", "fsdp_plugin", "deepspeed", "deepspeed_config", "zero_optimization", "modules_to_save",
        "lora_modules_to_save", "additional_target", "use_dora", "peft_use_dora", "gptq",
    }
)  # fmt: skip
"""Keys that say nothing where they are empty or off, as examples of axolotl and LLaMA-Factory leave them."""


def without_empty(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given without keys that are empty and so say nothing.

    >>> without_empty({"model": "gpt2", "fsdp": None, "deepspeed": "", "modules_to_save": [], "tokens": None})
    {'model': 'gpt2', 'tokens': None}
    """
    return {name: value for name, value in named.items() if name not in MAY_BE_EMPTY or not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return value is None or value is False or str(value).strip().lower() in ("", "[]", "{}", "null", "none", "false")


def switched(named: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a job with what switches of its script say.

    Args:
        named: what is given, by plain names.
        where: what messages call it.

    Raises:
        BadInput: a stage of training that no formula is of

    >>> switched({"stack": "trl", "use_liger_kernel": True, "torch_compile": False}, "job")
    {'stack': 'trl + Liger'}
    >>> switched({"use_liger_kernel": "true"}, "job")
    {'loss': 'fused-linear', 'recipe': 'kernels=fused'}
    >>> switched({"activation_offloading": True}, "job"), switched({"gradient_checkpointing": "unsloth"}, "job")
    ({'recipe': 'activations=host'}, {'gradient_checkpointing': 'full', 'recipe': 'activations=host'})
    >>> switched({"stage": "sft", "task": "lora"}, "job"), switched({"stage": 3}, "job")
    ({'task': 'lora'}, {'zero_stage': 3})
    >>> switched({"stage": "dpo"}, "job")
    Traceback (most recent call last):
    steelyard.errors.BadInput: job: stage is dpo, of which no formula is; write stage: sft for a step that ...
    """
    found = {name: value for name, value in named.items() if name not in SWITCH_NAMES}
    found |= _task_of_stage(named, found, where)
    if _is_on(named, LIGER_NAMES):
        _add(found, " + Liger", {"loss": "fused-linear"}, "kernels=fused")
    if _is_on(named, COMPILE_NAMES):
        _add(found, " + torch.compile", {}, "kernels=fused")
    again = next((name for name in _SAVES if str(named.get(name)).lower() == "unsloth"), "")
    if again:
        found[again] = "full"
    if again or _is_on(named, OFFLOADING_NAMES):
        with_recipe(found, "activations=host")
    if kind := str(named.get("quantization_method") or named.get("quant_method") or "").lower():
        _check_method(kind, where)
    return found


def _is_on(named: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return any(str(named.get(name)).lower() in ON for name in names)


def _add(found: dict[str, Any], kernels: str, fields: Mapping[str, str], recipe: str) -> None:
    """Add kernels to the name of a stack, which all readers of kernels read; without one, fields that say as much."""
    if found.get("stack"):
        found["stack"] = f"{found['stack']}{kernels}"
        return
    for name, value in fields.items():
        found.setdefault(name, value)
    with_recipe(found, recipe)


def with_recipe(found: dict[str, Any], setting: str) -> None:
    """Add a setting to the recipe of a job unless it says that one otherwise.

    >>> job = {"recipe": {"states": 16}}
    >>> with_recipe(job, "kernels=fused")
    >>> job
    {'recipe': {'states': 16, 'kernels': 'fused'}}
    """
    given, (name, value) = found.get("recipe") or "", setting.split("=")
    if isinstance(given, Mapping):
        found["recipe"] = {name: value, **given} if name in given else {**given, name: value}
    elif not re.search(rf"(?:^|,)\s*{name}\s*=", str(given)):
        found["recipe"] = ",".join(filter(None, (str(given), setting)))


def _task_of_stage(named: Mapping[str, Any], found: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what a stage says: LLaMA-Factory's of training, whose adapters are LoRA by default; a number ZeRO's.

    Source: github.com/hiyouga/LLaMA-Factory hparams/finetuning_args.py: stage sft, finetuning_type lora.
    """
    stage = str(named.get("stage") if named.get("stage") is not None else "").strip().lower()
    if re.fullmatch("[0-3]", stage):
        return {"zero_stage": named["stage"]}
    if stage in ("", *OFF):
        return {}
    if stage not in _MEANS:
        way = "write stage: sft for a step that trains one model on texts, zero_stage: 2 for a ZeRO stage"
        raise BadInput(f"{where}: stage is {stage[:40]}, of which no formula is; {way}")
    if found.get("task") is None:
        return {"task": "lora"}
    return {"task": _MEANS[stage]} if _MEANS[stage] and task_meaning(str(found["task"])) == "full_ft" else {}


def _check_method(kind: str, where: str) -> None:
    if kind not in ("bnb", "bitsandbytes", "none", *OFF):
        way = "write recipe: quantised=int4-g128 (GPTQ, AWQ), quantised=int8 (EETQ), or the type that it is"
        raise BadInput(f"{where}: quantization_method is {kind[:40]}, whose bits are not read; {way}")
