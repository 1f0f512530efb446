"""Which wire each exchange of a step takes, its starts and what it loses to congestion."""

from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import layout
from tests.step.neutral import GPT, HIDDEN, JOB, LINK, MOE, NETWORK, B, H, L, S, V, kernels, machine, stack, step

from steelyard.catalog import stack as catalog_stack
from steelyard.step.network.communication import Wires, ring
from steelyard.tables import join


@pytest.mark.parametrize("unknown", ["link_bytes_per_s", "nic_bytes_per_s"])
def test_a_rank_that_is_alone_asks_no_wire(unknown: str) -> None:
    """TPU v3 publishes no bandwidth of its links: what needs none is known."""
    alone = step(JOB, layout(JOB), machine(**{unknown: np.nan}))
    assert float(alone.total_s) == pytest.approx(float(step(JOB, layout(JOB)).total_s))
    blind = machine(nic_bytes_per_s=np.nan)
    assert np.isnan(step(JOB, layout(JOB, tp=2.0), blind).tp_s)
    assert np.isnan(step(JOB, layout(JOB, dp=2.0), blind).dp_s)
    pairs = machine(nic_bytes_per_s=np.nan, domain_devices=2.0)
    assert float(step(JOB, layout(JOB, pp=2.0), pairs).pp_s) < 1e-40, "both stages are in one domain of a free link"
    assert np.isnan(step(JOB, layout(JOB, pp=4.0), pairs).pp_s), "the third stage is in another domain"


def test_of_two_layouts_the_one_of_single_ranks_asks_no_wire() -> None:
    """Beside one that an unknown network leaves unknown."""
    found = step(JOB, join([layout(JOB), layout(JOB, dp=2.0)]), machine(nic_bytes_per_s=np.nan)).dp_s
    assert list(np.isnan(found)) == [False, True]


def test_a_ring_of_one_takes_nothing_where_the_wires_of_others_are_unknown() -> None:
    known = Wires(1e10, 1e9, 1e-5, 2e-5, 0.0)
    ranks, local = np.array([1.0, 2.0]), np.array([1.0, 1.0])
    whole = ring(2, ranks, local, known)
    no_rate = ring(2, ranks, local, replace(known, nic_bytes_per_s=np.nan))
    no_hop = ring(2, ranks, local, replace(known, nic_hop_s=np.nan))
    assert list(no_rate.start_s) == list(whole.start_s) == pytest.approx([0.0, 2e-5])
    assert list(no_hop.byte_s) == list(whole.byte_s) == pytest.approx([0.0, 1e-9])
    for unknown in (no_rate.byte_s, no_hop.start_s):
        assert unknown[0] == 0
        assert np.isnan(unknown[1])


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


def test_congestion_grows_with_the_domains_that_a_group_spans_not_with_its_ranks() -> None:
    """Sixteen ranks, four in each domain: two doublings of domains."""
    roomy = machine(domain_devices=4.0, nic_bytes_per_s=NETWORK)
    for degrees, name in (({"tp": 16.0}, "tp_s"), ({"dp": 16.0}, "dp_s")):
        job = replace(JOB, batch_samples=64.0)
        plain, crowded = (
            getattr(step(job, layout(job, **degrees), roomy, kernels(nic_congestion=loss)), name) for loss in (0.0, 0.1)
        )
        assert crowded == pytest.approx(1.2 * plain), name


@pytest.mark.parametrize(("tp", "sharing"), [(1.0, 4), (2.0, 2), (4.0, 1)])
def test_tensor_ranks_lie_between_the_ranks_that_share_out_states(tp: float, sharing: int) -> None:
    """Of eight data ranks only domain / tp lie in one domain of four: (k-1)/k of the parameters, split among them."""
    laid = layout(JOB, dp=8.0, tp=tp, zero=3.0, micro_batches=1.0)
    gathered = step(JOB, laid, stack(grad_bytes=0.0), domain_devices=4.0, nic_bytes_per_s=NETWORK).dp_s
    domains = 8 / sharing
    wanted = 2 * (domains - 1) / domains * 2 * GPT.total_params / tp / sharing / NETWORK
    assert gathered == pytest.approx(wanted)


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


