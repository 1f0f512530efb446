"""Stacks that train no adapters are not proposed for them, and refused where a job names them."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.catalog.stack_names import FALLBACK
from steelyard.errors import BadInput
from steelyard.market.adapting import adapting, check_adapting
from steelyard.market.tools import stack_options

TUNED = {"model": "llama-3-8b", "tokens": "10M"}


@pytest.mark.parametrize("task", ["lora", "qlora"])
def test_every_stack_is_proposed_or_refused_as_its_file_says(task: str) -> None:
    catalog = load()
    for name, file in catalog.stack_files.items():
        can = file.capability
        vendor = (*can.vendors, "NVIDIA")[0]
        if task in can.tunes and not can.tunes_as:
            check_adapting(name, task, [vendor], catalog, name)
            continue
        with pytest.raises(BadInput, match="name a stack that does"):
            stack_options([vendor], name, catalog, can.trains[0], "bf16", task)
        tools, _ = stack_options([vendor], None, catalog, can.trains[0], "bf16", task)
        assert name not in {tool.name for tool in tools}


def test_what_states_adapters_names_its_source() -> None:
    for name, file in load().stack_files.items():
        assert bool(file.capability.tunes) == bool(file.capability.tunes_source), name


@pytest.mark.parametrize("written", ["nemo", "NeMo 25.04", "megatron-bridge", "Megatron Bridge"])
def test_libraries_around_megatron_core_train_lora_and_it_does_not_itself(written: str) -> None:
    assert steelyard.estimate({**TUNED, "task": "lora", "stack": written}, "H100:8").stack == "megatron-core"
    with pytest.raises(BadInput, match="no adapters itself"):
        steelyard.estimate({**TUNED, "task": "qlora", "stack": written}, "H100:8")
    with pytest.raises(BadInput, match="megatron-bridge"):
        steelyard.plan({**TUNED, "task": "lora", "stack": "megatron-core", "accelerators": "H100:8"})


def test_a_schedule_is_not_run_by_a_stack_that_trains_no_adapters() -> None:
    from steelyard.strategies.settings import spelled_number

    order = {int(spelled_number("schedule", "zb-h2") or 0)}
    tools, _ = stack_options(["NVIDIA"], None, load(), "language", "bf16", "lora", order)
    assert [tool.name for tool in tools] == [FALLBACK]


def test_other_tasks_are_everybodys() -> None:
    names = tuple(load().stack_files)
    assert adapting(names, "pretrain", load()) == names
