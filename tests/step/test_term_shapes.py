"""Terms of a step on shapes, links and starts: what a kernel or a wire is asked for, by the papers' own counts."""

from dataclasses import fields

import numpy as np
import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import kernels, machine, stack, step

from steelyard.tables import StepTime

L, H, A, V, S, B = 4, 1024, 16, 50_000, 512, 8
GPT = gpt(L, H, A, V)
JOB = pretraining(GPT, S, B)
PEAK, MEMORY, NETWORK, LINK = 1e12, 1e11, 1e9, 1e10
HIDDEN = S * H * 2.0
BUSY = ("gemm_s", "attention_s", "pointwise_s", "vocab_s", "recompute_s")
TICK = (*BUSY, "host_s", "tp_s", "cp_s", "ep_s")
ALL = {"peak_flop_per_s": PEAK, "peak16_flop_per_s": PEAK, "memory_bytes_per_s": MEMORY, "nic_bytes_per_s": NETWORK}
EXPERTS = {"moe_layers": float(L), "moe_ffn": 512.0, "experts": 8.0, "top_k": 2.0, "shared_ffn": 256.0}
MOE = pretraining(gpt(L, H, A, V, **EXPERTS, routed_params=8 * 2 * H * 512.0), S, 64.0)


def faces(rows: float, *products: tuple[float, float]) -> float:
    """Return the elements that products of so many rows read and write: m k + k n + m n each."""
    return sum(rows * inner + inner * outer + rows * outer for inner, outer in products)


def block(tp: float) -> list[tuple[float, float]]:
    """Return inner and outer width of a block's products on one of t ranks (Shoeybi et al. 2019, section 3)."""
    return [(H, 3 * H / tp), (H / tp, H), (H, 4 * H / tp), (4 * H / tp, H)]


# --- Products and attention ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tp", [1.0, 4.0])
@pytest.mark.parametrize("width", [2.0, 1.0])
def test_products_are_columns_then_rows_of_their_matrices(tp: float, width: float) -> None:
    """1909.08053, section 3: the first matrix of MLP and attention is cut by columns, the second by rows."""
    job = pretraining(GPT, S, B, gemm_bytes=width)
    taken = step(job, layout(job, tp=tp), memory_bytes_per_s=MEMORY)
    assert taken.gemm_s == pytest.approx(3 * B * L * width * faces(S, *block(tp)) / MEMORY)
    assert taken.vocab_s == pytest.approx(3 * B * 2 * faces(S, (H, V / tp)) / MEMORY)  # 16 bits under fp8 too


def test_narrow_products_cost_their_faces_times_the_half_width() -> None:
    taken = step(JOB, layout(JOB), kernels(gemm_half_width=100.0), peak_flop_per_s=PEAK)
    flop = 24 * S * H**2 + 2 * 100 * faces(S, *block(1.0))
    assert taken.gemm_s == pytest.approx(3 * B * L * flop / PEAK)


def test_each_product_and_each_group_of_experts_is_launched_once() -> None:
    """Four products of a dense block; attention's two, the shared expert's two and two groups of routed ones."""
    for job, products in ((JOB, 4), (MOE, 6)):
        taken = step(job, layout(job), kernels(gemm_launch_s=1e-6))
        assert taken.gemm_s == pytest.approx(3 * job.batch_sequences * L * products * 1e-6)
        assert taken.vocab_s == pytest.approx(3 * job.batch_sequences * 1e-6)


def test_half_the_rate_at_the_half_length_and_at_the_half_width() -> None:
    """Around a ring of two a kernel sees half the keys at a time."""
    for cp, short in ((1.0, 2), (2.0, 3)):
        laid = layout(JOB, cp=cp)
        plain = step(JOB, laid, peak16_flop_per_s=PEAK).attention_s
        for found, slower in (
            (kernels(attention_half_tokens=float(S)), short),
            (kernels(attention_half_dim=H / A), 2),
            (kernels(attention_efficiency=0.5), 2),
            (kernels(attention_legacy=0.25), 1),
        ):
            assert step(JOB, laid, found, peak16_flop_per_s=PEAK).attention_s == pytest.approx(slower * plain)
        old = stack(attention_native=0.0)
        legacy = step(JOB, laid, old, kernels(attention_legacy=0.25), peak16_flop_per_s=PEAK).attention_s
        assert legacy == pytest.approx(4 * plain)


def test_fewer_targets_than_inputs_have_fewer_logits() -> None:
    """T5: 114 of 512 tokens are targets (2,048 of 512 tokens in, spans of 3 out; arXiv 1910.10683, section 3.1.4)."""
    job = pretraining(gpt(L, H, A, V, encoder_layers=L / 2, target_share=114 / 512), S, B)
    head = step(job, layout(job), peak16_flop_per_s=PEAK)
    assert head.vocab_s == pytest.approx(6 * B * 114 * H * V / PEAK)
    bare, loss = (step(job, layout(job), stack(loss_bytes=x), memory_bytes_per_s=MEMORY).vocab_s for x in (0.0, 8.0))
    assert loss - bare == pytest.approx(B * 114 * V * 8 / MEMORY)


