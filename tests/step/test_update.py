"""The optimizer's update: bytes of its states where they lie, and why their arithmetic takes no longer."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import in_model, layout, pretraining
from tests.step.neutral import (
    FREE,
    GPT,
    JOB,
    MEMORY,
    MIXED,
    MIXED_PARAMS,
    NETWORK,
    PARAMS,
    PEAK,
    ROUTED,
    B,
    S,
    kernels,
    stack,
    step,
)

from steelyard.catalog import load
from steelyard.catalog import stack as catalog_stack
from steelyard.catalog.training import Optimizer
from steelyard.tables import Job

ROUTED_PARAMS = 2 * ROUTED  # two of four blocks of MIXED
FLOPS = {
    # Kingma and Ba 2015, algorithm 1, counted operation by operation, square root and division as one each: first
    # moment 3, second 4, their corrections 2, root, epsilon, quotient, rate and difference 5; AdamW's decay 2.
    "adamw": 16,
    "adamw-bf16": 16,
    "adam8bit": 16 + 4,  # Dettmers et al. 2021, section 2: both states times and over the constant of their block
    "adafactor": 16 + 4,  # Shazeer and Stern 2018, algorithm 4: sums of rows and columns, their product and quotient
    "muon": 5 + 2,  # github.com/KellerJordan/Muon, muon.py: momentum and Nesterov, decay, rate and difference
    "lion": 3 + 3 + 1 + 4,  # Chen et al. 2023, algorithm 2: two interpolations, a sign, decay and difference
    "sgd-momentum": 4,  # torch.optim.SGD: momentum, rate and difference
    "sgd": 2,
    "none": 0,
}
"""Element-wise FLOPs of one parameter's update, spelt out; Muon's matrix products come on top."""

GRADIENT_AND_WEIGHT = 2 + 2


def moved_bytes(row: Optimizer) -> float:
    return 2 * (row.moment_bytes + (4.0 if row.master else 0.0)) + GRADIENT_AND_WEIGHT


def ridges() -> dict[str, float]:
    """Return FLOP a byte of each accelerator whose vector units the catalog knows."""
    found = {name: one.peak("fp32") / one.facts.value("memory_bandwidth") for name, one in load().accelerators.items()}
    return {name: ridge for name, ridge in found.items() if not math.isnan(ridge)}


def test_memory_is_slower_than_the_arithmetic_of_optimizers_on_every_accelerator() -> None:
    rows = load().optimizers
    steepest = max(count / moved_bytes(rows[name]) for name, count in FLOPS.items())
    assert FLOPS["adamw"] / moved_bytes(rows["adamw"]) == pytest.approx(16 / 28)
    assert len(ridges()) > 40
    assert min(ridges().values()) == pytest.approx(5, rel=0.01)
    assert steepest < 0.4 * min(ridges().values())


def states(job: Job) -> float:
    return 2 * (float(job.master_bytes) + float(job.moment_bytes)) + GRADIENT_AND_WEIGHT


@pytest.mark.parametrize(
    ("degrees", "dense", "routed"),
    [  # ranks that a parameter of either kind is shared out over
        ({"dp": 8.0, "zero": 0.0}, 1, 1),
        ({"dp": 8.0, "zero": 1.0}, 8, 8),
        ({"dp": 8.0, "ep": 4.0, "zero": 0.0}, 1, 4),
        ({"dp": 8.0, "ep": 4.0, "zero": 1.0}, 8, 8),
        ({"dp": 4.0, "tp": 2.0, "ep": 4.0, "zero": 3.0}, 8, 8),
        ({"dp": 4.0, "tp": 2.0, "zero": 1.0}, 8, 8),
        ({"dp": 8.0, "ep": 4.0, "zero": 1.0, "shard_devices": 2.0}, 2, 4),
    ],
)
def test_every_parameter_is_updated_once_where_its_states_are(
    degrees: dict[str, float], dense: float, routed: float
) -> None:
    """Rajbhandari et al. 2020, arXiv 1910.02054, section 5; experts as many ranks share as hold the same part."""
    taken = step(MIXED, layout(MIXED, **degrees), memory_bytes_per_s=MEMORY).optimizer_s
    updated = (MIXED_PARAMS - ROUTED_PARAMS) / dense + ROUTED_PARAMS / routed
    assert taken == pytest.approx(updated * states(MIXED) / MEMORY)


@pytest.mark.parametrize("iterations", [1.0, 5.0])
@pytest.mark.parametrize("momentum", [4.0, 8.0])
def test_momentum_on_the_host_comes_to_the_products_on_the_device_and_goes_back(
    momentum: float, iterations: float
) -> None:
    """DeepSpeed's pull request 7648: with the momentum on the host copies over the bus take the time."""
    plain = pretraining(GPT, S, B, moment_bytes=momentum)
    muon = pretraining(GPT, S, B, moment_bytes=momentum, newton_schulz=iterations)
    laid = layout(plain, offload=1.0)
    host, both = {"host_bytes_per_s": MEMORY}, {"host_bytes_per_s": MEMORY, "peak16_flop_per_s": PEAK}
    update, more = step(plain, laid, **host).optimizer_s, step(muon, laid, **host).optimizer_s
    params = GPT.total_params
    assert update == pytest.approx(params * (2 * (4 + momentum) + 2 * GRADIENT_AND_WEIGHT) / MEMORY)
    assert more - update == pytest.approx(params * 2 * momentum / MEMORY)
    products = iterations * sum(in_model(muon.workload, "updates").values()) / PEAK
    assert step(muon, laid, **both).optimizer_s - more == pytest.approx(products)
    on_device = layout(plain)
    assert step(muon, on_device, **host).optimizer_s == pytest.approx(0.0, abs=1e-12)


