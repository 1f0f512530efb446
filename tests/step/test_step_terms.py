"""Launches, the pipeline, the update, and what holds of the whole step."""

from dataclasses import fields

import pytest
from tests.shapes import layout, pretraining
from tests.step.neutral import (
    FREE,
    GPT,
    HIDDEN,
    JOB,
    MEMORY,
    MIXED,
    MIXED_PARAMS,
    MOE,
    NETWORK,
    PARAMS,
    PEAK,
    B,
    H,
    L,
    S,
    V,
    alone,
    kernels,
    machine,
    stack,
    step,
)

from steelyard.strategies.registry import SCHEDULES
from steelyard.tables import StepTime

BUSY = ("gemm_s", "attention_s", "pointwise_s", "vocab_s", "recompute_s")
TICK = (*BUSY, "host_s", "tp_s", "cp_s", "ep_s")
ALL = {"peak_flop_per_s": PEAK, "peak16_flop_per_s": PEAK, "memory_bytes_per_s": MEMORY, "nic_bytes_per_s": NETWORK}


# --- Host ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("recompute", "forwards"), [(0.0, 3), (1.0, 3), (1.5, 3.5), (2.0, 4)])
def test_launches_are_a_blocks_and_a_second_forward_is_a_third_more(recompute: float, forwards: float) -> None:
    laid = layout(JOB, pp=2.0, recompute=recompute)
    one = B * (L / 2) * 1e-3 * forwards / 3
    taken = step(JOB, laid, stack(layer_host_s=1e-3))
    assert taken.host_s == pytest.approx(one)
    assert taken.total_s == pytest.approx(one * (1 + 1 / B))  # the other stage waits for one micro-batch


def test_only_launches_longer_than_the_work_are_waited_for() -> None:
    busy = float(step(JOB, layout(JOB), peak_flop_per_s=PEAK).gemm_s)
    for host_s, waited in ((0.5 * busy / (B * L), 0.0), (1.5 * busy / (B * L), 0.5 * busy)):
        taken = step(JOB, layout(JOB), stack(layer_host_s=host_s), peak_flop_per_s=PEAK)
        assert taken.host_s == pytest.approx(waited)


def test_the_fixed_cost_of_a_step_is_paid_once() -> None:
    assert alone("optimizer_s", JOB, layout(JOB), stack(step_host_s=0.02)) == pytest.approx(0.02)


# --- Pipeline: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 ------------------------------------------------


@pytest.mark.parametrize(("pp", "vpp", "micro"), [(2.0, 1.0, 1.0), (4.0, 1.0, 1.0), (4.0, 1.0, 2.0), (2.0, 2.0, 1.0)])
def test_the_bubble_is_p_less_1_over_m_v(pp: float, vpp: float, micro: float) -> None:
    laid = layout(JOB, pp=pp, vpp=vpp, micro_batch=micro)
    taken = step(JOB, laid, peak_flop_per_s=PEAK)
    ideal = taken.total_s - taken.bubble_s
    assert taken.bubble_s / ideal == pytest.approx((pp - 1) / (B / micro * vpp))


@pytest.mark.parametrize(("flash", "backward"), [(1.0, 2.5), (0.0, 2.0)])
def test_attention_has_no_gradients_of_weights_to_fill_a_bubble_with(flash: float, backward: float) -> None:
    """ZB-V idles (p - 1) (b - w) ticks: all of a tick but its forward pass, 1 of 1 + 2.5 parts fused, of 3 unfused."""
    slow = kernels(attention_efficiency=PEAK / FREE, unfused_efficiency=PEAK / FREE)
    laid = layout(JOB, pp=2.0, vpp=2.0, schedule=float(SCHEDULES["zb-v"].code), flash=flash)
    taken = step(JOB, laid, slow)
    assert taken.bubble_s * laid.micro_batches / taken.attention_s == pytest.approx(backward / (1 + backward))


