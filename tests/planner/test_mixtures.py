"""Memory where a script decides how wide states are: a mixture that holds what a row of either would have."""

from itertools import permutations

import numpy as np
import pytest

import steelyard
from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.predicted import peak_bytes
from steelyard.evidence.runs.reader import blank_run
from steelyard.formatting.interval import Interval
from steelyard.job.unstated.mixture import mixture_interval
from steelyard.planner.answers import Estimate

JOB = {"model": "llama-3-8b", "tokens": "20M", "sequence": 2048, "global_batch": 64, "task": "full_ft"}
LAYOUT = "mbs=2,recompute=full,zero=0,offload=0"
ROW = blank_run(
    id="row", model="llama-3-8b", accelerator="H100", devices=1.0, sequence_tokens=2048.0, stack="HF Trainer", tp=1.0,
    pp=1.0, dp=1.0, micro_batch=2.0, batch_samples=64.0, recompute="full", task="full_ft", sharding="0",
    optimizer="adamw", flash_attention="yes", precision="bf16", step_time_s=20.0,
)  # fmt: skip


def estimated(**given: str) -> Estimate:
    return steelyard.estimate({**JOB, "stack": "hf-trainer", **given}, "H100:1", layout=LAYOUT)


def test_a_bare_bf16_leaves_states_to_the_script() -> None:
    assert estimated(precision="bf16").memory_bytes == estimated().memory_bytes


def test_a_row_that_is_silent_lies_in_the_interval_of_an_estimate_that_is() -> None:
    """They were 82 and 157 GiB with intervals that did not meet."""
    held = float(peak_bytes(run_frame([ROW], load()))["device"][0])
    found = estimated().memory_bytes
    assert found.low <= held <= found.high
    assert found.low <= estimated(precision="bf16-mixed").memory_bytes.value <= found.high
    assert found.low <= estimated(precision="bf16-pure").memory_bytes.value <= found.high


def test_a_mixture_lies_between_its_settings_and_names_them() -> None:
    narrow, wide, both = estimated(precision="bf16-pure"), estimated(precision="bf16-mixed"), estimated()
    assert narrow.memory_bytes.value < both.memory_bytes.value < wide.memory_bytes.value
    (text,) = (text for text in both.assumptions if "the script decides" in text)
    for one in (narrow, wide):
        assert f"({one.memory_bytes.value / 2**30:.0f} GiB)" in text
        assert not any("the script decides" in each for each in one.assumptions)
    assert both.time.total_s == wide.time.total_s


def test_whether_it_fits_is_said_of_each_setting() -> None:
    job = {**JOB, "stack": "hf-trainer", "model": "llama-3.2-3b"}
    found = steelyard.estimate(job, "A100-40GB-SXM:1", layout=LAYOUT)
    (bind,) = (one.text for one in found.bound_by if one.what == "memory")
    assert not found.fits
    assert bind.endswith("it may not fit but for states all in 16 bits")
    told = steelyard.estimate({**job, "precision": "bf16-pure"}, "A100-40GB-SXM:1", layout=LAYOUT)
    assert told.fits
    large = estimated(precision="bf16-mixed")
    assert any("it does not fit" in one.text for one in large.bound_by)


@pytest.mark.parametrize("stack", ["hf-trainer", "torchtune", "unsloth", "fsdp2"])
def test_states_of_a_recipe_are_told_and_have_their_master_copy(stack: str) -> None:
    """Beside the recipe the mixture stayed, and a stack whose recipes are all in 16 bits had 8 bytes of 16."""
    parts = []
    for told in ({"recipe": "states=16"}, {"recipe": "states=16", "precision": "bf16"}, {"recipe": "states=18"}):
        found = estimated(stack=stack, **told)
        assert not any("the script decides" in text or text.startswith("states ") for text in found.assumptions)
        held = found.memory
        parts.append((found.memory_bytes, float(held.optimizer_bytes / held.weights_bytes)))
    assert parts[0] == parts[1]
    assert [ratio for _, ratio in parts] == pytest.approx([6.0] * 3)  # 12 bytes of states beside 2 of weights
    free = estimated(stack=stack, recipe="gradients=autograd")
    assert any("the script decides" in text for text in free.assumptions) == (stack == "hf-trainer")


