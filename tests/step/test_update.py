"""The optimizer's update: bytes of its states where they lie, and why their arithmetic takes no longer."""

import math

import pytest
from tests.shapes import in_model, layout, pretraining
from tests.step.neutral import GPT, MEMORY, MIXED, MIXED_PARAMS, PEAK, ROUTED, B, S, step

from steelyard.catalog import load
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
