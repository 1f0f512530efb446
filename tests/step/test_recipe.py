"""Exact facts of states: bytes of a parameter by framework and phase, each within 2 % of what its source says."""

from dataclasses import replace
from typing import Any

import pytest
from tests.step.facts import PARAMS, a_parameter, bare, held, short

from steelyard.catalog import stack
from steelyard.step.tensors.recipe import ENTRIES, settled
from steelyard.strategies.recipe import AUTOGRAD, FUSED, PERSISTENT

PURE = {"master_bytes": 0.0, "moment_bytes": 4.0}  # everything in 16 bits: 2 of moments each
CLOSE = 0.02
"""Source of the bar: what the facts are asked to hold to."""


@pytest.mark.parametrize(
    ("name", "job", "laid", "wanted"),
    [
        # Megatron-LM docs, dist_optimizer: bf16 parameters and fp32 gradients: 18, or 6 + 12/d
        ("megatron-core", {}, {}, 18.0),
        ("megatron-core", {}, {"dp": 8.0, "zero": 1.0}, 6 + 12 / 8),
        ("megatron-core", {}, {"dp": 64.0, "zero": 1.0}, 6 + 12 / 64),
        # Rajbhandari et al. 2020, arXiv 1910.02054, figure 1, ZeRO-1: 4 + 12/d
        ("megatron-deepspeed", {}, {"dp": 8.0, "zero": 1.0}, 4 + 12 / 8),
        # nanotron FP32GradientAccumulator: bf16 weights and gradients, an fp32 accumulator: 8 + 12/d
        ("nanotron", {}, {}, 20.0),
        ("nanotron", {}, {"dp": 4.0, "zero": 1.0}, 8 + 12 / 4),
        # Rajbhandari et al. 2020, arXiv 1910.02054, figure 1: 16, 4 + 12/d, 2 + 14/d, 16/d
        ("deepspeed", {}, {"dp": 8.0, "zero": 0.0}, 16.0),
        ("deepspeed", {}, {"dp": 8.0, "zero": 1.0}, 4 + 12 / 8),
        ("deepspeed", {}, {"dp": 8.0, "zero": 2.0}, 2 + 14 / 8),
        # pure bf16: 2 + 2 + 4 a parameter, and 2 more where the optimizer's step is foreach (torch.optim.AdamW)
        ("fsdp2", PURE, {}, 8.0),
        ("hf-trainer", PURE, {}, 10.0),
        ("pytorch-eager", PURE, {}, 10.0),
        ("litgpt", PURE, {}, 8.0),
        # autocast over fp32 weights: 4 + 4 + 8, and at the step 4 of temporaries in place of the cast copy's 2
        ("hf-trainer", {}, {}, 20.0),
    ],
)
def test_bytes_of_a_parameter(name: str, job: dict[str, Any], laid: dict[str, float], wanted: float) -> None:
    assert a_parameter(short(8.0, **job), name, **laid) == pytest.approx(wanted, rel=CLOSE)


@pytest.mark.parametrize(("precision", "whole", "shared"), [("bf16", 8, 12), ("fp16", 4, 16)])
def test_deepspeeds_optimizers(precision: str, whole: float, shared: float) -> None:
    """DeepSpeed bf16_optimizer.py: bf16 weights and gradients, fp32 accumulators whole, the rest is shared.

    zero/stage_1_and_2.py: 16-bit weights and gradients; the shard's fp32 gradient is there during the step alone.
    """
    tool = bare("megatron-deepspeed", precision)
    for ranks in (4.0, 8.0):
        found = a_parameter(short(ranks), tool, dp=ranks, zero=1.0)
        assert found == pytest.approx(whole + shared / ranks, rel=CLOSE)


def test_a_fused_optimizer_under_autocast_peaks_at_18() -> None:
    """fp32 weights 4, gradients 4, moments 8, and the cast copies that live until the backward pass ends: 2."""
    tool = bare("hf-trainer", step_copies=0.0)
    assert a_parameter(short(), tool) == pytest.approx(18.0, rel=CLOSE)


@pytest.mark.parametrize("shards", [2.0, 8.0])
def test_fsdp_with_mixed_precision_shards_16_bytes(shards: float) -> None:
    """fully_shard with MixedPrecisionPolicy: fp32 parameters, gradients and moments, all of them sharded."""
    found = held(short(shards), "fsdp2", dp=shards, zero=3.0)
    states = found.weights_bytes + found.gradients_bytes + found.optimizer_bytes
    assert float(states) == pytest.approx(16 * PARAMS / shards, rel=CLOSE)


