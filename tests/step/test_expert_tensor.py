"""Experts that are tensor parallel otherwise than the rest (Megatron-core's `expert_tensor_parallel_size`)."""

import numpy as np
import pytest
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.neutral import EXPERTS, HIDDEN, MOE, NETWORK, ROUTED, A, H, L, S, V, machine, peak, step

from steelyard.step import memory, stage_job
from steelyard.step.divisors import divisors
from steelyard.tables import Machine, Stack, join


def test_experts_are_divided_by_ep_and_etp() -> None:
    by = divisors(layout(MOE, tp=4.0, dp=2.0, ep=4.0, etp=2.0, sp=1.0))
    assert (by.expert_tensor, by.expert_ranks, by.expert_sequence) == (2, 8, 2)


@pytest.mark.parametrize("sp", [0.0, 1.0])
def test_left_out_it_is_whole_experts_or_the_rest(sp: float) -> None:
    whole, rest = divisors(layout(MOE, tp=4.0, dp=2.0, ep=4.0, sp=sp)), divisors(layout(MOE, tp=4.0, sp=sp))
    assert (whole.expert_tensor, whole.expert_ranks, whole.expert_sequence) == (1, 4, 4**sp)
    assert (rest.expert_tensor, rest.expert_ranks, rest.expert_sequence) == (4, 4, 1)


def test_a_divided_expert_weighs_its_share() -> None:
    kept = filled(Stack, weight_bytes=2.0, reserved_scale=1.0)
    held = [
        memory(stage_job(MOE, layout(MOE, tp=4.0, dp=2.0, ep=2.0, etp=etp)), filled(Machine), kept).weights_bytes
        for etp in (1.0, 4.0)
    ]
    assert held[0] - held[1] == pytest.approx(2 * L * ROUTED * (1 / 2 - 1 / 8))


def test_divided_experts_reduce_the_copies_that_reach_them() -> None:
    """All-gather and reduce-scatter of 2 copies a token over etp ranks, in each of both passes, at every block."""
    laid = layout(MOE, tp=2.0, dp=4.0, ep=4.0, sp=1.0)
    usual, divided = (
        step(MOE, one, nic_bytes_per_s=NETWORK).tp_s for one in (laid, layout(MOE, tp=2.0, dp=4.0, ep=4.0, etp=2.0))
    )
    ring = 2 * (2 - 1) / 2
    count = float(laid.micro_batches)
    assert divided - usual == pytest.approx(count * L * 2 * ring * 2 * HIDDEN / NETWORK)


def test_ranks_that_split_the_sequence_send_an_expert_a_part_of_the_tokens() -> None:
    """Megatron-core's all-to-all dispatcher: of 4 ranks of a split sequence 2 divide an expert, with half of it."""
    split, whole = (layout(MOE, tp=4.0, dp=4.0, ep=2.0, etp=2.0, sp=sp) for sp in (1.0, 0.0))
    rest = step(MOE, layout(MOE, tp=4.0, dp=4.0, ep=2.0, sp=1.0), nic_bytes_per_s=NETWORK).tp_s
    ring, passes = 2 * (2 - 1) / 2, 2 * float(split.micro_batches) * L
    for laid, part in ((split, 1 / 2), (whole, 1.0)):
        reduced = step(MOE, laid, nic_bytes_per_s=NETWORK).tp_s - rest
        assert reduced == pytest.approx(passes * ring * 2 * HIDDEN * part / NETWORK)


def test_experts_on_one_expert_rank_reduce_each_token_once() -> None:
    """Nothing is dispatched: of 4 tensor ranks 2 divide an expert, and sum one row a token whatever visits them."""
    laid, alone = (layout(MOE, tp=4.0, ep=1.0, etp=etp, sp=0.0) for etp in (2.0, 1.0))
    reduced, rest = (float(step(MOE, one, nic_bytes_per_s=NETWORK).tp_s) for one in (laid, alone))
    ring, passes = 2 * (2 - 1) / 2, 2 * float(laid.micro_batches) * L
    assert reduced - rest == pytest.approx(passes * ring * HIDDEN / NETWORK)


def test_whole_experts_on_tensor_ranks_reduce_nothing() -> None:
    whole, rest = (layout(MOE, tp=2.0, ep=1.0, etp=etp, sp=1.0) for etp in (1.0, 2.0))
    assert step(MOE, whole, nic_bytes_per_s=NETWORK).tp_s == pytest.approx(
        step(MOE, rest, nic_bytes_per_s=NETWORK).tp_s / 2
    )
    assert peak(MOE, whole).activations_bytes == pytest.approx(peak(MOE, rest).activations_bytes)


def test_ranks_that_divide_an_expert_stand_between_two_that_exchange_tokens() -> None:
    """8 expert ranks of 2 devices each span two domains of 8 devices: half of what one takes in comes from outside.

    Of a token's two copies, spread evenly, one domain sees none with chance (1 - 1/2)^2.
    """
    laid = layout(MOE, tp=2.0, dp=8.0, ep=8.0, etp=2.0, sp=0.0)
    taken = step(MOE, laid, machine(domain_devices=8.0, nic_bytes_per_s=NETWORK)).ep_s
    exchanges = float(laid.micro_batches) * L * 4
    assert taken == pytest.approx(exchanges * 1 / 2 * 2 * (1 - 1 / 4) * HIDDEN / NETWORK)


def test_experts_on_one_rank_send_nothing_over_a_network_that_is_unknown() -> None:
    both = join([layout(MOE, dp=4.0, ep=ep) for ep in (1.0, 4.0)])
    assert list(np.isnan(step(MOE, both, nic_bytes_per_s=float("nan")).ep_s)) == [False, True]


def test_a_token_reaches_the_domains_of_its_groups_alone() -> None:
    """DeepSeek-V3, arXiv 2412.19437, section 2.1.2: four copies in 2 of 8 groups lie in 2 of 4 domains, not in 2.73."""
    limited = {"top_k": 4.0, "expert_groups": 8.0, "top_k_groups": 2.0}
    for given, reached in (({"top_k": 4.0}, 4 * (1 - (3 / 4) ** 4)), (limited, 2.0)):
        job = pretraining(gpt(L, H, A, V, **(EXPERTS | given), routed_params=ROUTED), S, 64.0)
        laid = layout(job, dp=8.0, ep=4.0)
        taken = step(job, laid, nic_bytes_per_s=NETWORK).ep_s
        assert taken == pytest.approx(float(laid.micro_batches) * L * 4 * 3 / 4 * reached * HIDDEN / NETWORK)