def test_experts_move_their_tokens_in_and_out_and_their_own_width() -> None:
    """Each of two copies is written and read on its way out and back; an expert's activation reads and writes 512."""
    taken = step(MOE, layout(MOE), stack(pointwise_passes=12.0), memory_bytes_per_s=MEMORY)
    moved = (12 + 4 * 2) * H + 2 * (2 * 512 + 256) + 2 * 2 * H
    assert taken.pointwise_s == pytest.approx(3 * 64 * L * S * 2 * moved / MEMORY)


def test_half_of_the_blocks_with_experts_move_half_as_much_more() -> None:
    passes = stack(pointwise_passes=12.0)
    mixed = pretraining(gpt(L, H, A, V, **(EXPERTS | {"moe_layers": L / 2})), S, 64.0)
    dense = pretraining(GPT, S, 64.0)
    taken = [step(job, layout(job), passes, memory_bytes_per_s=MEMORY).pointwise_s for job in (dense, mixed, MOE)]
    assert taken[1] == pytest.approx((taken[0] + taken[2]) / 2)


def test_experts_on_their_own_ranks_take_whole_products_of_their_share_of_rows() -> None:
    """4 of 8 ranks, two experts each: rows of two copies spread over them; without expert ranks tp cuts each expert."""
    for tp, ep, local, inner in ((1.0, 4.0, 2, 512), (2.0, 1.0, 8, 256), (2.0, 4.0, 2, 512)):
        laid = layout(MOE, tp=tp, dp=8.0, ep=ep)
        taken = step(MOE, laid, memory_bytes_per_s=MEMORY).gemm_s
        rows = S * 2 / (tp if ep > 1 else 1) / local
        shared = [(H, 256 / tp), (256 / tp, H)]
        rest = faces(S, *block(tp)[:2], *shared)
        wanted = rest + local * faces(rows, (H, inner), (inner, H))
        assert taken == pytest.approx(3 * laid.micro_batches * L * 2 * wanted / MEMORY)


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


# --- Wires ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tp", [2.0, 8.0])
def test_a_rank_also_copies_its_own_share_inside_a_domain(tp: float) -> None:
    """nccl-tests: 2 (t-1)/t of the bytes on the wire; two ranks reach 2/2.35 of the bandwidth (docs/kernels.md)."""
    roomy = machine(domain_devices=8.0, link_bytes_per_s=LINK)
    crossed = 2 * (tp - 1)
    wanted = B * L * 4 * crossed / tp * HIDDEN / (LINK * crossed / (crossed + 0.35))
    assert step(JOB, layout(JOB, tp=tp), roomy).tp_s == pytest.approx(wanted)
    assert step(JOB, layout(JOB, tp=tp), roomy, kernels(link_efficiency=0.5)).tp_s == pytest.approx(2 * wanted)


def test_the_network_reaches_its_share_of_its_rate() -> None:
    whole, half = (
        step(JOB, layout(JOB, tp=2.0), kernels(nic_efficiency=share), nic_bytes_per_s=NETWORK).tp_s
        for share in (1, 0.5)
    )
    assert half == pytest.approx(2 * whole)


@pytest.mark.parametrize(("tp", "tenths"), [(2.0, 10), (4.0, 12), (8.0, 16)])
def test_a_start_is_a_tenth_longer_for_each_rank_beyond_two(tp: float, tenths: float) -> None:
    taken = step(JOB, layout(JOB, tp=tp), machine(domain_devices=8.0), kernels(link_hop_s=1e-5))
    assert taken.tp_s == pytest.approx(B * L * 4 * 1e-5 * tenths / 10)


def test_each_further_domain_adds_a_start_and_congestion_each_doubling() -> None:
    laid = layout(JOB, tp=8.0)
    assert step(JOB, laid, kernels(nic_hop_s=1e-5)).tp_s == pytest.approx(B * L * 4 * 7 * 1e-5)
    plain, crowded = (
        step(JOB, laid, kernels(nic_congestion=loss), nic_bytes_per_s=NETWORK).tp_s for loss in (0.0, 0.1)
    )
    assert crowded == pytest.approx(1.3 * plain)


def test_a_message_half_as_long_as_its_start_overlaps_by_the_root() -> None:
    """wire + start + sqrt(wire start): with both equal, three times either."""
    wire = 2 * 1 / 2 * HIDDEN / NETWORK
    taken = step(JOB, layout(JOB, tp=2.0), kernels(nic_hop_s=wire), nic_bytes_per_s=NETWORK)
    assert taken.tp_s == pytest.approx(B * L * 4 * 3 * wire)


def test_a_stage_sends_with_the_networks_start() -> None:
    assert step(JOB, layout(JOB, pp=4.0), kernels(nic_hop_s=1e-5)).pp_s == pytest.approx(2 * (B + 3) * 1e-5)