@pytest.mark.parametrize(("pp", "vpp"), [(1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (2.0, 2.0)])
def test_stages_send_2_vm_and_the_hops_that_fill_and_drain(pp: float, vpp: float) -> None:
    """A micro-batch of b s h elements crosses once each way at each of a stage's v borders: 2 (v m + p - 1) sends."""
    sends = 2 * (vpp * B + pp - 1) * (pp > 1)
    taken = step(JOB, layout(JOB, pp=pp, vpp=vpp), nic_bytes_per_s=NETWORK).pp_s
    assert taken == pytest.approx(sends * HIDDEN / NETWORK)
    half = step(JOB, layout(JOB, pp=pp, vpp=vpp), stack(pp_exposed=0.5), nic_bytes_per_s=NETWORK)
    assert half.pp_s == pytest.approx(taken / 2)


def test_sequence_parallelism_sends_each_rank_its_piece() -> None:
    for sp, pieces in ((1.0, 4), (0.0, 1)):
        laid = layout(JOB, pp=2.0, tp=4.0, sp=sp)
        assert step(JOB, laid, nic_bytes_per_s=NETWORK).pp_s == pytest.approx(2 * (B + 1) * HIDDEN / pieces / NETWORK)


def test_stages_inside_a_domain_send_over_its_links() -> None:
    roomy = machine(domain_devices=8.0, link_bytes_per_s=2 * NETWORK, nic_bytes_per_s=NETWORK)
    for dp, rate in ((2.0, 2 * NETWORK), (8.0, NETWORK)):
        laid = layout(JOB, pp=2.0, dp=dp)
        assert step(JOB, laid, roomy).pp_s == pytest.approx(2 * (B / dp + 1) * HIDDEN / rate)


# --- Update --------------------------------------------------------------------------------------------------------


def test_adam_reads_and_writes_master_and_moments_and_reads_gradients() -> None:
    """4 + 8 bytes of master copy and moments read and written, 2 of a gradient read, 2 of a weight written: 28."""
    taken = step(JOB, layout(JOB), memory_bytes_per_s=MEMORY).optimizer_s
    assert taken == pytest.approx(28 * PARAMS / MEMORY)
    half = step(JOB, layout(JOB), kernels(memory_efficiency=0.5), memory_bytes_per_s=MEMORY).optimizer_s
    assert half == pytest.approx(2 * taken)


@pytest.mark.parametrize(("zero", "ranks"), [(0.0, 1), (1.0, 8), (3.0, 8)])
def test_sharded_states_are_updated_by_shards(zero: float, ranks: float) -> None:
    job = pretraining(GPT, S, B, trainable_share=0.25)
    laid = layout(job, dp=8.0, zero=zero)
    assert step(job, laid, memory_bytes_per_s=MEMORY).optimizer_s == pytest.approx(28 * 0.25 * PARAMS / ranks / MEMORY)


def test_a_rank_updates_its_stage_and_its_slice() -> None:
    laid = layout(JOB, tp=2.0, pp=2.0)
    held = (PARAMS + V * H) / 4  # a table that embedding and head share stands on both stages
    assert step(JOB, laid, memory_bytes_per_s=MEMORY).optimizer_s == pytest.approx(28 * held / MEMORY)
    spread = layout(MIXED, dp=8.0, ep=4.0)
    routed = 2 * 8 * 2 * H * 512.0
    mine = MIXED_PARAMS - routed + routed / 4
    assert step(MIXED, spread, memory_bytes_per_s=MEMORY).optimizer_s == pytest.approx(28 * mine / MEMORY)


def test_an_offloaded_update_crosses_the_bus_both_ways() -> None:
    """Ren et al. 2021, arXiv 2101.06840: gradients go to the host and weights come back; 24 of states, 2 (2 + 2)."""
    laid = layout(JOB, offload=1.0)
    assert alone("optimizer_s", JOB, laid, host_bytes_per_s=NETWORK) == pytest.approx(32 * PARAMS / NETWORK)


# --- Of the whole step ---------------------------------------------------------------------------------------------


def test_scales_stretch_every_part_and_crowds_add_a_share_each_doubling() -> None:
    laid = layout(JOB, tp=2.0, pp=2.0, dp=4.0)
    given = {"peak_flop_per_s": PEAK, "nic_bytes_per_s": NETWORK, "memory_bytes_per_s": MEMORY}
    plain = step(JOB, laid, **given)
    slower = step(JOB, laid, stack(time_scale=1.5, doubling_loss=0.1), kernels(time_scale=1.2), **given)
    for name in ("gemm_s", "tp_s", "pp_s", "bubble_s", "dp_s", "optimizer_s", "total_s"):
        assert getattr(slower, name) == pytest.approx(1.5 * 1.2 * 1.4 * getattr(plain, name)), name  # 16 domains


def test_a_domain_is_no_crowd() -> None:
    roomy = {"domain_devices": 8.0, "peak_flop_per_s": PEAK}
    for dp, doublings in ((4.0, 0), (8.0, 0), (32.0, 2)):
        job = pretraining(GPT, S, 64.0)
        laid = layout(job, dp=dp)
        plain, crowded = (step(job, laid, stack(doubling_loss=loss), **roomy).gemm_s for loss in (0.0, 0.1))
        assert crowded == pytest.approx((1 + 0.1 * doublings) * plain)


def test_the_step_counts_the_flops_of_its_whole_batch() -> None:
    """2104.04473, equation 3, with the causal half of the attention's square."""
    printed = 72 * B * S * L * H**2 * (1 + S / (12 * H) + V / (12 * L * H))
    for degrees in ({}, {"tp": 2.0, "pp": 2.0, "dp": 2.0, "recompute": 2.0}):
        assert step(JOB, layout(JOB, **degrees)).model_flop == pytest.approx(printed)


def test_everything_free_takes_no_time() -> None:
    assert step(JOB, layout(JOB, tp=2.0, pp=2.0, dp=2.0)).total_s < 1e-30


# --- What a tick holds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["peak_flop_per_s", "peak16_flop_per_s", "memory_bytes_per_s"])
def test_launches_hide_behind_all_that_keeps_the_device_busy(rate: str) -> None:
    laid = layout(JOB, recompute=2.0, flash=0.0)
    free = step(JOB, laid, stack(pointwise_passes=12.0), **{rate: PEAK})
    busy = float(sum(getattr(free, name) for name in BUSY))
    launched = 2 * busy / (B * L * 4 / 3)
    taken = step(JOB, laid, stack(pointwise_passes=12.0, layer_host_s=launched), **{rate: PEAK})
    assert taken.host_s == pytest.approx(busy)


@pytest.mark.parametrize(("job", "degrees"), [(JOB, {"tp": 2.0, "cp": 2.0}), (MOE, {"tp": 2.0, "dp": 8.0, "ep": 4.0})])
def test_a_stage_idles_for_all_that_a_micro_batch_takes(job, degrees) -> None:
    laid = layout(job, pp=4.0, recompute=2.0, **degrees)
    taken = step(job, laid, stack(pointwise_passes=12.0, layer_host_s=1.0), **ALL)
    parts = [float(getattr(taken, name)) for name in TICK]
    assert sum(part > 0 for part in parts) == len(TICK) - 1  # every part but that of experts, or of context
    assert taken.bubble_s == pytest.approx(3 * sum(parts) / laid.micro_batches)


def test_every_part_is_in_the_total_once() -> None:
    taken = step(MOE, layout(MOE, tp=2.0, pp=2.0, dp=8.0, ep=4.0), stack(layer_host_s=1.0), **ALL)
    parts = [float(getattr(taken, field.name)) for field in fields(StepTime)[:-2]]
    assert taken.total_s == pytest.approx(sum(parts))
