"""What is taken of a layout that nobody states, where a stack is named: the same for estimates and measured rows."""

import math
from collections.abc import Mapping

from steelyard.catalog.stack_names import FALLBACK, StackRule
from steelyard.catalog.stacks import Capability
from steelyard.layout.axes import divisors_of
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import spelled_number

TOKENS_IN_FLIGHT = 8192
"""Tokens of a micro-batch where only the global batch is stated: fills the products without filling the memory."""

FULLY_SHARDED = ("fsdp", "hsdp")
"""Shardings that keep the gathered weights of a pipeline between its micro-batches."""


def usual_micro_batch(batch_samples: float, dp: float, pp: float, in_flight: float) -> float:
    """Return the samples of a micro-batch where only the global batch is stated: what is in flight, and divides it.

    Args:
        batch_samples: of a step.
        dp: replicas that share it.
        pp: pipeline stages; with several, one sample at a time.
        in_flight: samples that fill a device (`TOKENS_IN_FLIGHT` of text).

    >>> usual_micro_batch(64, 8, 1, 4), usual_micro_batch(64, 8, 2, 4), usual_micro_batch(48, 8, 1, 4)
    (4, 1, 3)
    """
    micro = max(1.0, min(batch_samples / dp, in_flight if pp == 1 else 1.0))
    while micro > 1 and batch_samples % (micro * dp):
        micro -= 1
    return math.floor(micro) or 1.0


def usual_recompute(rule: StackRule) -> float | None:
    """Return the policy of recomputation of a stack's recipes, by number; None where they have what fits.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> [usual_recompute(rule_of_name(load().stack_rules, name)) for name in ("unsloth", "torchtitan")]
    [2.0, None]
    """
    return float(RECOMPUTE.index(rule.recompute)) if rule.recompute else None


def usual_zero(sharding: str, pp: float) -> int:
    """Return the ZeRO stage of a sharding; FSDP under a pipeline keeps the gathered weights, like stage 2.

    Args:
        sharding: as people write it.
        pp: pipeline stages.

    Source: torchtitan's `fsdp_reshard_after_forward: default`; Llama 3 (arXiv 2407.21783, section 3.3.2).

    >>> usual_zero("fsdp", 1), usual_zero("fsdp", 4), usual_zero("1", 4)
    (3, 2, 1)
    """
    return 2 if sharding.lower() in FULLY_SHARDED and pp > 1 else spelled_number("zero", sharding) or 0


def usual_layout(
    rule: StackRule,
    capability: Capability,
    stated: Mapping[str, tuple[int, ...]],
    sizes: tuple[int, int, float],
) -> dict[str, tuple[int, ...]]:
    """Return what a stack's recipes have of each setting that is not stated, by field of `tables.Layout`.

    What is fully sharded has no other axis unless it is stated or each device cannot have a sequence of its own: that
    is the default of such stacks (torchtitan's `tensor_parallel_degree` and `context_parallel_degree`, MaxText's
    `ici_tensor_parallelism` and `ici_context_parallelism` are 1).

    Args:
        rule: what the name of the stack implies; of a name that nobody knows nothing is usual.
        capability: what it can run.
        stated: values of settings that are given.
        sizes: devices, samples of a step, and samples in flight on one device.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> catalog = load()
    >>> for name in ("unsloth", "torchtitan"):
    ...     rule = rule_of_name(catalog.stack_rules, name)
    ...     print(usual_layout(rule, catalog.capability(rule.stack), {"tp": (2,)}, (8, 64, 4)))
    {'offload': (0,), 'recompute': (2,), 'zero': (0,), 'micro_batch': (4,)}
    {'offload': (0,), 'pp': (1,), 'cp': (1,), 'vpp': (1,), 'zero': (3,), 'micro_batch': (4,)}
    """
    if rule.stack == FALLBACK:
        return {}
    devices, batch, in_flight = sizes
    found: dict[str, tuple[int, ...]] = {"offload": (0,), **_usual_axes(rule, capability, devices <= batch)}
    again = usual_recompute(rule)
    if again in capability.recompute:
        found["recompute"] = (int(again or 0),)
    if rule.partition != "even" and rule.partition in capability.partitions:
        found["partition"] = (spelled_number("partition", rule.partition) or 0,)
    tp, pp, cp = (_degree(name, stated, found, getattr(capability, name)) for name in ("tp", "pp", "cp"))
    zero = usual_zero(rule.sharding, pp or 1)
    if zero in capability.zero and devices > (tp or 1) * (pp or 1):
        found["zero"] = (zero,)
    model_ranks = (tp or 1) * (pp or 1) * (cp or 1)
    most = stated.get("dp", (max(1, devices // model_ranks),))[0]
    shared = [most] if tp and pp and cp else divisors_of(most)
    micro = {int(usual_micro_batch(batch, ranks, pp or 1, in_flight)) for ranks in shared if batch >= ranks}
    if micro:
        found["micro_batch"] = tuple(sorted(micro if pp else micro | {1}))
    return {name: values for name, values in found.items() if name not in stated}


def _usual_axes(rule: StackRule, capability: Capability, each_has_one: bool) -> dict[str, tuple[int, ...]]:
    """Return the axes that a stack's recipes leave out; `each_has_one`: every device may have a sequence of its own."""
    sharded = spelled_number("zero", rule.sharding) == 3
    left_out = {
        "pp": capability.pp and sharded,
        "tp": capability.tp and sharded and each_has_one,
        "cp": capability.cp and sharded and each_has_one,
        "vpp": capability.vpp,
    }
    found: dict[str, tuple[int, ...]] = {name: (1,) for name, left in left_out.items() if left}
    return found | ({"sp": (0,)} if capability.sp and not rule.sequence_parallel else {})


def _degree(
    name: str, stated: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], able: bool
) -> int | None:
    """Return a degree that is settled: stated, usual, or 1 where the stack has no such parallelism; else None."""
    values = stated.get(name) or found.get(name) or (() if able else (1,))
    return values[0] if len(values) == 1 else None
