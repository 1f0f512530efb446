"""How people write the settings of a layout: one list for job files, literals, stacks, and rows of measured runs."""

import re

from steelyard.strategies.partition import PARTITIONS, partition_name, partition_number
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.registry import SCHEDULES

_SWITCH = {"no": 0, "off": 0, "false": 0, "yes": 1, "on": 1, "true": 1}

SPELLINGS: dict[str, dict[str, int]] = {
    "recompute": {word: number for number, word in enumerate(RECOMPUTE)}
    | {word: number * RECOMPUTE.index("full") for word, number in _SWITCH.items()},
    "schedule": {name: one.code for name, one in SCHEDULES.items()}
    | {name: one.code for one in SCHEDULES.values() for name in (*one.also, one.name.replace("-", ""))},
    "partition": {rule.name: number for number, rule in enumerate(PARTITIONS)},
    "zero": {"fsdp": 3, "hsdp": 3, "zero1": 1, "zero2": 2, "zero3": 3, "zero-1": 1, "zero-2": 2, "zero-3": 3, "ddp": 0}
    | {"full_shard": 3, "hybrid_shard": 3, "shard_grad_op": 2, "no_shard": 0}
    | {"optim": 1, "optim_grads": 2, "optim_grads_params": 3},
    "sp": _SWITCH,
    "flash": _SWITCH,
    "offload": _SWITCH,
}
"""Setting → word → number. Checkpointed activations without another word are all of them (`torch.utils.checkpoint`);
fully sharded data parallelism shards as ZeRO-3 does (arXiv 2304.11277, section 3.1), SHARD_GRAD_OP as ZeRO-2;
Megatron-FSDP's strategies are stages 1 to 3 (docs.nvidia.com/megatron-core, fully_shard, ShardingStrategy)."""


NAMED = ("recompute", "schedule", "partition")
"""Settings whose values have names of their own; the others are numbers, or yes and no."""


def setting_names(setting: str) -> tuple[str, ...]:
    """Return the names of the values of a setting, in the order of their numbers; none where they are numbers.

    >>> setting_names("recompute"), setting_names("tp")
    (('none', 'selective', 'full'), ())
    """
    numbers = sorted(set(SPELLINGS[setting].values())) if setting in NAMED else ()
    return tuple(setting_name(setting, number) for number in numbers)


def setting_name(setting: str, number: int) -> str:
    """Return the name of one value of a setting.

    >>> setting_name("recompute", 2), setting_name("schedule", 0)
    ('full', '1f1b')
    """
    if setting == "partition":
        return partition_name(number)
    return next((name for name, one in SPELLINGS[setting].items() if one == number), str(number))


def spelled_number(setting: str, text: str) -> int | None:
    """Return the number of a setting that a text means; None where it means none.

    >>> spelled_number("recompute", "Full"), spelled_number("zero", "fsdp"), spelled_number("zero", "2")
    (2, 3, 2)
    >>> [setting_name("schedule", spelled_number("schedule", text)) for text in ("ZBVZeroBubble", "ZB_H1")]
    ['zb-v', 'zb-h1']
    >>> setting_name("partition", spelled_number("partition", "15-17-17-15"))
    '15-17-17-15'
    >>> spelled_number("sp", "maybe") is None
    True
    """
    plain = text.strip().lower()
    if setting == "partition":
        return partition_number(plain)
    if plain.isascii() and plain.isdigit() and len(plain) < 10:
        return int(plain)
    words = SPELLINGS.get(setting, {})
    return words.get(plain, words.get(re.sub("[-_ ]", "", plain)))
