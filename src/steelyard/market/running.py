"""Which stacks run where, and which run a schedule of pipelines: what rules a stack out before it is laid out."""

from collections.abc import Collection, Mapping, Sequence

from steelyard.catalog import Catalog
from steelyard.catalog.stack_names import FALLBACK
from steelyard.catalog.stacks import Capability
from steelyard.errors import BadInput
from steelyard.job.job_spec import JobSpec
from steelyard.job.unstated.stack import common_stacks
from steelyard.strategies.settings import setting_name


def stack_capability(name: str, catalog: Catalog) -> Capability:
    """Return what a stack can run; one without a file can run what any can."""
    return catalog.capability(name if name in catalog.stack_files else FALLBACK)


def runs_on_vendor(name: str, vendor: str, catalog: Catalog) -> bool:
    """Tell whether a stack runs on a vendor's chips; one whose file names no vendor runs on all.

    >>> from steelyard.catalog import load
    >>> [runs_on_vendor(name, "Google", load()) for name in ("maxtext", "fsdp2", "any")]
    [True, False, True]
    """
    vendors = stack_capability(name, catalog).vendors
    return not vendors or vendor in vendors


def vendors_of_stack(name: str, vendors: Sequence[str], kind: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the vendors on whose chips a stack runs; `BadInput` with the stacks that do where it runs on none.

    Args:
        name: of the catalog.
        vendors: of the accelerators that it is asked for.
        kind: of the model, of `vocabulary.TRAINED_KINDS`.
        catalog: of the stacks.

    >>> from steelyard.catalog import load
    >>> vendors_of_stack("fsdp2", ("AMD", "Google", "NVIDIA"), "language", load())
    ('AMD', 'NVIDIA')
    """
    found = tuple(vendor for vendor in vendors if runs_on_vendor(name, vendor, catalog))
    if found or not vendors:
        return found
    files = sorted(catalog.stack_files.items())
    able = [one for one, file in files if kind in file.capability.trains and {*file.capability.vendors} & {*vendors}]
    ways = f"name one that runs there ({', '.join(able)})" if able else "no stack of the catalog is known to"
    raise BadInput(
        f"stack {name} runs on chips of {' and '.join(stack_capability(name, catalog).vendors)}, not of "
        f"{' or '.join(vendors)}; leave the stack out, or {ways}"
    )


def left_out_text(name: str, vendors: Sequence[str], catalog: Catalog) -> str:
    """Return on which vendors' chips a stack that a job names does not run; empty where it runs on all.

    >>> from steelyard.catalog import load
    >>> left_out_text("fsdp2", ("Google", "NVIDIA"), load())
    'fsdp2 does not run on chips of Google, so they are left out'
    """
    left = [vendor for vendor in vendors if not runs_on_vendor(name, vendor, catalog)]
    return f"{name} does not run on chips of {', '.join(left)}, so they are left out" if left else ""


def usual_or_able(
    usual: Sequence[str], vendor: str, kind: str, schedules: Collection[int], catalog: Catalog, task: str = ""
) -> tuple[str, ...]:
    """Return the stacks that a job which names none may be run on, by the pipeline schedules that it allows.

    The usual ones where one of them runs one of these; else whichever of the catalog do on the vendor's chips; else
    any stack.

    Args:
        usual: stacks that such a job is done with on the vendor's chips.
        vendor: of the accelerators.
        kind: of the model, of `vocabulary.TRAINED_KINDS`.
        schedules: allowed, by number (`strategies.settings`); empty: any.
        catalog: of the stacks.
        task: of the job; one of adapters is not every stack's.

    >>> from steelyard.catalog import load
    >>> from steelyard.strategies.settings import spelled_number
    >>> orders = [{int(spelled_number("schedule", name))} for name in ("1f1b", "zb-h2", "dualpipe")]
    >>> [usual_or_able(("megatron-core",), "NVIDIA", "language", one, load()) for one in orders]
    [('megatron-core',), ('zero-bubble',), ('any',)]
    """
    names = {setting_name("schedule", number) for number in schedules}
    if not names or any(names & {*stack_capability(one, catalog).schedules} for one in usual):
        return tuple(usual) or (FALLBACK,)
    files = [
        one for name, file in catalog.stack_files.items() if (one := file.capability).adapts(task) and name != FALLBACK
    ]
    able = (one for one in files if one.usual_on(vendor) and kind in one.trains and names & {*one.schedules})
    return tuple(one.stack for one in able if one.adapts(task)) or (FALLBACK,)


def stacks_with_drives(names: Mapping[str, tuple[str, ...]], catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return of the stacks of each vendor's chips those that put tensors on NVMe drives; `BadInput` where none does.

    Args:
        names: of stacks, by vendor.
        catalog: of the stacks.

    >>> from steelyard.catalog import load
    >>> stacks_with_drives({"NVIDIA": ("megatron-core", "fsdp2", "deepspeed"), "Google": ("maxtext",)}, load())
    {'NVIDIA': ('deepspeed',), 'Google': ()}
    """
    found = {
        vendor: tuple(one for one in some if stack_capability(one, catalog).nvme) for vendor, some in names.items()
    }
    if names and not any(found.values()):
        asked = " and ".join(dict.fromkeys(one for some in names.values() for one in some))
        able = [one for one, file in catalog.stack_files.items() if file.capability.nvme and one != FALLBACK]
        raise BadInput(
            f"{asked} puts nothing on NVMe drives; name a stack that does ({', '.join(able)}), or write weights=host "
            "(parameters) and offload=1 (states of the optimizer)"
        )
    return found


def schedule_text(spec: JobSpec, stack: str, vendor: str, schedule: int, catalog: Catalog) -> str:
    """Return why a job that names no stack is on one that such jobs are not usually run on; empty where it is usual.

    Args:
        spec: the job.
        stack: that was taken.
        vendor: of the accelerators.
        schedule: of its layout, by number (`strategies.settings`).
        catalog: of the stacks.

    >>> from steelyard.catalog import load
    >>> from steelyard.job import read_job
    >>> schedule_text(read_job("llama-3-8b", tokens="1B"), "zero-bubble", "NVIDIA", 4, load())
    'stack zero-bubble: of megatron-core, fsdp2, deepspeed none runs schedule zb-h2'
    """
    name = setting_name("schedule", schedule)
    usual = () if spec.stack else common_stacks(spec.task, vendor, spec.kind, catalog)
    if not usual or stack in usual or any(name in stack_capability(one, catalog).schedules for one in usual):
        return ""
    none = ", and no stack of the catalog does: constants of any stack stand in" if stack == FALLBACK else ""
    return f"stack {stack}: of {', '.join(usual)} none runs schedule {name}{none}"