def test_gradients_of_fsdp_do_not_exist_at_the_loss() -> None:
    """zero_grad(set_to_none=True): a large loss of the first micro-batch stands beside weights and moments alone."""
    loss = {"recipe": {"logit_bytes": 1e9}}
    one, two = (held(short(8.0 * steps, **loss), "fsdp2", dp=8.0, zero=3.0) for steps in (1.0, 2.0))
    assert one.gradients_bytes == 0
    assert float(two.gradients_bytes) == pytest.approx(4 * PARAMS / 8, rel=CLOSE)


@pytest.mark.parametrize("name", ["fsdp2", "hf-trainer", "pytorch-eager", "llm-foundry", "nanogpt", "litgpt"])
def test_frameworks_whose_gradients_autograd_makes(name: str) -> None:
    """PyTorch's zero_grad sets gradients to None by default."""
    assert stack(name).grad_life == AUTOGRAD


@pytest.mark.parametrize(("name", "wanted"), [("megatron-core", 4.0), ("nanotron", 6.0), ("megatron-lm", 4.0)])
def test_main_gradient_buffers_are_there_at_the_loss(name: str, wanted: float) -> None:
    """Megatron-core ParamAndGradBuffer, nanotron FP32GradientAccumulator: made once, zeroed, never freed."""
    found = held(short(recipe={"logit_bytes": 1e9}), name)
    assert float(found.gradients_bytes) == pytest.approx(wanted * PARAMS, rel=CLOSE)
    assert stack(name).grad_life == PERSISTENT


def test_an_optimizer_in_the_backward_pass_never_has_all_gradients() -> None:
    """PyTorch tutorial optimizer_step_in_backward: pure bf16 peaks at weights and moments, 6 bytes."""
    job = short(recipe={"grad_life": FUSED, "step_copies": 0.0}, **PURE)
    assert a_parameter(job, "hf-trainer") == pytest.approx(6.0, rel=CLOSE)


@pytest.mark.parametrize("name", ["hf-trainer", "fsdp2"])
def test_fused_gradients_do_not_stand_beside_a_later_loss(name: str) -> None:
    """Each is freed once its parameter is updated, so that the second micro-batch's loss finds none."""
    job = short(2.0, recipe={"grad_life": FUSED, "logit_bytes": 1e9})
    assert float(held(job, name).gradients_bytes) == 0


@pytest.mark.parametrize("replicas", [1.0, 4.0])
def test_a_reduce_buffer_is_there_where_replicas_reduce(replicas: float) -> None:
    """8 bytes alone, 12 with replicas: an fp32 gradient beside the 16-bit one."""
    job = short(replicas, recipe={"reduce_bytes": 4.0}, **PURE)
    wanted = 8 + 4 * (replicas > 1)
    assert a_parameter(job, bare("fsdp2"), dp=replicas) == pytest.approx(wanted, rel=CLOSE)


@pytest.mark.parametrize(("laid", "copies"), [({"zero": 2.0}, 2.0), ({"zero": 3.0}, 0.0)])
def test_fsdp_that_does_not_reshard_keeps_its_weights(laid: dict[str, float], copies: float) -> None:
    """fully_shard, reshard_after_forward=False: 16-bit parameters stay gathered from forward to backward pass."""
    job = short(64.0, recipe={"gathered_units": 0.0}, trainable_share=1.0)
    one, none = (held(job, bare("fsdp2", cast=cast), dp=64.0, **laid) for cast in (1.0, 0.0))
    kept = float(one.buffers_bytes)
    unit = float(none.buffers_bytes)
    assert kept - unit == pytest.approx(copies * PARAMS, rel=CLOSE, abs=0.001 * PARAMS)


def test_70b_on_64_devices_at_stage_2_is_more_than_an_80_gb_card() -> None:
    """70e9 parameters of 2 bytes are 131 GiB on each device, whatever is sharded besides."""
    found = a_parameter(short(64.0), "fsdp2", dp=64.0, zero=2.0) * 70e9 / 2**30
    assert found > 131
    assert found == pytest.approx((2 + 16 / 64) * 70e9 / 2**30, rel=CLOSE)


