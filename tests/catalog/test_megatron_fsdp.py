"""Megatron-FSDP: modules of Megatron-core, sharded as its strategies are (docs.nvidia.com, fully_shard)."""

import pytest

import steelyard
from steelyard.catalog import load, stack_rows
from steelyard.catalog.stack_names import rule_of_name
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run
from steelyard.job.kept.phrases import sharding_of_stack

JOB = {"model": "llama-3-8b", "tokens": "10M", "sequence": 4096, "global_batch": 64, "task": "full_ft"}
STRATEGIES = {"optim": 1, "optim_grads": 2, "optim_grads_params": 3}


@pytest.mark.parametrize(
    ("text", "stack"),
    [
        ("Megatron-FSDP", "megatron-fsdp"),
        ("MCore custom FSDP", "megatron-fsdp"),
        ("NeMo 25.04 + Megatron-FSDP", "megatron-fsdp"),
        ("Megatron-core 0.14", "megatron-core"),
        ("NeMo Automodel FSDP2", "fsdp2"),
        ("NeMo, FSDP2", "megatron-core"),
    ],
)
def test_it_is_a_stack_of_its_own(text: str, stack: str) -> None:
    assert rule_of_name(load().stack_rules, text).stack == stack


def test_it_shards_fully_where_nobody_says_and_by_its_strategies_where_somebody_does() -> None:
    assert steelyard.estimate({**JOB, "stack": "Megatron-FSDP"}, "H100:8").layout["zero"] == 3
    for name, stage in STRATEGIES.items():
        asked = f"tp=1,mbs=1,data_parallel_sharding_strategy={name}"
        assert steelyard.estimate({**JOB, "stack": "Megatron-FSDP"}, "H100:8", layout=asked).layout["zero"] == stage
        said = sharding_of_stack(f"Megatron-FSDP --data-parallel-sharding-strategy {name}")
        assert {"1": 1, "2": 2, "fsdp": 3}[said] == stage


def test_a_row_of_it_is_read_as_a_job() -> None:
    row = blank_run(
        id="row", model="llama-3-8b", task="full_ft", precision="bf16", accelerator="H100", devices=8.0, tp=1.0, pp=1.0,
        dp=8.0, sequence_tokens=4096.0, micro_batch=1.0, batch_samples=64.0, optimizer="adamw", step_time_s=5.0,
        date="2026-01", stack="Megatron-FSDP",
    )  # fmt: skip
    assert run_frame([row], load()).layout.zero.tolist() == [3.0]


def test_it_has_no_pipeline() -> None:
    with pytest.raises(BadInput, match="megatron-fsdp runs"):
        steelyard.estimate({**JOB, "stack": "Megatron-FSDP"}, "H100:8", layout="pp=2,tp=1")


def test_its_modules_take_what_those_of_megatron_core_take() -> None:
    mine, core = stack_rows("megatron-fsdp"), stack_rows("megatron-core")
    for name in ("layer_host_s", "pointwise_passes", "fp8_copies", "attention_native", "moe_host_s"):
        assert mine[name].value == core[name].value != stack_rows("any")[name].value
    assert (mine["grad_sharded_from"].value, core["grad_sharded_from"].value) == (2.0, 4.0)
    assert mine["time_scale"].log_sd == stack_rows("any")["time_scale"].log_sd > core["time_scale"].log_sd


def test_each_stage_keeps_less() -> None:
    job, layout = {**JOB, "stack": "Megatron-FSDP"}, "tp=1,mbs=1,recompute=full,zero="
    held = [steelyard.estimate(job, "H100:8", layout=f"{layout}{stage}").memory for stage in range(4)]
    parameters, kept = 8_030_261_248, 1 - 1 / 8  # seven eighths go to the other ranks
    sizes = {"optimizer_bytes": (0, 12), "gradients_bytes": (1, 4), "weights_bytes": (2, 2)}
    for name, (stage, width) in sizes.items():
        parts = [getattr(one, name) for one in held]
        assert parts[stage] - parts[stage + 1] == pytest.approx(kept * width * parameters, rel=0.001)
