"""The stack of a training that names none: one of those where people do it, the commonest that can run its layout."""

from collections.abc import Mapping

from steelyard.catalog import Catalog
from steelyard.catalog.stack_names import FALLBACK
from steelyard.catalog.stacks import Capability
from steelyard.job.training import ADAPTERS

TUNED = ADAPTERS | {"full_ft"}
"""Tasks that people do with stacks of their own, not with those that models are pre-trained with."""

_DEGREES = ("tp", "pp", "cp", "ep", "vpp")


def common_stacks(task: str, vendor: str, kind: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the stacks that a task is done with on a vendor's chips, the commonest first.

    Of pre-training they are those that a plan proposes: its stack is chosen, not found.

    Args:
        task: what is trained, of `training.TASKS`.
        vendor: of the accelerators.
        kind: of the model, of `vocabulary.TRAINED_KINDS`.
        catalog: of the stacks.

    >>> from steelyard.catalog import load
    >>> common_stacks("lora", "NVIDIA", "language", load())
    ('hf-trainer', 'torchtune', 'megatron-core', 'deepspeed')
    >>> common_stacks("pretrain", "Google", "language", load())
    ('maxtext',)
    """
    tuned = catalog.planned_stacks(vendor, adapters=True) if task in TUNED else ()
    planned = catalog.planned_stacks(vendor) if task not in ADAPTERS or not tuned else ()
    return tuple(dict.fromkeys(row.stack for row in (*tuned, *planned) if kind in row.trains))


def usual_stack(task: str, vendor: str, kind: str, stated: Mapping[str, float], catalog: Catalog) -> str:
    """Return the stack that is taken of a training that names none; `any` of pre-training.

    Args:
        task: what is trained, of `training.TASKS`.
        vendor: of the accelerators.
        kind: of the model, of `vocabulary.TRAINED_KINDS`.
        stated: settings of the layout that are given, by field of `tables.Layout`.
        catalog: of the stacks.

    >>> from steelyard.catalog import load
    >>> [usual_stack("lora", "NVIDIA", "language", one, load()) for one in ({"zero": 3.0}, {"tp": 2.0}, {"pp": 2.0})]
    ['hf-trainer', 'torchtune', 'megatron-core']
    >>> usual_stack("pretrain", "NVIDIA", "language", {}, load())
    'any'
    """
    if task not in TUNED:
        return FALLBACK
    known = common_stacks(task, vendor, kind, catalog)
    able = (name for name in known if can_run(catalog.capability(name), stated))
    return next(able, FALLBACK)


def can_run(capability: Capability, stated: Mapping[str, float]) -> bool:
    """Tell whether a stack has what is stated of a layout.

    >>> from steelyard.catalog import load
    >>> torchtune = load().capability("torchtune")
    >>> [can_run(torchtune, one) for one in ({"tp": 2}, {"zero": 1}, {"recompute": 1}, {"offload": 1}, {})]
    [True, False, False, True, True]
    """
    lacking = any(stated.get(name, 1) > 1 and not getattr(capability, name) for name in _DEGREES)
    stages = "zero" in stated and stated["zero"] not in capability.zero
    piped = stated.get("pp", 1) > 1 and stated.get("zero", 0) > capability.zero_most_with_pp
    again = "recompute" in stated and stated["recompute"] not in capability.recompute
    moved = bool(stated.get("offload")) and not capability.offload
    return not (lacking or stages or piped or again or moved)