def test_stages_of_whole_domains_send_over_the_network() -> None:
    """Tensor, context and data ranks lie inside: only what is left of a domain holds neighbours of the pipeline."""
    roomy = machine(domain_devices=8.0, link_bytes_per_s=LINK, nic_bytes_per_s=NETWORK)
    for degrees, rate in (({"tp": 2.0, "cp": 2.0}, LINK), ({"tp": 2.0, "cp": 4.0}, NETWORK), ({"tp": 8.0}, NETWORK)):
        laid = layout(JOB, pp=2.0, sp=0.0, **degrees)
        wanted = 2 * (laid.micro_batches + 1) * HIDDEN / laid.cp / (rate if laid.devices > 8 else LINK)
        assert step(JOB, laid, roomy).pp_s == pytest.approx(wanted)


def test_two_sequences_of_a_micro_batch_are_sent_together() -> None:
    for name, degrees in (("tp_s", {"tp": 2.0}), ("cp_s", {"cp": 2.0}), ("pp_s", {"pp": 2.0})):
        one, two = (
            step(JOB, layout(JOB, micro_batch=size, micro_batches=4.0, **degrees), nic_bytes_per_s=NETWORK)
            for size in (1.0, 2.0)
        )
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name)), name


def test_a_ring_inside_a_domain_goes_over_links_and_one_that_leaves_it_over_the_network() -> None:
    roomy = machine(domain_devices=4.0, link_bytes_per_s=LINK, nic_bytes_per_s=NETWORK)
    for cp, tp, rate in ((4.0, 1.0, LINK), (4.0, 2.0, NETWORK), (8.0, 1.0, NETWORK)):
        laid = layout(JOB, cp=cp, tp=tp)
        held = S / cp * 2 * H / tp * 2
        assert step(JOB, laid, roomy).cp_s == pytest.approx(B * L * 3 * (cp - 1) * held / rate)
    starts = step(JOB, layout(JOB, cp=4.0), kernels(link_hop_s=1e-5), domain_devices=4.0).cp_s
    assert starts == pytest.approx(B * L * 3 * 3 * 1e-5)


def test_ranks_that_share_a_domain_share_its_traffic_to_others() -> None:
    """Two of four data ranks in each domain: 2 (k-1)/k of the bytes leave it, half of them by each rank."""
    for tp, sharing in ((1.0, 2), (2.0, 1)):
        laid = layout(JOB, dp=4.0, tp=tp)
        domains = 4 / sharing
        taken = step(JOB, laid, domain_devices=2.0, nic_bytes_per_s=NETWORK).dp_s
        held = 2 * GPT.total_params / tp
        assert taken == pytest.approx(2 * (domains - 1) / domains * held / sharing / NETWORK)


def test_shards_gather_within_the_domain_that_holds_their_group() -> None:
    laid = layout(JOB, dp=4.0, zero=3.0, shard_devices=2.0, micro_batch=2.0)
    roomy = machine(domain_devices=2.0, link_bytes_per_s=LINK)
    gathers = 2 * 1 / 2 * 2 * GPT.total_params / (LINK * 1 / 1.35)
    reduce = 1 / 2 * 2 * GPT.total_params / (LINK * 2 / 2.35)
    assert step(JOB, laid, roomy).dp_s == pytest.approx(gathers + reduce)


def test_experts_inside_a_domain_get_a_copy_each() -> None:
    """DeepSeek-V3, section 3.2.2: inside a domain a token is copied to each of its experts, 3/4 of them elsewhere."""
    laid = layout(MOE, dp=8.0, ep=4.0)
    roomy = machine(domain_devices=4.0, link_bytes_per_s=LINK)
    wanted = laid.micro_batches * L * 4 * 2 * 3 / 4 * HIDDEN / (LINK * 3 / 3.35)
    assert step(MOE, laid, roomy).ep_s == pytest.approx(wanted)


@pytest.mark.parametrize(("tp", "replicas"), [(1.0, 2), (2.0, 4)])
def test_tensor_ranks_hold_experts_of_their_own(tp: float, replicas: float) -> None:
    """All ranks of a replica of the model hold experts: dp tp / ep of them hold the same ones."""
    laid = layout(MOE, dp=8.0, tp=tp, ep=4.0)
    routed = L * 8 * 2 * H * 512.0
    dense = GPT.total_params - routed  # the blocks' own count is the shape's; only the routed part is told apart
    wanted = 2 * 7 / 8 * 2 * dense / tp + 2 * (replicas - 1) / replicas * 2 * routed / 4
    assert step(MOE, laid, nic_bytes_per_s=NETWORK).dp_s == pytest.approx(wanted / NETWORK)


def test_a_job_inside_a_domain_never_asks_the_network() -> None:
    laid = layout(MOE, tp=2.0, dp=4.0, ep=2.0, pp=1.0)
    unknown = machine(domain_devices=8.0, link_bytes_per_s=LINK, nic_bytes_per_s=np.nan)
    assert np.isfinite(step(MOE, laid, unknown).total_s)
