"""DeepSpeed ignores offload_param below ZeRO-3: no job and no row is computed as if it did not."""

import pytest

import steelyard
from steelyard.errors import BadInput
from steelyard.evidence.runs.reader import parse_runs
from steelyard.evidence.score.validation import validate_runs

JOB = {"model": "llama-3.2-1b", "tokens": "10M", "recipe": "weights=host"}


@pytest.mark.parametrize("zero", [1, 2])
@pytest.mark.parametrize("stack", ["deepspeed", "megatron-deepspeed"])
def test_parameters_on_the_host_need_full_sharding_of_deepspeed(zero: int, stack: str) -> None:
    with pytest.raises(BadInput, match="write zero=3"):
        steelyard.estimate({**JOB, "stack": stack}, "H100:8", layout=f"zero={zero}")
    assert steelyard.estimate({**JOB, "stack": stack}, "H100:8", layout="zero=3").host_bytes > 0


def test_fsdp_offloads_parameters_that_it_does_not_reshard() -> None:
    assert steelyard.estimate({**JOB, "stack": "fsdp2"}, "H100:8", layout="zero=2").host_bytes > 0


def test_where_no_stage_is_stated_it_is_the_one_that_offloads_them() -> None:
    assert steelyard.estimate({**JOB, "stack": "deepspeed"}, "H100:8").layout["zero"] == 3
    found = steelyard.plan({**JOB, "stack": "deepspeed", "accelerators": "H100:8"})
    assert {point.layout["zero"] for point in found.points} == {3}


@pytest.mark.parametrize(("zero", "refused"), [("1", True), ("2", True), ("3", False)])
def test_rows_are_judged_as_jobs_are(zero: str, refused: bool) -> None:
    row = {"model": "llama-3.2-1b", "stack": "deepspeed", "accelerator": "H100-80GB-SXM", "devices": "8",
           "precision": "bf16", "zero_stage": zero, "batch_samples": "64", "recipe": "weights=host",
           "sequence_tokens": "2048", "step_time_s": "9"}  # fmt: skip
    text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
    (case, *_) = validate_runs(tuple(parse_runs(text.encode(), "rows.csv"))).cases
    assert ("offload_param" in case.reason) == refused
