"""The step as a whole: laws that hold for every layout, and a published run within its known error."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled, gpt, layout, pretraining

from steelyard.step import stage_job, time
from steelyard.tables import Job, Kernels, Layout, Machine, Stack, StepTime, join

A100 = filled(
    Machine,
    peak_flop_per_s=312e12,
    peak16_flop_per_s=312e12,
    memory_bytes=80e9,
    memory_bytes_per_s=2039e9,
    domain_devices=8.0,
    node_devices=8.0,
    link_bytes_per_s=300e9,
    nic_bytes_per_s=25e9,
    host_bytes_per_s=25e9,
)
KERNELS = filled(
    Kernels,
    gemm_efficiency=0.85,
    gemm_launch_s=8e-6,
    gemm_half_width=100.0,
    attention_efficiency=0.7,
    attention_half_tokens=300.0,
    attention_half_dim=20.0,
    attention_legacy=0.58,
    unfused_efficiency=0.4,
    memory_efficiency=0.85,
    link_efficiency=0.78,
    nic_efficiency=0.85,
    link_hop_s=2e-5,
    nic_hop_s=1.5e-5,
    time_scale=1.0,
)
STACK = filled(
    Stack,
    time_scale=1.0,
    layer_host_s=1e-3,
    moe_host_s=2e-3,
    expert_host_s=0.0,
    step_host_s=0.02,
    vocab_exposed=0.5,
    pointwise_passes=12.0,
    adapter_passes=8.0,
    adapter_share=1.0,
    loss_bytes=16.0,
    attention_native=1.0,
    attention_share=1.0,
    unpack_bytes=0.0,
    recompute_scale=1.0,
    eager_scale=1.0,
    upcast_scale=1.0,
    attention_upcast_scale=1.0,
    tp_exposed=0.9,
    dp_exposed=0.1,
    ep_exposed=0.7,
    pp_exposed=0.6,
    weight_bytes=2.0,
    gather_bytes=2.0,
    grad_bytes=4.0,
    logit_bytes=12.0,
)
GPT_175B = pretraining(gpt(96, 12288, 96), 2048, 1536)


def step(job: Job, placed: Layout, machine: Machine = A100, stack: Stack = STACK) -> StepTime:
    return time(stage_job(job, placed), machine, KERNELS, stack)


def test_gpt3_on_1024_a100_is_near_the_published_rate() -> None:
    """Narayanan et al. 2021, Table 1: 174.6B, tp 8, pp 12, 1024 GPUs: 140 TFLOP/s a GPU with recompute."""
    job = pretraining(gpt(96, 12288, 96), 2048, 1536)
    placed = layout(job, tp=8.0, pp=12.0, dp=32 / 3, flash=0.0, recompute=2.0, sp=0.0, devices=1024.0)
    achieved = step(job, placed).model_flop / placed.devices / step(job, placed).total_s * 4 / 3
    assert achieved == pytest.approx(140e12, rel=0.2)


degrees = st.sampled_from([1.0, 2.0, 4.0, 8.0])


@given(tp=degrees, pp=degrees, dp=degrees, micro=degrees, zero=st.sampled_from([0.0, 1.0, 2.0, 3.0]))
def test_parts_sum_and_none_is_negative(tp: float, pp: float, dp: float, micro: float, zero: float) -> None:
    taken = step(GPT_175B, layout(GPT_175B, tp=tp, pp=pp, dp=dp, micro_batch=micro, zero=zero))
    parts = [getattr(taken, field.name) for field in fields(taken) if field.name not in ("total_s", "model_flop")]
    assert sum(parts) == pytest.approx(taken.total_s)
    assert min(parts) >= 0


@given(
    name=st.sampled_from(["peak_flop_per_s", "memory_bytes_per_s", "link_bytes_per_s", "nic_bytes_per_s"]),
    more=st.floats(1.0, 10.0),
    tp=degrees,
    dp=st.sampled_from([4.0, 16.0, 64.0]),
)
def test_a_faster_machine_is_never_slower(name: str, more: float, tp: float, dp: float) -> None:
    placed = layout(GPT_175B, tp=tp, dp=dp, zero=1.0)
    better = replace(A100, **{name: getattr(A100, name) * more})
    assert step(GPT_175B, placed, better).total_s <= step(GPT_175B, placed).total_s * (1 + 1e-12)


@given(tp=degrees, pp=degrees, recompute=st.sampled_from([0.0, 1.0]))
def test_recomputing_more_costs_time(tp: float, pp: float, recompute: float) -> None:
    placed = layout(GPT_175B, tp=tp, pp=pp, dp=8.0, recompute=recompute)
    assert step(GPT_175B, replace(placed, recompute=2.0)).total_s > step(GPT_175B, placed).total_s


def test_interleaving_shrinks_the_bubble_by_its_chunks() -> None:
    plain = layout(GPT_175B, tp=8.0, pp=8.0, dp=4.0)
    chunked = replace(plain, vpp=3.0, schedule=1.0)
    assert step(GPT_175B, plain).bubble_s / step(GPT_175B, chunked).bubble_s == pytest.approx(3.0)


def test_arrays_agree_with_single_candidates() -> None:
    layouts = [layout(GPT_175B, tp=tp, pp=pp, dp=8.0) for tp in (1.0, 8.0) for pp in (1.0, 4.0)]
    together = step(GPT_175B, join(layouts)).total_s
    assert together == pytest.approx([float(step(GPT_175B, one).total_s) for one in layouts])


def test_an_unknown_network_matters_only_outside_one_domain() -> None:
    hidden = replace(A100, nic_bytes_per_s=np.nan)
    assert np.isfinite(step(GPT_175B, layout(GPT_175B, tp=8.0), hidden).total_s)
    assert np.isnan(step(GPT_175B, layout(GPT_175B, tp=8.0, dp=2.0), hidden).total_s)


def test_attention_kernels_of_an_older_generation_are_slower_by_their_share() -> None:
    placed = layout(GPT_175B, tp=8.0, pp=8.0, dp=4.0)
    native, legacy = (step(GPT_175B, placed, stack=replace(STACK, attention_native=one)) for one in (1.0, 0.0))
    assert native.attention_s / legacy.attention_s == pytest.approx(KERNELS.attention_legacy)
    first = step(GPT_175B, placed, stack=replace(STACK, attention_share=0.5))
    assert first.attention_s == pytest.approx(2 * native.attention_s)


def test_adapters_cost_memory_passes_of_their_inputs() -> None:
    placed = layout(GPT_175B, tp=8.0, pp=8.0, dp=4.0)
    tuned = replace(GPT_175B, trainable_share=0.001)
    adapted = replace(tuned, adapted_inputs=2 * 12288.0)
    assert step(adapted, placed).pointwise_s > step(tuned, placed).pointwise_s
    assert step(adapted, placed, stack=replace(STACK, adapter_passes=0.0)).total_s == step(tuned, placed).total_s


def test_experts_held_by_a_rank_are_launched_one_by_one() -> None:
    experts = {"experts": 64.0, "top_k": 2.0, "moe_layers": 4.0, "moe_ffn": 256.0}
    arch = gpt(4, 256, 4, **experts)
    job = pretraining(arch, 128, 64)
    slow = replace(STACK, expert_host_s=1e-3, expert_launches=1.0)
    hosts = [float(step(job, layout(job, ep=ep, dp=8.0), stack=slow).host_s) for ep in (1.0, 2.0, 8.0)]
    assert hosts[0] > hosts[1] > hosts[2]
    assert hosts[0] - hosts[1] == pytest.approx(32 * 1e-3 * 4 * layout(job, dp=8.0).micro_batches, rel=0.05)


def test_a_host_launches_as_fast_whatever_it_launches_on() -> None:
    """Where launches take longer than kernels, a chip whose kernels are slower takes no longer."""
    placed = layout(GPT_175B, tp=8.0, dp=1.0)
    slow = replace(STACK, layer_host_s=1e3, step_host_s=7e3, doubling_loss=0.0)

    def launched(factor: float, stack: Stack) -> tuple[float, float]:
        found = time(stage_job(GPT_175B, placed), A100, replace(KERNELS, time_scale=factor), stack)
        busy = found.gemm_s + found.attention_s + found.pointwise_s + found.recompute_s + found.vocab_s
        return float(found.host_s + busy), float(found.optimizer_s)

    (one, update), (other, later) = launched(1.0, slow), launched(2.0, slow)
    assert other == pytest.approx(one)
    assert later == pytest.approx(update, rel=1e-3)  # but for the update itself, which is the chip's
    assert launched(2.0, STACK)[0] > 1.9 * launched(1.0, STACK)[0]