def test_a_saved_mixture_is_answered_again() -> None:
    saved = estimated()
    assert steelyard.explain(saved).memory_bytes == saved.memory_bytes


@pytest.mark.parametrize(("stack", "task"), [("torchtune", "full_ft"), ("hf-trainer", "lora"), ("fsdp2", "full_ft")])
def test_where_recipes_tell_nothing_is_mixed(stack: str, task: str) -> None:
    found = estimated(stack=stack, task=task)
    assert not any("the script decides" in text for text in found.assumptions)
    assert found.memory_bytes.value == pytest.approx(float(found.memory.device_bytes))


def test_one_setting_alone_is_itself() -> None:
    one = Interval(80.0, 60.0, 100.0)
    for parts in ([(1.0, one)], [(0.5, one), (0.5, one)], [(1.0, one), (0.0, Interval(9.0, 8.0, 10.0))]):
        found = mixture_interval(parts)
        assert np.allclose([found.value, found.low, found.high], [80, 60, 100], rtol=2e-3)


def test_order_and_scale_of_weights_change_nothing() -> None:
    parts = [(0.2, Interval(10, 8, 13)), (0.5, Interval(30, 20, 40)), (0.3, Interval(90, 85, 99))]
    first = mixture_interval(parts)
    for other in permutations(parts):
        found = mixture_interval([(7 * share, one) for share, one in other])
        assert np.allclose([found.value, found.low, found.high], [first.value, first.low, first.high])


def test_a_share_of_a_half_decides_the_median() -> None:
    """Well apart, the setting that more than half have holds the median; less than a twentieth moves no end."""
    low, high = Interval(10, 9, 11), Interval(100, 90, 110)
    assert mixture_interval([(0.6, low), (0.4, high)]).value < 11.5
    assert mixture_interval([(0.4, low), (0.6, high)]).value > 88
    assert mixture_interval([(0.96, low), (0.04, high)]).high < 12.5
    assert mixture_interval([(0.9, low), (0.1, high)]).high == pytest.approx(100, rel=0.01)


def test_what_either_setting_puts_on_a_host_is_said_and_counted() -> None:
    """Under FSDP's offload a device holds alike of both; a host has 8 bytes of a parameter or 16."""
    laid = "mbs=2,recompute=full,zero=3,offload=1"
    given = {**JOB, "stack": "hf-trainer"}
    both, narrow, wide = (
        steelyard.estimate({**given, **told}, "H100:8", layout=laid)
        for told in ({}, {"precision": "bf16-pure"}, {"precision": "bf16"})
    )
    assert narrow.host_bytes < wide.host_bytes == both.host_bytes
    (text,) = (text for text in both.assumptions if "the script decides" in text)
    for one in (narrow, wide):
        assert f"({one.memory_bytes.value / 2**30:.0f} GiB, {one.host_bytes / 2**30:.0f} on a host)" in text


def test_a_host_that_has_room_for_one_setting_alone_may_not_do() -> None:
    laid = "mbs=1,recompute=full,zero=3,offload=1"
    job = {**JOB, "stack": "hf-trainer", "model": "llama-3-70b"}
    found = steelyard.estimate(job, "a2-highgpu-8g", layout=laid)
    assert not found.fits
    (bind,) = (one.text for one in found.bound_by if one.text.startswith("host memory: "))
    assert "but for states all in 16 bits; offload less" in bind
    assert steelyard.estimate({**job, "precision": "bf16-pure"}, "a2-highgpu-8g", layout=laid).fits


