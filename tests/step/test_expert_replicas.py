"""Who holds the same part of an expert: counted rank by rank, and in what a step moves."""

from collections import Counter

import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import EXPERTS, NETWORK, ROUTED, A, H, L, V, stack, step

from steelyard.step.divisors import divisors
from steelyard.step.network.placement import expert_replicas
from steelyard.step.states import held_params, rank_params
from steelyard.tables import Layout, Part

EXPERT_PARAMS = L * ROUTED
JOB = pretraining(gpt(L, H, A, V, **EXPERTS, routed_params=ROUTED), 512.0, 64.0)
DENSE_PARAMS = float(JOB.workload.params) - EXPERT_PARAMS
DEGREES = (
    {"tp": 2.0, "dp": 4.0},  # experts divided as the rest is
    {"tp": 4.0, "dp": 2.0, "cp": 2.0},
    {"tp": 2.0, "dp": 4.0, "etp": 1.0},  # whole experts on each rank
    {"dp": 8.0, "ep": 4.0},
    {"tp": 2.0, "dp": 4.0, "ep": 4.0},  # whole experts, over tensor ranks too
    {"tp": 2.0, "dp": 4.0, "ep": 4.0, "etp": 2.0},
    {"tp": 4.0, "dp": 2.0, "cp": 2.0, "ep": 2.0, "etp": 2.0},
    {"tp": 4.0, "dp": 2.0, "ep": 8.0, "pp": 2.0},
)


def replicas(laid: Layout) -> float:
    return float(expert_replicas(laid.tp, laid.dp * laid.cp, divisors(laid).expert_ranks))


@pytest.mark.parametrize("degrees", DEGREES)
def test_ranks_that_hold_the_same_part_are_as_many_as_there_are(degrees: dict[str, float]) -> None:
    """Ranks of a stage take parts in turn: tensor ranks of an expert innermost, then its expert ranks."""
    laid = layout(JOB, **degrees)
    held = Counter((rank % laid.etp, rank // laid.etp % laid.ep) for rank in range(int(laid.devices / laid.pp)))
    assert set(held.values()) == {replicas(laid)}
    assert replicas(laid) * laid.pp * laid.ep * laid.etp == laid.devices


@pytest.mark.parametrize("degrees", DEGREES)
def test_what_all_ranks_hold_is_each_part_as_often_as_it_has_replicas(degrees: dict[str, float]) -> None:
    laid = layout(JOB, **degrees)
    by = divisors(laid)
    parts = Part("dense", "tensor", DENSE_PARAMS), Part("routed", "expert_ranks", EXPERT_PARAMS)
    held = rank_params(held_params(parts, by), laid, by)
    ranks = laid.devices / laid.pp
    assert ranks * held.whole == pytest.approx(laid.dp * laid.cp * DENSE_PARAMS + replicas(laid) * EXPERT_PARAMS)
    assert ranks * held.shard == pytest.approx(DENSE_PARAMS + EXPERT_PARAMS)


@pytest.mark.parametrize("zero", [0.0, 1.0])
@pytest.mark.parametrize("degrees", DEGREES)
def test_all_wires_together_carry_each_gradient_twice_a_replica_but_one(degrees: dict[str, float], zero: float) -> None:
    """A ring of n ranks moves 2 (n - 1)/n of a buffer a rank (Thakur et al. 2005): 2 (n - 1) of it in all."""
    laid = layout(JOB, zero=zero, **degrees)
    taken = step(JOB, laid, stack(tp_exposed=0.0, ep_exposed=0.0, pp_exposed=0.0), nic_bytes_per_s=NETWORK)
    dense = DENSE_PARAMS + (laid.pp - 1) * V * H  # a table that embedding and head share stands on both of two stages
    crossed = (laid.dp * laid.cp - 1) * dense + (replicas(laid) - 1) * EXPERT_PARAMS
    assert float(taken.dp_s) * NETWORK * laid.devices == pytest.approx(2 * 2 * crossed)


def test_a_shard_group_gathers_experts_within_itself() -> None:
    """Hybrid sharding over 4 of 8 ranks, 2 of which hold an expert's part: gradients over 4 ranks, weights over 2."""
    laid = layout(JOB, dp=8.0, ep=2.0, zero=3.0, shard_devices=4.0, micro_batch=8.0)
    assert laid.micro_batches == 1
    taken = step(JOB, laid, stack(ep_exposed=0.0), nic_bytes_per_s=NETWORK).dp_s
    dense = 7 / 8 + 2 * 3 / 4
    routed = 3 / 4 + 2 * 1 / 2
    assert taken == pytest.approx(2 * (dense * DENSE_PARAMS + routed * EXPERT_PARAMS / 2) / NETWORK)


def test_replicas_of_divided_experts_are_as_near_as_those_of_the_rest() -> None:
    """Domains of 4: of 4 replicas that are 2 ranks apart, 2 share a domain; of 8 next to each other, 4 do."""
    for etp, near, ranks in ((2.0, 2, 4), (1.0, 4, 8)):
        laid = layout(JOB, tp=2.0, dp=4.0, etp=etp)
        rest = layout(JOB, tp=2.0, dp=4.0)
        taken = step(JOB, laid, stack(tp_exposed=0.0), nic_bytes_per_s=NETWORK, domain_devices=4.0).dp_s
        dense = 2 * (2 - 1) / 2 / 2 * DENSE_PARAMS / rest.tp
        routed = 2 * (ranks / near - 1) / (ranks / near) / near * EXPERT_PARAMS / etp
        assert taken == pytest.approx(2 * (dense + routed) / NETWORK)