@pytest.mark.parametrize("tp", [2.0, 4.0, 8.0])
def test_ranks_that_hold_the_same_send_a_part_each_and_gather_it(tp: float) -> None:
    """Megatron's scatter/gather (arXiv 2104.04473, section 4.1): b s h / t over the network, the rest over NVLink."""
    roomy = machine(domain_devices=8.0, link_bytes_per_s=LINK, nic_bytes_per_s=NETWORK)
    laid = layout(JOB, pp=2.0, tp=tp, dp=8.0, sp=0.0)
    cut, whole = (step(JOB, laid, roomy, stack(pp_scattered=share)).pp_s for share in (1.0, 0.0))
    sends = 2 * (B / 8 + 1)
    assert whole == pytest.approx(sends * HIDDEN / NETWORK)
    assert cut == pytest.approx(sends * HIDDEN * (1 / tp / NETWORK + (tp - 1) / tp / LINK))
    divided = replace(laid, sp=1.0)
    pieces = [step(JOB, divided, roomy, stack(pp_scattered=share)).pp_s for share in (1.0, 0.0)]
    assert pieces == pytest.approx([sends * HIDDEN / tp / NETWORK] * 2), "what is divided is sent as it is"


def test_stacks_that_scatter_what_they_send() -> None:
    assert [float(catalog_stack(name).pp_scattered) for name in ("megatron-lm", "megatron-deepspeed", "internevo")] == [
        1
    ] * 3
    assert [float(catalog_stack(name).pp_scattered) for name in ("megatron-core", "nanotron", "fsdp2")] == [0] * 3


def test_stages_of_a_part_of_a_domain_send_over_its_links_in_a_larger_job() -> None:
    """Four neighbours of a domain of eight are one stage: the next one lies beside it, though the job spans domains."""
    roomy = machine(domain_devices=8.0, link_bytes_per_s=LINK, nic_bytes_per_s=NETWORK)
    laid = layout(JOB, pp=4.0, tp=2.0, dp=2.0, sp=0.0)
    assert step(JOB, laid, roomy).pp_s == pytest.approx(2 * (B / 2 + 3) * HIDDEN / LINK)


def test_a_ring_that_fills_a_domain_goes_over_links_in_a_larger_job() -> None:
    roomy = machine(domain_devices=4.0, link_bytes_per_s=LINK, nic_bytes_per_s=NETWORK)
    laid = layout(JOB, cp=4.0, dp=2.0)
    assert step(JOB, laid, roomy).cp_s == pytest.approx(B / 2 * L * 3 * 3 * (S / 4 * 2 * H * 2) / LINK)


def test_gathers_and_exchanges_of_experts_start_once_a_domain() -> None:
    """Eight domains of one rank: seven starts of the network; ZeRO-3 gathers twice and reduces once."""
    hop = kernels(nic_hop_s=1e-5)
    laid = layout(JOB, dp=8.0, zero=3.0)
    assert step(JOB, laid, hop).dp_s == pytest.approx((2 + 0.5) * 7 * 1e-5)
    spread = layout(MOE, dp=8.0, ep=8.0)
    assert step(MOE, spread, hop).ep_s == pytest.approx(spread.micro_batches * L * 4 * 7 * 1e-5)


def test_the_experts_of_a_stage_are_reduced_with_it() -> None:
    whole, half = (step(MOE, layout(MOE, dp=8.0, ep=4.0, pp=pp), nic_bytes_per_s=NETWORK).dp_s for pp in (1.0, 2.0))
    table = 2 * 7 / 8 * 2 * V * H / NETWORK  # that embedding and head share: on both stages
    assert half == pytest.approx((whole + table) / 2)