@pytest.mark.parametrize("recipe", ["", "weights=host", "optimizer_states=paged", "weights=host, activations=host"])
@pytest.mark.parametrize("laid", [f"zero={zero},offload={away}" for zero in range(4) for away in (0, 1)])
def test_every_setting_of_a_mixture_can_be_stated(recipe: str, laid: str) -> None:
    """What an option says is the branch: on the device and on the host."""
    devices = 1 if laid.startswith("zero=0") else 8
    given = {**JOB, "stack": "trl"} | ({"recipe": recipe} if recipe else {})
    both, *alone = (
        steelyard.estimate({**given, **told}, f"H100:{devices}", layout=f"mbs=2,recompute=full,{laid}")
        for told in ({}, {"precision": "bf16-pure"}, {"precision": "bf16-mixed"})
    )
    (text,) = (text for text in both.assumptions if "the script decides" in text)
    for one in alone:
        assert f"({one.memory_bytes.value / 2**30:.0f} GiB" in text
        assert one.host_bytes <= both.host_bytes
    assert max(one.host_bytes for one in alone) == both.host_bytes


SILENT = {"model": "llama-3-8b", "tokens": "10M", "sequence": 2048, "global_batch": 64, "task": "lora"}


def test_memory_is_over_every_recomputation_that_nobody_rules_out() -> None:
    """A card of 24 GiB holds LoRA of 8B with recomputation alone: it was said to fit, at 95 %."""
    found = steelyard.estimate(SILENT, "RTX-3090:1")
    told = {
        policy: steelyard.estimate(SILENT, "RTX-3090:1", layout=f"mbs=1,recompute={policy},offload=0")
        for policy in ("full", "none")
    }
    assert told["full"].fits
    assert told["none"].fits is not True
    assert (found.fits, found.fits_shown) == (None, True)
    assert found.memory_bytes.low <= told["full"].memory_bytes.value
    assert found.memory_bytes.high >= told["none"].memory_bytes.value
    assert 0.5 < found.fits_share < told["full"].fits_share
    (bind,) = (one.text for one in found.bound_by if one.what == "memory")
    assert bind.endswith("it may not fit with recompute none but fits as shown")


def test_memory_is_over_the_losses_that_runs_of_a_stack_have() -> None:
    """A vocabulary of 128,256 at 16 sequences of 2048: logits are what counts, and a fused loss has none."""
    job, laid = {**SILENT, "stack": "hf-trainer"}, "mbs=16,recompute=full,zero=0,offload=0"
    free = steelyard.estimate(job, "H200:1", layout=laid)
    told = {
        name: steelyard.estimate({**job, "loss": name}, "H200:1", layout=laid) for name in ("fused-linear", "eager")
    }
    assert free.memory_bytes.low < 1.1 * told["fused-linear"].memory_bytes.value < free.memory_bytes.value
    assert told["eager"].memory_bytes.low <= free.memory_bytes.high
    assert (
        told["eager"].memory_bytes.high / told["eager"].memory_bytes.low
        < free.memory_bytes.high / free.memory_bytes.low
    )
    assert any("loss 0 B a logit" in text for text in free.assumptions)
    library = steelyard.estimate({**job, "stack": "unsloth"}, "H200:1", layout=laid)
    assert not any("B a logit " in text for text in library.assumptions if text.startswith("memory is over"))


def test_what_other_ways_take_is_said_of_each_and_of_no_other() -> None:
    found = steelyard.estimate(SILENT, "RTX-3090:1")
    (text,) = (one for one in found.assumptions if one.startswith("memory is over"))
    assert "recompute none 3" in text
    whole = steelyard.estimate(
        {**SILENT, "stack": "hf-trainer", "loss": "upcast"}, "RTX-3090:1", layout="mbs=1,recompute=full"
    )
    assert not any(one.startswith("memory is over") for one in whole.assumptions)
    assert whole.memory_bytes.value == pytest.approx(float(whole.memory.device_bytes))
