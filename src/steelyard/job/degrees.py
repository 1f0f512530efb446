"""Limits on the layout as people write them: `tp=2,pp=1,mbs=2,zero=1` or a mapping with lists of allowed values."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from steelyard.errors import BadInput, nearest
from steelyard.job.kept.meanings import MEANINGS, sharding_meaning
from steelyard.job.kept.offloads import offload_of_note
from steelyard.strategies.settings import NAMED, SPELLINGS, setting_name, setting_names, spelled_number

SETTING_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "tensor_parallel": "tp",
        "pipeline_parallel": "pp",
        "virtual_pipeline": "vpp",
        "context_parallel": "cp",
        "data_parallel": "dp",
        "expert_parallel": "ep",
        "expert_tensor_parallel": "etp",
        "tensor_model_parallel_size": "tp",
        "pipeline_model_parallel_size": "pp",
        "virtual_pipeline_model_parallel_size": "vpp",
        "context_parallel_size": "cp",
        "expert_model_parallel_size": "ep",
        "expert_tensor_parallel_size": "etp",
        "mbs": "micro_batch",
        "ga": "micro_batches",
        "shard": "shard_devices",
        "micro_batch_size": "micro_batch",
        "gas": "micro_batches",
        "grad_accumulation": "micro_batches",
        "zero_stage": "zero",
        "sequence_parallel": "sp",
        "flash_attention": "flash",
    }
    | dict.fromkeys(("per_device_train_batch_size", "per_device_batch_size"), "micro_batch")
    | dict.fromkeys(("gradient_accumulation_steps", "grad_accum"), "micro_batches")
    | dict.fromkeys(("gradient_checkpointing", "activation_checkpointing"), "recompute")
    | dict.fromkeys(("sharding", "sharding_strategy", "fsdp_sharding_strategy"), "zero")
    | dict.fromkeys(
        ("enable_activation_checkpointing", "use_gradient_checkpointing", "recompute_granularity"), "recompute"
    )
    | dict.fromkeys(("attn_implementation", "attn_impl", "flash_attn"), "flash")
    | {"local_batch_size": "micro_batch", "tensor_parallel_degree": "tp", "pipeline_parallel_degree": "pp"}
    | {"context_parallel_degree": "cp", "expert_parallel_degree": "ep", "expert_tensor_parallel_degree": "etp"}
    | {"tensor_parallel_dim": "tp", "context_parallel_dim": "cp"}
    | dict.fromkeys(("data_parallel_sharding_strategy",), "zero")
)
"""Other names of a setting, those of Megatron, DeepSpeed, torchtitan, torchtune and Hugging Face's `TrainingArguments`
among them. Each has one meaning, whoever writes it: a batch of a device, or a micro-batch, is what passes through one
replica at a time."""

_HIGHEST = MappingProxyType(
    {"zero": 3, "sp": 1, "flash": 1, "offload": 1}
    | {name: max(SPELLINGS[name].values()) for name in NAMED if name != "partition"}
)
_RANKS = ("devices", "tp", "pp", "vpp", "cp", "dp", "ep", "etp")
_DEGREES = (*_RANKS, "zero", "shard_devices", "micro_batch", "micro_batches")
FULLY_SHARDED = ("fsdp", "hsdp")
PIPED_ZERO = 2
"""Shardings that keep the gathered weights of a pipeline between its micro-batches, and the ZeRO stage that they then
are (torchtitan's `fsdp_reshard_after_forward: default`; Llama 3, arXiv 2407.21783, section 3.3.2)."""

PRINTED = frozenset({"tp", "pp", "dp", "micro_batch", "micro_batches", "zero"})
"""Settings that every printed layout has, by field of `tables.Layout`: one with all of them is whole, and what it
leaves out is not done."""

DEGREE_FIELDS = (*_DEGREES, "schedule", "sp", "recompute", "flash", "offload", "partition")


def parse_degrees(value: Any) -> Mapping[str, tuple[int, ...]]:
    """Return the allowed values of each layout field that is named.

    >>> dict(parse_degrees("tp=2,pp=1,mbs=2,zero=1"))
    {'tp': (2,), 'pp': (1,), 'micro_batch': (2,), 'zero': (1,)}
    >>> dict(parse_degrees({"tp": [1, 2, 4], "recompute": "full"}))
    {'tp': (1, 2, 4), 'recompute': (2,)}
    >>> dict(parse_degrees("per_device_train_batch_size=4,attn_implementation=sdpa,sharding=ZeRO-2"))
    {'micro_batch': (4,), 'flash': (1,), 'zero': (2,)}
    >>> dict(parse_degrees("pp=4,zero=fsdp")), dict(parse_degrees("pp=1,zero=fsdp"))
    ({'pp': (4,), 'zero': (2,)}, {'pp': (1,), 'zero': (3,)})
    >>> dict(parse_degrees("zero=ZeRO-3 offload"))
    {'zero': (3,), 'offload': (1,)}
    >>> dict(parse_degrees("pp=4,partition=ends"))
    {'pp': (4,), 'partition': (1,)}
    """
    pairs = value.items() if isinstance(value, Mapping) else [_pair(part) for part in _parts(value)]
    found: dict[str, tuple[int, ...]] = {}
    named: set[str] = set()
    offloads = False
    for name, given in pairs:
        plain = str(name).strip().lower().replace("-", "_")
        plain = SETTING_ALIASES.get(plain, plain)
        if plain not in DEGREE_FIELDS:
            near = nearest(plain, [*DEGREE_FIELDS, *SETTING_ALIASES]) or DEGREE_FIELDS
            raise BadInput(f"unknown layout field {name!r}; nearest: {', '.join(near)}")
        if plain in found:
            raise BadInput(f"layout gives {plain} twice; keep one, or list its values: {plain}: [1, 2]")
        listed = given if isinstance(given, list | tuple) else [given]
        found[plain] = tuple(_degree(plain, one) for one in listed)
        if not found[plain]:
            raise BadInput(f"layout {plain} lists no value; write {plain}: [1, 2]")
        if plain == "zero" and isinstance(given, str):
            fully = sharding_meaning(given) in FULLY_SHARDED
            offloads = "optim" in offload_of_note(given, fully)
            named |= {plain} if fully else set()
    if offloads:
        found.setdefault("offload", (1,))
    if named and min(found.get("pp", (1,))) > 1:
        found["zero"] = (PIPED_ZERO,)
    return MappingProxyType(found)


def _parts(value: Any) -> list[str]:
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{value!r} is not a layout; write tp=2,pp=1,mbs=2,zero=1")
    parts = [part for part in value.split(",") if part.strip()]
    if not parts:
        raise BadInput(f"layout {value!r} names no field; write tp=2,pp=1,mbs=2,zero=1")
    return parts


def _pair(part: str) -> tuple[str, str]:
    name, equals, given = part.partition("=")
    if not equals:
        raise BadInput(f"{part.strip()!r} is not a layout field with its value; write tp=2,pp=1,mbs=2,zero=1")
    return name, given


def _degree(name: str, given: Any) -> int:
    if name == "partition":
        return _partition(given)
    text = ("no", "yes")[given] if isinstance(given, bool) else str(given)
    number = spelled_number(name, text)
    if number is None and name in MEANINGS and re.match(r"\s*[a-zA-Z]", text):
        number = spelled_number(name, MEANINGS[name](text))
    least, highest = 0 if name in _HIGHEST else 1, _HIGHEST.get(name, 10**9)
    if number is None or not least <= number <= highest:
        counts = f"a whole number from {least}" + (f" to {highest}" if name in _HIGHEST else "")
        accepted = ", ".join(_names(name)) or counts
        raise BadInput(f"layout {name} is {given!r}; it takes {accepted}")
    return number


def degrees_text(degrees: Mapping[str, tuple[int, ...]]) -> str:
    """Return the first allowed value of each setting as a layout is written, where the devices are given apart.

    >>> degrees_text(parse_degrees({"tp": [2, 4], "micro_batch": 1, "partition": "7-9"}))
    'tp=2,mbs=1,partition=7-9'
    """
    rest = {name: one for name, one in degrees.items() if name != "devices"}
    short = {"micro_batch": "mbs", "micro_batches": "ga", "shard_devices": "shard"}
    return ",".join(f"{short.get(name, name)}={_degree_text(name, one[0])}" for name, one in rest.items())


def _degree_text(name: str, number: int) -> str:
    return setting_name(name, number) if name in NAMED else str(number)


def degree_list_text(name: str, values: tuple[int, ...]) -> str:
    """Return the allowed values of one setting.

    >>> degree_list_text("tp", (2, 4)), degree_list_text("recompute", (2,))
    ('tp = 2 or 4', 'recompute = full')
    """
    return f"{name} = {' or '.join(_degree_text(name, one) for one in values)}"


def _partition(given: Any) -> int:
    """Return the number of a partition; blocks are written as one text, since a list is of values to choose among."""
    number = spelled_number("partition", given) if isinstance(given, str) else None
    if number is None:
        names = ", ".join(setting_names("partition"))
        raise BadInput(
            f"layout partition is {given!r}; it takes {names} or the blocks of each stage as one text: 15-17-17-15"
        )
    return number


def _names(setting: str) -> tuple[str, ...]:
    """Return the words that a setting is called by, where it has names of its own and not only numbers."""
    return setting_names(setting) or (tuple(SPELLINGS.get(setting, ())) if setting != "zero" else ())
