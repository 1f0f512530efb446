"""Names of the fields of a job, and of the columns of a row, in job files and in configurations of other tools."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from steelyard.errors import BadInput
from steelyard.job.degrees import DEGREE_FIELDS, SETTING_ALIASES
from steelyard.job.spelled.bases import BASE_NAMES, base_fields
from steelyard.job.spelled.passed_over import NOTED, PASSED_OVER
from steelyard.job.spelled.switches import switched, without_empty
from steelyard.job.spelled.widths import ON, WIDTH_NAMES, width_fields

FIELD_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "deadline": "by",
        "budget_total": "budget",
        "max_carbon": "co2e_max",
        "infra": "regions",
        "max_global_batch": "global_batch_max",
        "min_global_batch": "global_batch_min",
    }
    | dict.fromkeys(("optimiser", "optim", "optimizer_type"), "optimizer")
    | dict.fromkeys(("batch", "batch_samples", "batch_sequences", "global_batch_size"), "global_batch")
    | {"mean_document_length": "document_length"}
    | dict.fromkeys(("seq_len", "sequence_length", "sequence_len", "sequence_tokens", "max_seq_length"), "sequence")
    | dict.fromkeys(("max_seq_len", "max_length", "cutoff_len", "block_size"), "sequence")
    | dict.fromkeys(("num_gpus", "n_gpus", "gpus", "gpu_count", "num_devices", "world_size"), "devices")
    | {"framework": "stack", "dtype": "precision", "base_model": "model", "model_name_or_path": "model"}
    | dict.fromkeys(("adapter", "finetuning_type", "train_type", "tuner_type"), "task")
)
"""Other names of a field: spellings, and those of `TrainingArguments`, TRL, axolotl and LLaMA-Factory."""

LORA_NAMES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("lora_rank", "lora_r", "r"), "rank")
    | {"lora_dropout": "dropout"}
    | dict.fromkeys(("lora_targets", "target_modules", "lora_target_modules", "lora_target"), "targets")
)
"""Settings of PEFT's `LoraConfig`, and their fields of `lora`."""

LOSS_SWITCHES = ("cut_cross_entropy", "liger_fused_linear_cross_entropy")
"""Switches of axolotl for a loss that never forms whole logits (arXiv 2411.09009; Liger)."""

ATTENTION_NAMES = ("flash_attn", "attn_impl", "attn_implementation")
"""Settings of LLaMA-Factory, ms-swift and Transformers, of which `auto` is whatever a stack takes by itself."""

LAYOUT_NAMES = frozenset({*DEGREE_FIELDS, *SETTING_ALIASES}) - {"devices"}
"""Names of settings of a layout."""


def folded_names(named: Mapping[str, Any], known: tuple[str, ...], where: str) -> dict[str, Any]:
    """Return the fields of a job with settings of other configurations in the fields that they belong to.

    Args:
        named: what is given, by plain names.
        known: the fields of a job.
        where: what messages call it.

    >>> given = {"model": "gpt2", "per_device_train_batch_size": 2, "gradient_checkpointing": True, "lora_r": 16}
    >>> folded_names(given, ("model", "layout", "lora"), "job")
    {'model': 'gpt2', 'layout': 'per_device_train_batch_size=2,gradient_checkpointing=True', 'lora': {'rank': 16}}
    >>> folded_names({"bf16": True, "task": "lora", "load_in_4bit": True}, ("task", "precision"), "job")
    {'task': 'lora', 'precision': 'bf16=True', 'recipe': 'quantised=nf4'}
    """
    named = switched(without_empty(_without_passed(named)), where)
    if "lora_target_linear" in named and str(named.pop("lora_target_linear")).lower() in ON:
        named.setdefault("lora_target", "all-linear")
    strange = [name for name in named if name not in known]
    found = {name: value for name, value in named.items() if name in known or not _is_folded(name)}
    if laid := {name: named[name] for name in strange if name in LAYOUT_NAMES}:
        found["layout"] = _with_settings(named.get("layout"), laid, where)
    if lora := {LORA_NAMES[name]: named[name] for name in strange if name in LORA_NAMES}:
        given = named.get("lora") or {}
        if not isinstance(given, Mapping) or set(given) & set(lora):
            raise BadInput(f"{where}: lora and {', '.join(sorted(lora))} of it are both given; keep one")
        found["lora"] = {**given, **lora}
    if any(str(named[name]).lower() in ON for name in LOSS_SWITCHES if name in strange):
        found.setdefault("loss", "fused-linear")
    found |= width_fields({name: named[name] for name in WIDTH_NAMES if name in strange}, found, where)
    return found | base_fields({name: named[name] for name in BASE_NAMES if name in strange}, found, where)


def _without_passed(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given without what costs nothing: such keys, and a kernel of attention that nobody chooses."""
    automatic = {name for name in ATTENTION_NAMES if str(named.get(name)).lower() == "auto"}
    return {name: value for name, value in named.items() if name not in {*PASSED_OVER, *NOTED, *automatic}}


def _is_folded(name: str) -> bool:
    return any(name in names for names in (WIDTH_NAMES, BASE_NAMES, LOSS_SWITCHES, LAYOUT_NAMES, LORA_NAMES))


def _with_settings(layout: Any, laid: Mapping[str, Any], where: str) -> Any:
    """Return a layout with settings that stand beside it; those that it has are given twice."""
    if isinstance(layout, Mapping):
        if both := {str(name) for name in layout} & set(laid):
            raise BadInput(f"{where}: {', '.join(sorted(both))} stands in layout and beside it; keep one")
        return {**layout, **laid}
    return ",".join(filter(None, (layout or "", *(f"{name}={value}" for name, value in laid.items()))))
