"""The tensor-parallel degree of experts that nobody states: each stack's own, in jobs, layouts and measured rows."""

import re

import numpy as np
import pytest

import steelyard
from steelyard.catalog import load
from steelyard.errors import BadLayout
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run
from steelyard.job import job_table, read_job
from steelyard.layout import BOUNDS, parse, space
from steelyard.layout.literal import text_of
from steelyard.strategies.experts import unstated_expert_tensor

EXPERTS = {"model": "mixtral-8x7b", "tokens": "1B", "sequence": 4096, "global_batch": 128}
DENSE = {"model": "llama-3-8b", "tokens": "1B", "sequence": 4096, "global_batch": 128}
DEFAULTS = {
    # stack: at tp = 4 beside ep = 1 and ep = 4
    "megatron-core": (4, 4),  # megatron/training/arguments.py: expert_tensor_parallel_size = tensor_model_parallel_size
    "megatron-fsdp": (4, 4),
    "mindspeed": (4, 4),
    "maxtext": (4, 4),  # moe.py: ("exp", "embed_no_exp", "mlp"), mlp on the tensor axis
    "axlearn": (4, 4),  # PartitionSpec("expert", "fsdp", "model")
    "fsdp2": (4, 1),  # torchtitan: expert_tensor_parallel_degree = 1, no effect when ep = 1
    "megatron-deepspeed": (1, 1),  # --enable-expert-tensor-parallelism is False
    "nanotron": (1, 1),  # GroupedMLP holds whole experts
    "any": (4, 1),
}


def laid(stack: str, text: str, job: dict = EXPERTS, devices: int = 64):
    return parse(text, job_table(read_job(job)), devices, 8, 5e10, load().capability(stack))


@pytest.mark.parametrize("stack", DEFAULTS)
def test_a_stack_lays_experts_as_its_code_does(stack: str) -> None:
    alone, beside = DEFAULTS[stack]
    assert laid(stack, "tp=4,pp=1").etp == alone
    assert laid(stack, "tp=4,pp=1,ep=4").etp == beside
    assert laid(stack, "tp=1,pp=1,ep=4").etp == 1


@pytest.mark.parametrize("stack", DEFAULTS)
def test_a_model_without_experts_has_nothing_to_lay(stack: str) -> None:
    assert laid(stack, "tp=4,pp=1", DENSE).etp == 4


def test_every_stack_with_expert_parallelism_has_a_rule() -> None:
    able = {name for name, file in load().stack_files.items() if file.capability.ep}
    assert able == DEFAULTS.keys()
    for name, (alone, beside) in DEFAULTS.items():
        rule = load().capability(name).expert_tensor
        assert [float(unstated_expert_tensor(rule, 4, ep)) for ep in (1, 4)] == [alone, beside]
        rows = [one for one in load().stack_rules if one.stack == name]
        own = {one.expert_tensor for one in rows if "bridge" not in one.pattern.pattern}
        assert own <= {rule}


def test_recipes_of_megatron_bridge_keep_experts_whole() -> None:
    """Its recipes set expert_tensor_parallel_size to 1, which Megatron-core itself does not (deepseek_v3.py)."""
    job = {"model": "mixtral-8x7b", "tokens": "1B", "sequence": 4096, "global_batch": 256}
    found = {
        name: steelyard.estimate({**job, "stack": name}, "H100:64", layout="tp=2,ep=8,pp=1,mbs=1").layout["etp"]
        for name in ("megatron-bridge", "megatron-core", "nemo")
    }
    assert found == {"megatron-bridge": 1, "megatron-core": 2, "nemo": 2}


@pytest.mark.parametrize("stack", ["megatron-core", "fsdp2", "maxtext"])
def test_a_search_has_the_stacks_own_and_whole_experts_where_those_can_be_asked(stack: str) -> None:
    can, job = load().capability(stack), job_table(read_job(EXPERTS))
    found = space(job, [16], 8, can, BOUNDS)
    both = (found.tp > 1) & (found.ep > 1)
    assert both.any()
    own = np.asarray(unstated_expert_tensor(can.expert_tensor, found.tp, found.ep))
    other = both & (found.etp != own)
    assert other.any() == can.etp
    assert np.all(found.etp[other] == 1)
    assert (both & (found.etp == own)).any()
    alone = found.ep == 1
    np.testing.assert_array_equal(found.etp[alone], own[alone])


def test_experts_that_ask_for_more_ranks_than_there_are_say_the_way_out() -> None:
    with pytest.raises(BadLayout, match=r"megatron-core takes etp = 8; give etp=1; ep × etp must divide"):
        laid("megatron-core", "tp=8,pp=1,ep=8,dp=1,zero=0", devices=8)
    assert laid("megatron-core", "tp=8,pp=1,ep=8,dp=1,zero=0,etp=1", devices=8).etp == 1
    with pytest.raises(BadLayout, match=r"maxtext takes etp = 8; give ep=1"):
        laid("maxtext", "tp=8,pp=1,ep=8,dp=1", devices=8)
    assert laid("maxtext", "tp=8,pp=1,ep=1,dp=1", devices=8).etp == 8