CPU_ADAM = 2.57 / 10e9  # seconds of a parameter: Ren et al. 2021, arXiv 2101.06840, table 4
PYTORCH = 14.76 / 10e9


def update_s(job: Job, ranks: float, param_s: float = CPU_ADAM, link: float = FREE, **laid: float) -> float:
    """Return the seconds of an update on one host whose devices are data-parallel ranks that share the states."""
    made = layout(job, **({"dp": ranks, "zero": 1.0, "shard_devices": ranks, "offload": 1.0} | laid))
    given = {"host_bytes_per_s": link, "node_devices": 16.0}
    return float(step(job, made, stack(host_update_s=param_s), **given).optimizer_s)


@pytest.mark.parametrize("ranks", [1.0, 2.0, 16.0])
@pytest.mark.parametrize(("param_s", "ten_billion_s"), [(CPU_ADAM, 2.57), (PYTORCH, 14.76)])
def test_a_host_updates_ten_billion_parameters_in_the_time_of_table_4(
    ranks: float, param_s: float, ten_billion_s: float
) -> None:
    """arXiv 2101.06840, table 4: however many devices share the states of one host, its processors are the same."""
    assert update_s(JOB, ranks, param_s) == pytest.approx(ten_billion_s * PARAMS / 10e9)


def test_each_stack_updates_on_a_host_as_its_code_does() -> None:
    taken = {name: float(catalog_stack(name).host_update_s) for name in load().stack_files}
    assert {name for name in taken if taken[name] == pytest.approx(CPU_ADAM)} == {
        *("deepspeed", "megatron-deepspeed"),
        *("megatron-core", "megatron-fsdp", "torchtune"),  # torch.optim.AdamW(fused=True)
    }
    assert taken["maxtext"] == 0.0  # states come to the device
    for name in ("any", "fsdp2", "hf-trainer"):
        assert taken[name] == pytest.approx(PYTORCH)


def test_replicas_that_share_nothing_update_everything_on_their_host_each() -> None:
    alone, eight = (update_s(JOB, ranks, zero=0.0, shard_devices=1.0) for ranks in (1.0, 8.0))
    assert eight == pytest.approx(8 * alone)


def test_as_many_ranks_share_a_host_as_it_has_devices() -> None:
    one, two = (update_s(JOB, ranks) for ranks in (16.0, 32.0))
    assert two == pytest.approx(one / 2)


def test_a_host_is_as_fast_whatever_chips_it_feeds() -> None:
    laid = layout(JOB, offload=1.0)
    slow, usual = (
        step(JOB, laid, stack(host_update_s=CPU_ADAM), kernels(time_scale=scale)).optimizer_s for scale in (2.0, 1.0)
    )
    assert slow == pytest.approx(usual)


RANKS, LINKS, PARAM_S = st.sampled_from([1.0, 2.0, 4.0, 8.0]), st.floats(1e8, 1e12), st.floats(0.0, 1e-8)


@given(RANKS, LINKS, PARAM_S, st.sampled_from([0.0, 1.0, 3.0]))
def test_an_update_on_a_host_takes_no_less_than_its_link_and_its_processors(
    ranks: float, link: float, param_s: float, zero: float
) -> None:
    """The longer of the two, and with more devices of the same shard on the host no less."""
    taken, more = (update_s(JOB, one, param_s, link, dp=one, zero=0.0) for one in (ranks, 2 * ranks))
    assert more >= taken * (1 - 1e-12)
    shard = PARAMS / (ranks if zero else 1)
    laid = {"zero": zero, "shard_devices": ranks}
    wanted = max(shard * states_away(JOB) / link, ranks * shard * param_s)
    assert update_s(JOB, ranks, param_s, link, **laid) == pytest.approx(wanted, abs=1e-12)


def states_away(job: Job) -> float:
    return states(job) + GRADIENT_AND_WEIGHT


@given(RANKS, PARAM_S, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_parameters_updated_on_a_host_take_longer(ranks: float, param_s: float, one: float, other: float) -> None:
    less, more = (replace(JOB, trainable_share=share) for share in sorted((one, other)))
    assert update_s(less, ranks, param_s, NETWORK) <= update_s(more, ranks, param_s, NETWORK)


def test_what_is_updated_on_the_device_knows_no_host() -> None:
    host = stack(host_update_s=PYTORCH)
    mixed = layout(JOB, dp=8.0, offload=np.array([0.0, 1.0]))
    unknown = {"host_bytes_per_s": math.nan, "node_devices": math.nan, "memory_bytes_per_s": MEMORY}
    alone = step(JOB, layout(JOB, dp=8.0), memory_bytes_per_s=MEMORY).optimizer_s
    assert step(JOB, layout(JOB, dp=8.0), host, **unknown).optimizer_s == alone
    both = step(JOB, mixed, host, **unknown).optimizer_s
    assert both[0] == alone
    assert np.isnan(both[1])


def test_products_of_muon_stay_on_the_device_beside_what_the_host_updates() -> None:
    muon = replace(JOB, newton_schulz=5.0)
    products = 5 * sum(in_model(muon.workload, "updates").values()) / PEAK
    taken = step(muon, layout(muon, offload=1.0), stack(host_update_s=CPU_ADAM), peak16_flop_per_s=PEAK).optimizer_s
    assert taken == pytest.approx(products + PARAMS * CPU_ADAM)
