"""Which stacks train adapters: a frozen model beside LoRA, or a quantised one."""

from collections.abc import Sequence

from steelyard.catalog import Catalog
from steelyard.errors import BadInput
from steelyard.market.running import stack_capability

_NAMES = {"lora": "LoRA", "qlora": "LoRA over a quantised base (QLoRA)"}


def adapting(names: Sequence[str], task: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the stacks that train as a task has it; all of them where it trains no adapters.

    Args:
        names: of stacks.
        task: of the job.
        catalog: of the stacks.

    >>> from steelyard.catalog import load
    >>> adapting(("torchtune", "megatron-core"), "lora", load()), adapting(("megatron-core",), "full_ft", load())
    (('torchtune',), ('megatron-core',))
    """
    return tuple(one for one in names if stack_capability(one, catalog).adapts(task))


def check_adapting(name: str, task: str, vendors: Sequence[str], catalog: Catalog, written: str) -> None:
    """Raise `BadInput` where a stack that a job names trains no such adapters, with those that do on these chips.

    Args:
        name: of the stack.
        task: of the job.
        vendors: of the accelerators that it is asked for.
        catalog: of the stacks.
        written: the stack, as the job writes it.
    """
    can = stack_capability(name, catalog)
    if can.adapts(task, written):
        return
    files = sorted(catalog.stack_files.items())
    able = [one for one, file in files if file.capability.adapts(task) and {*file.capability.vendors} & {*vendors}]
    around = can.tunes_as if task in can.tunes else ()  # libraries that use the stack, and train adapters themselves
    does = f"{_NAMES['lora']} alone" if can.tunes else "no adapters"
    does = f"no adapters itself, {' and '.join(can.tunes_as)} {does}" if can.tunes_as else does
    why = f" ({can.tunes_source})" if can.tunes_source else ""
    raise BadInput(
        f"stack {name} trains {does}, and the task is {_NAMES[task]}{why}; name a stack that does: "
        f"{', '.join((*around, *able)) or 'none is known on these chips'}; or train every parameter: task full_ft"
    )