def test_a_stack_that_lays_experts_one_way_says_which() -> None:
    with pytest.raises(BadLayout, match=r"experts tensor parallel whole \(etp=1\)"):
        laid("megatron-deepspeed", "tp=4,pp=1,ep=4,etp=4")


@pytest.mark.parametrize("stack", ["megatron-core", "fsdp2", "any"])
@pytest.mark.parametrize("text", ["tp=4,pp=1,ep=4", "tp=4,pp=1,ep=4,etp=1", "tp=4,pp=1", "tp=1,pp=1,ep=4"])
def test_a_printed_layout_is_read_alike_by_every_stack(stack: str, text: str) -> None:
    made = laid(stack, text)
    assert laid("any", text_of(made)).etp == made.etp


def lines_of(found) -> list[str]:
    return [text for text in found.assumptions if text.startswith("expert tensor parallelism")]


def test_an_estimate_takes_the_stacks_own_and_names_it() -> None:
    taken = steelyard.estimate({**EXPERTS, "stack": "megatron-core"}, "H100:64", layout="tp=4,pp=1,ep=4")
    assert taken.layout["etp"] == 4
    assert lines_of(taken) == ["expert tensor parallelism etp=4: or etp=1 (etp=)"]
    asked = steelyard.estimate({**EXPERTS, "stack": "megatron-core"}, "H100:64", layout="tp=4,pp=1,ep=4,etp=1")
    assert (asked.layout["etp"], lines_of(asked)) == (1, [])
    assert steelyard.estimate({**EXPERTS, "stack": "fsdp2"}, "H100:64", layout="tp=4,pp=1,ep=4").layout["etp"] == 1


def test_where_the_stacks_own_leaves_no_ranks_whole_experts_are_taken_and_said() -> None:
    (text,) = lines_of(steelyard.estimate({**EXPERTS, "stack": "megatron-core"}, "H100:8", layout="tp=8,ep=8"))
    assert text == "expert tensor parallelism etp=1, which must be given, as megatron-core takes etp=8: or etp=8 (etp=)"


@pytest.mark.parametrize("layout", ["tp=1,pp=1,ep=4", "tp=4,pp=1"])
def test_nothing_is_named_without_experts_or_tensor_ranks(layout: str) -> None:
    job = EXPERTS if "ep=" in layout else DENSE
    assert not lines_of(steelyard.estimate({**job, "stack": "megatron-core"}, "H100:64", layout=layout))


ROW = {
    "id": "row", "model": "mixtral-8x7b", "accelerator": "H100", "devices": 64.0, "sequence_tokens": 4096.0, "tp": 4.0,
    "pp": 1.0, "dp": 16.0, "ep": 4.0, "micro_batch": 1.0, "batch_samples": 128.0, "task": "pretrain", "sharding": "1",
    "recompute": "full", "optimizer": "adamw", "precision": "bf16", "step_time_s": 9.0,
}  # fmt: skip


def degree_of_row(**given) -> tuple[float, bool]:
    found = run_frame([blank_run(**{**ROW, **given})], load())
    assert not found.unpredicted
    (assumed,) = found.assumed
    return float(np.ravel(found.layout.etp)[0]), "expert tensor parallelism" in assumed


@pytest.mark.parametrize(
    ("given", "degree", "named"),
    [
        ({"stack": "Megatron-LM"}, 4.0, True),
        ({"stack": "NeMo 25.04"}, 4.0, True),
        ({"stack": "torchtitan", "sharding": "3"}, 1.0, True),
        ({"stack": "Megatron-DeepSpeed"}, 1.0, True),
        ({"stack": "Megatron-LM", "note": "ETP 1"}, 1.0, False),
        ({"stack": "torchtitan", "sharding": "3", "note": "etp=4"}, 4.0, False),
        ({"stack": "Megatron-LM", "tp": 1.0, "dp": 64.0}, 1.0, False),
        ({"stack": "Megatron-LM", "model": "llama-3-8b", "ep": 1.0}, 4.0, False),
        ({"stack": "Megatron-LM", "devices": 8.0, "tp": 8.0, "dp": 1.0, "ep": 8.0}, 1.0, True),  # no ranks for 8 x 8
    ],
)
def test_a_measured_row_is_read_as_its_stack_lays_experts(given, degree, named) -> None:
    assert degree_of_row(**given) == (degree, named)


def test_a_stack_file_with_expert_parallelism_must_say_its_rule() -> None:
    from steelyard.catalog.stacks import parse_stack

    given = {
        "stack": "mine",
        "can_run": {
            "vendors": [], "planned": 0, "trains": ["language"], "trains_source": "x", "has": ["tp", "ep"], "zero": [0],
            "zero_most_with_pp": 0, "recompute": ["none"], "source": "x", "checked": "2026-11-21",
        },
    }  # fmt: skip
    for more, wrong in (
        ({}, "has ep but no expert_tensor"),
        ({"expert_tensor": "whole"}, "needs an expert_tensor_source"),
        ({"expert_tensor": "half", "expert_tensor_source": "x"}, "is of: as the rest, whole, whole beside ep"),
    ):
        with pytest.raises(ValueError, match=re.escape(wrong)):
            parse_stack({**given, "can_run": {**given["can_run"], **more}})