def test_fsdp_on_one_rank_gathers_nothing_and_keeps_its_weights() -> None:
    """A group of one shards nothing: fp32 weights and their cast copies, gradients, moments."""
    assert a_parameter(short(), "fsdp2", zero=3.0) == pytest.approx(18.0, rel=CLOSE)


def test_parameters_that_rest_on_the_host_come_back_whole_where_no_unit_is_gathered() -> None:
    """CPUOffloadPolicy without resharding: all 16-bit weights are on the device from forward to backward pass."""
    job = short(8.0, recipe={"weights_on_host": 1.0, "cast": 0.0}, **PURE)
    found = held(job, "fsdp2", dp=8.0, zero=2.0, offload=1.0)
    assert found.weights_bytes == 0
    assert float(found.allocated_bytes) == pytest.approx(2 * PARAMS, rel=CLOSE)


def test_adapters_take_16_bytes_and_the_base_2() -> None:
    """huggingface/peft, autocast_adapter_dtype: fp32 adapters with fp32 gradients and moments over a 16-bit base."""
    share = 0.01
    adapters = {"weight_bytes": 0.0, "grad_bytes": 4.0, "step_copies": 0.0}
    job = short(recipe=adapters, trainable_share=share)
    assert a_parameter(job, "hf-trainer") == pytest.approx(2 * (1 - share) + 16 * share, rel=CLOSE)


def test_one_type_of_parameter_makes_one_type_of_gradient() -> None:
    """torch.Tensor.grad has the type of its tensor: 4 bytes under autocast, 2 where weights are bf16."""
    mixed, pure = (held(short(2.0, **job), "hf-trainer").gradients_bytes for job in ({}, PURE))
    assert float(mixed) == pytest.approx(4 * PARAMS, rel=CLOSE)
    assert float(pure) == pytest.approx(2 * PARAMS, rel=CLOSE)


def test_what_is_stated_goes_before_what_is_usual() -> None:
    usual = stack("fsdp2")
    for name in ENTRIES:
        recipe = replace(short().recipe, **{name: 0.375})
        found = settled(recipe, usual)
        assert getattr(found, name) == 0.375
        assert all(getattr(found, other) == getattr(usual, other) for other in ENTRIES if other != name)


@pytest.mark.parametrize("name", ["pytorch-eager", "nanogpt", "hf-trainer", "llm-foundry"])
@pytest.mark.parametrize(("job", "width"), [({}, 4.0), (PURE, 2.0)])
def test_plain_data_parallelism_copies_gradients_into_buckets(name: str, job: dict[str, Any], width: float) -> None:
    """DistributedDataParallel without gradient_as_bucket_view: the size of gradients once more, in their type."""
    tool = bare(name, step_copies=0.0)
    alone, several = (a_parameter(short(ranks, **job), tool, dp=ranks) for ranks in (1.0, 4.0))
    assert several - alone == pytest.approx(width, rel=CLOSE)
    loss = {"recipe": {"logit_bytes": 1e9}}
    assert float(held(short(4.0, **job, **loss), tool, dp=4.0).gradients_bytes) == pytest.approx(width * PARAMS)
    views = bare(name, step_copies=0.0, bucket_copies=0.0)
    assert a_parameter(short(4.0, **job), views, dp=4.0) == pytest.approx(alone)


def test_buckets_hold_gradients_of_adapters_alone() -> None:
    adapters = {"weight_bytes": 0.0, "grad_bytes": 4.0, "step_copies": 0.0}
    job = short(4.0, recipe=adapters, trainable_share=0.01)
    one, two = (a_parameter(job, bare("hf-trainer", bucket_copies=copies), dp=4.0) for copies in (0.0, 1.0))
    assert two - one == pytest.approx(4 * 0.01)


@pytest.mark.parametrize("zero", [1.0, 2.0, 3.0])
def test_sharded_gradients_are_in_no_buckets_of_plain_data_parallelism(zero: float) -> None:
    one, two = (
        a_parameter(short(4.0), bare("hf-trainer", bucket_copies=copies), dp=4.0, zero=zero) for copies in (0.0, 1.0)
    )
    assert one == two


def test_nanotrons_buckets_hold_16_bit_gradients() -> None:
    """trainer.py, _init_model: DDP of bf16 parameters beside gradients of 2 bytes and sums of 4; ZeRO-1 has no DDP."""
    assert a_parameter(short(4.0), "nanotron", dp=4.0) == pytest.approx(20 + 2, rel=CLOSE)
