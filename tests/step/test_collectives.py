"""Collectives: published bus bandwidths, laws, and what holds where one domain meets several."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard import catalog
from steelyard.catalog.tabulate import kernels
from steelyard.step.network.collectives import (
    all_gather_s,
    all_reduce_s,
    all_to_all_s,
    hierarchical_all_gather_s,
    hierarchical_all_reduce_s,
    hierarchical_all_to_all_s,
    reduce_scatter_s,
    send_s,
)
from steelyard.step.network.experts import dispatch_s
from steelyard.step.network.placement import group_bytes_per_s

FLAT = (all_reduce_s, all_gather_s, reduce_scatter_s, all_to_all_s)
PAIRS = (
    (hierarchical_all_reduce_s, all_reduce_s),
    (hierarchical_all_gather_s, all_gather_s),
    (hierarchical_all_to_all_s, all_to_all_s),
)
MIB = 2.0**20

payloads = st.floats(1e3, 1e11)
counts = st.integers(2, 512).map(float)
hops = st.floats(0, 1e-3)


def bus_gb_per_s(nodes: int, payload: float) -> float:
    """Return the bus bandwidth of an all-reduce over nodes of 8 B200 on EFA, as nccl-tests would print it."""
    row = catalog.load().accelerator("B200")
    with_ = kernels(row, "bf16")
    link = row.facts.value("link_bandwidth") * with_.link_efficiency
    nic = 50e9 * with_.nic_efficiency
    seconds = hierarchical_all_reduce_s(payload, 8, nodes, link, nic, with_.link_hop_s, with_.nic_hop_s)
    ranks = 8 * nodes
    return float(2 * (ranks - 1) / ranks * payload / seconds / 1e9)


@pytest.mark.parametrize(
    ("nodes", "mib", "measured"),
    [  # stas00, ml-engineering, network/README.md: p6-b200, one node and four
        (1, 16, 255),
        (1, 128, 568),
        (1, 1024, 723),
        (4, 1, 5.4),
        (4, 16, 64),
        (4, 128, 198),
        (4, 1024, 362),
    ],
)
def test_bus_bandwidth_of_b200_nodes(nodes: int, mib: int, measured: float) -> None:
    assert bus_gb_per_s(nodes, mib * MIB) == pytest.approx(measured, rel=0.4)


def test_the_worked_example_of_nccl_tests() -> None:
    # PERFORMANCE.md: busbw = algbw * 2(n-1)/n, so 8 ranks at 100 GB/s of bus bandwidth need 17.5 ms for 1 GB
    assert all_reduce_s(1e9, 8, 100e9, 0.0) == pytest.approx(1e9 * 2 * 7 / 8 / 100e9)
    assert all_gather_s(1e9, 8, 100e9, 0.0) == pytest.approx(1e9 * 7 / 8 / 100e9)


@pytest.mark.parametrize("formula", FLAT)
def test_a_lone_rank_takes_no_time(formula: object) -> None:
    assert formula(1e9, 1, 100e9, 1e-5) == 0  # type: ignore[operator]


@pytest.mark.parametrize("formula", FLAT)
@given(payload=payloads, ranks=counts, hop=hops)
def test_flat_laws(formula: object, payload: float, ranks: float, hop: float) -> None:
    def seconds(payload: float, ranks: float, rate: float) -> float:
        return float(formula(payload, ranks, rate, hop))  # type: ignore[operator]

    assert seconds(payload, ranks, 1e11) > seconds(payload, ranks, 2e11)
    assert seconds(payload, ranks, 1e11) < seconds(2 * payload, ranks, 1e11)
    assert seconds(payload, ranks, 1e11) < seconds(payload, ranks + 1, 1e11)
    assert seconds(payload, ranks, 1e11) >= payload * (ranks - 1) / ranks / 1e11 * (1 - 1e-12)
    assert 2 * seconds(payload, ranks, 1e11) * (1 + 1e-12) >= seconds(2 * payload, ranks, 1e11), (
        "one message costs no more than its two halves"
    )


@pytest.mark.parametrize(("nested", "flat"), PAIRS)
@given(payload=payloads, ranks=counts, hop=hops)
def test_one_domain_is_flat(nested: object, flat: object, payload: float, ranks: float, hop: float) -> None:
    sides = 2 if flat is all_reduce_s else 1
    whole = nested(payload, ranks, 1.0, 3e11, 5e10, hop, 1e-4)  # type: ignore[operator]
    assert whole == pytest.approx(flat(payload, ranks, group_bytes_per_s(3e11, ranks, sides), hop))  # type: ignore[operator]


@pytest.mark.parametrize(("nested", "flat"), PAIRS)
@given(payload=payloads, domains=counts)
def test_one_rank_a_domain_is_a_ring_of_adapters(nested: object, flat: object, payload: float, domains: float) -> None:
    whole = nested(payload, 1.0, domains, 3e11, 5e10, 1e-5, 0.0)  # type: ignore[operator]
    assert whole == pytest.approx(flat(payload, domains, 5e10, 0.0))  # type: ignore[operator]


@pytest.mark.parametrize("nested", [pair[0] for pair in PAIRS])
@given(payload=payloads, near=st.integers(1, 72).map(float), far=st.integers(1, 512).map(float), hop=hops)
def test_nested_laws(nested: object, payload: float, near: float, far: float, hop: float) -> None:
    def seconds(far: float = far, link: float = 3e11, nic: float = 5e10, payload: float = payload) -> float:
        return float(nested(payload, near, far, link, nic, 1e-5, hop))  # type: ignore[operator]

    assert seconds(link=6e11) <= seconds()
    assert seconds(nic=1e11) <= seconds()
    assert seconds(payload=2 * payload) >= seconds()
    assert seconds(far=2 * far) >= seconds() * (1 - 1e-12) or nested is hierarchical_all_to_all_s


def test_an_all_reduce_is_a_reduce_scatter_and_an_all_gather_on_a_silent_wire() -> None:
    halves = reduce_scatter_s(1e9, 8, 1e11, 0.0) + all_gather_s(1e9, 8, 1e11, 0.0)
    assert all_reduce_s(1e9, 8, 1e11, 0.0) == pytest.approx(halves)


def test_small_messages_pay_the_start_and_large_ones_the_wire() -> None:
    sizes = MIB * np.array([1e-3, 1.0, 64.0, 4096.0])
    seconds = all_reduce_s(sizes, 8, 350e9, 10e-6)
    rate = 2 * 7 / 8 * sizes / seconds
    assert seconds[0] == pytest.approx(10e-6 * 16 / 10, rel=0.05)
    assert np.all(np.diff(rate) > 0)
    assert rate[-1] == pytest.approx(350e9, rel=0.05)


def test_two_ranks_reach_three_quarters_of_eight() -> None:
    # nccl-tests, all-gather of 512 MiB on H100 (aiconfigurator@095f58a5): 258 GB/s at 2 ranks, 317 at 4, 335 at 8
    rates = group_bytes_per_s(337e9 * 7.35 / 7, np.array([2.0, 4.0, 8.0]), 1)
    np.testing.assert_allclose(rates / 1e9, [258, 317, 337], rtol=0.03)


def test_a_message_between_two_ranks() -> None:
    assert send_s(0.0, 50e9, 1e-5) == 1e-5
    assert send_s(50e9, 50e9, 0.0) == 1


@given(payload=payloads, copies=st.integers(1, 16), local=st.sampled_from([1.0, 4.0, 8.0]), hop=hops)
def test_tokens_to_the_experts_of_one_domain_are_an_all_to_all_of_their_copies(
    payload: float, copies: int, local: float, hop: float
) -> None:
    inside = dispatch_s(payload, local, 1.0, 350e9, 50e9, hop, hop, copies, 0.0, 0.0)
    assert inside == pytest.approx(hierarchical_all_to_all_s(payload * copies, local, 1.0, 350e9, 50e9, hop, hop))


@given(payload=payloads, copies=st.integers(2, 16), local=st.sampled_from([1.0, 4.0, 8.0]), domains=counts)
def test_a_token_crosses_the_network_once_a_domain(payload: float, copies: int, local: float, domains: float) -> None:
    slow = 1e9  # the network binds
    merged = dispatch_s(payload, local, domains, 1e15, slow, 0.0, 0.0, copies, 0.0, 0.0)
    assert merged < hierarchical_all_to_all_s(payload * copies, local, domains, 1e15, slow, 0.0, 0.0)
    assert merged <= payload * (domains - 1) / slow * (1 + 1e-9)
    one = dispatch_s(payload, local, domains, 1e15, slow, 0.0, 0.0, 1, 0.0, 0.0)
    assert one == pytest.approx(hierarchical_all_to_all_s(payload, local, domains, 1e15, slow, 0.0, 0.0))


@given(payload=payloads, copies=st.integers(2, 16), domains=st.sampled_from([2.0, 4.0, 8.0, 16.0]))
def test_a_token_reaches_no_more_domains_than_the_groups_of_experts_it_may_visit_lie_in(
    payload: float, copies: int, domains: float
) -> None:
    """DeepSeek-V3, arXiv 2412.19437, section 2.1.2: at most 4 nodes, of 8 groups of experts 4."""

    def crossing_s(groups: float, visited: float) -> float:
        return float(dispatch_s(payload, 8.0, domains, 1e15, 1e9, 0.0, 0.0, copies, groups, visited))

    away = (domains - 1) / domains * payload / 1e9
    reached = domains * (1 - (1 - 1 / domains) ** copies)
    assert crossing_s(0.0, 0.0) == pytest.approx(away * reached)
    assert crossing_s(8.0, 4.0) == pytest.approx(away * min(reached, 4 * max(domains / 8, 1)))
    assert crossing_s(8.0, 8.0) == pytest.approx(crossing_s(0.0, 0.0))
    assert crossing_s(8.0, 1.0) == pytest.approx(away * min(reached, max(domains / 8, 1)))


def test_grouped_and_ungrouped_models_stand_in_one_column() -> None:
    both = dispatch_s(1e9, 8.0, 8.0, 1e15, 1e9, 0.0, 0.0, 8.0, np.array([0.0, 8.0]), np.array([0.0, 4.0]))
    assert both[1] / both[0] == pytest.approx(4 / (8 * (1 - (7 / 8) ** 8)))
