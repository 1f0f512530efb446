"""Keys of training scripts that a job does without: those that cost nothing, and those that it has other fields for."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

_OF_UPDATES = (
    "learning_rate lr lr_scheduler lr_scheduler_type lr_scheduler_kwargs cosine_min_lr_ratio min_lr weight_decay "
    "warmup_steps warmup_ratio adam_beta1 adam_beta2 adam_epsilon max_grad_norm gradient_clipping optim_args "
    "neftune_noise_alpha loraplus_lr_ratio lora_alpha lora_bias bias task_type seed data_seed"
)
_OF_FILES = (
    "logging_steps logging_dir logging_strategy logging_first_step save_steps save_strategy save_total_limit "
    "save_only_model save_safetensors saves_per_epoch eval_steps eval_strategy evaluation_strategy evals_per_epoch "
    "per_device_eval_batch_size val_set_size val_size early_stopping_patience load_best_model_at_end do_train do_eval "
    "output_dir overwrite_output_dir run_name report_to plot_loss wandb_project wandb_entity wandb_name wandb_watch "
    "wandb_run_id wandb_log_model push_to_hub hub_model_id hub_strategy resume_from_checkpoint "
    "auto_resume_from_checkpoints"
)
_OF_TEXTS = (
    "datasets dataset dataset_dir dataset_prepared_path template chat_template special_tokens tokenizer_type "
    "model_type train_on_inputs remove_unused_columns preprocessing_num_workers overwrite_cache dataloader_num_workers "
    "dataloader_pin_memory trust_remote_code strict debug local_rank ddp_timeout bnb_4bit_compute_dtype "
    "gradient_checkpointing_kwargs"
)
PASSED_OVER = frozenset(f"{_OF_UPDATES} {_OF_FILES} {_OF_TEXTS}".split())
"""Keys of `TrainingArguments`, PEFT's `LoraConfig`, axolotl and LLaMA-Factory that neither the memory nor the time of a
step depends on; evaluations and checkpoints are those of a job's `policy`."""

_DEEPSPEED = (
    "write stack: deepspeed and layout: zero=3, with offload_optimizer zero=3,offload=1, with offload_param also "
    "recipe: weights=host (on drives: optimizer_states=nvme, weights=nvme)"
)
_WRITTEN_AS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("num_train_epochs", "num_epochs", "epochs"), "write tokens or samples of all epochs together")
    | dict.fromkeys(("max_steps", "train_iters", "num_steps"), "write tokens or samples of all steps together")
    | dict.fromkeys(("deepspeed", "deepspeed_config", "zero_optimization"), _DEEPSPEED)
    | dict.fromkeys(
        ("fsdp", "fsdp_config", "fsdp_plugin"), "write layout: zero=fsdp, with offload: zero=fsdp,offload=1"
    )
    | dict.fromkeys(
        ("modules_to_save", "lora_modules_to_save", "additional_target"),
        "whole modules are trained, which no formula of adapters is of; leave it out, or write task: full_ft",
    )
    | dict.fromkeys(
        ("recompute_modules", "recompute_num_layers", "recompute_method"),
        "write layout: recompute=selective for scores alone (core_attn), recompute=full for whole blocks; no formula "
        "is of other modules, nor of some blocks",
    )
    | {"max_train_samples": "write samples", "train_micro_batch_size_per_gpu": "write layout: mbs=2"}
    | {"train_batch_size": "write global_batch", "offload_optimizer": _DEEPSPEED, "offload_param": _DEEPSPEED}
)
_FULL = (
    "sequences are taken as full of text, none of it padding; write document_length, the mean length of a document, "
    "where documents are masked from each other"
)
NOTED: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("sample_packing", "packing", "pad_to_sequence_len"), _FULL)
    | {"max_samples": "it cuts a data set; tokens or samples of the job are what is trained on"}
    | dict.fromkeys(("use_dora", "peft_use_dora"), "counted as LoRA: norms of weights and their passes are left out")
)
"""Keys that are passed over, and what is taken instead."""

_NEAR = 0.7
"""Likeness of two names from which one may be a slip of the other; chosen."""


def passed_over_text(names: Iterable[str]) -> list[str]:
    """Return what is said of the keys of a job that are passed over: those that cost nothing in one.

    >>> passed_over_text(["model", "learning_rate", "seed"]), passed_over_text(["model"])
    (['passed over learning_rate, seed: no step depends on them'], [])
    """
    plain = list(names)
    found = [name for name in plain if name in PASSED_OVER]
    them = "them" if len(found) > 1 else "it"
    listed = [f"passed over {', '.join(found)}: no step depends on {them}"] if found else []
    return listed + [f"passed over {name}: {NOTED[name]}" for name in plain if name in NOTED]


def unknown_text(unknown: Collection[str], known: Collection[str], others: Collection[str]) -> str:
    """Return what is said of all keys that a job has not, each with what to write instead, or with a near name.

    Args:
        unknown: the keys.
        known: the fields of a job.
        others: other names of these.

    >>> unknown_text(["token"], ["tokens", "own"], []), unknown_text(["tokns", "epochs"], ["tokens"], [])[:39]
    ("unknown field 'token'; nearest: tokens", "unknown fields: 'tokns' (nearest: token")
    >>> unknown_text(["xyzzy"], ["tokens", "own"], [])
    "unknown field 'xyzzy'; a job has tokens, own"
    """
    ways = {name: _way(name, known, others) for name in unknown}
    if len(unknown) == 1:
        ((name, way),) = ways.items()
        return f"unknown field {name!r}; {way or 'a job has ' + ', '.join(known)}"
    listed = ", ".join(f"{name!r} ({way})" if way else repr(name) for name, way in ways.items())
    return f"unknown fields: {listed}" + ("" if all(ways.values()) else f"; a job has {', '.join(known)}")


def _way(name: str, known: Collection[str], others: Collection[str]) -> str:
    if name in _WRITTEN_AS:
        return _WRITTEN_AS[name]
    near = get_close_matches(name, known, 3, _NEAR) or get_close_matches(name, others, 3, _NEAR)
    return f"nearest: {', '.join(near)}" if near else ""
