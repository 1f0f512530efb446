"""The catalog's power rows: complete, in order, and right about nodes that were metered."""

from dataclasses import fields

import pytest

from steelyard.catalog import read
from steelyard.catalog.load import DATA
from steelyard.evidence.readings.power import TYPICAL, Mix
from steelyard.run import host_w, network_w, state_w
from steelyard.tables import Kernels

ROWS = {(row.entity, row.quantity): row for row in read.parsed_rows(DATA, "power", read.parse_fitted)}
STATES = ("compute", "memory", "communication", "waiting")
POWER = [field.name for field in fields(Kernels) if field.name.endswith("_power")]


def share(entity: str, quantity: str) -> float:
    family = "family:tpu" if entity.startswith("TPU") else entity
    return next(ROWS[name, quantity] for name in (entity, family, "any") if (name, quantity) in ROWS).value


def device_w(entity: str, tdp_w: float, mix: Mix) -> float:
    parts = (getattr(mix, state) * state_w(tdp_w, share(entity, f"{state}_power"), 0.0) for state in STATES)
    return float(sum(parts))


def system_w(entity: str, tdp_w: float, mix: Mix = TYPICAL) -> float:
    return device_w(entity, tdp_w, mix) + float(host_w(tdp_w, share(entity, "host_power"), float("nan")))


def test_any_device_has_every_share_with_its_source() -> None:
    assert POWER
    assert {quantity for entity, quantity in ROWS if entity == "any"} == set(POWER)
    assert all(row.source and row.command and row.rows > 0 and row.log_sd > 0 for row in ROWS.values())


@pytest.mark.parametrize("entity", sorted({entity for entity, _ in ROWS}))
def test_states_draw_in_order(entity: str) -> None:
    idle, saving, waiting, talking, bound, computing = (
        share(entity, f"{state}_power")
        for state in ("idle", "checkpoint", "waiting", "communication", "memory", "compute")
    )
    assert 0 < idle <= saving <= waiting <= talking < bound < computing <= 1
    assert 0 < share(entity, "host_power") < 1


@pytest.mark.parametrize(
    ("entity", "tdp_w", "low_w", "high_w"),
    [
        ("family:nvidia-hopper", 700.0, 856.0, 969.0),  # MLPerf v4.0, SMC, immersed; arXiv 2506.14551, air
        ("family:nvidia-blackwell-dc", 1000.0, 1196.0, 1256.0),  # MLPerf Training v5.0, Lenovo
        ("TPU-v3", 262.0, 255.0, 311.0),  # arXiv 2104.10350, Table 3: 283 W, sd 10%
        ("TPU-v2", 280.0, 210.0, 232.0),  # the same: 221 W, sd 5%
        ("family:nvidia-volta", 300.0, 318.0, 342.0),  # the same: 325 W, sd 2%; XLM 342 W
        ("family:nvidia-pascal", 300.0, 241.0, 301.0),  # the same: 271 W, sd 11%
    ],
)
def test_a_device_with_its_host_draws_what_was_metered(entity: str, tdp_w: float, low_w: float, high_w: float) -> None:
    assert low_w <= system_w(entity, tdp_w) <= high_w


@pytest.mark.parametrize(("entity", "tdp_w", "batch_8_w"), [
    ("family:nvidia-volta", 250.0, 39.1), ("family:nvidia-pascal", 250.0, 39.7), ("family:nvidia-turing", 260.0, 70.6),
])  # fmt: skip
def test_a_launch_bound_network_hardly_draws_more_than_an_idle_device(
    entity: str, tdp_w: float, batch_8_w: float
) -> None:
    """Zeus: ShuffleNet at batch 8 takes 24 to 42 times its fastest epoch."""
    assert device_w(entity, tdp_w, Mix(0.0, 0.03, 0.0, 0.97)) == pytest.approx(batch_8_w, abs=20.0)


@pytest.mark.parametrize(
    ("nodes", "work", "metered_w"),
    [(8, 0.738, 753.6), (64, 0.678, 693.0)],  # MLPerf Training v4.0, SMC, Llama 2 70B LoRA
)
def test_a_job_spread_over_more_nodes_draws_less(nodes: int, work: float, metered_w: float) -> None:
    one = system_w("family:nvidia-hopper", 700.0)
    many = system_w("family:nvidia-hopper", 700.0, TYPICAL.scaled(work))
    assert many < one
    assert many == pytest.approx(metered_w, rel=0.15)


def test_a_tpu_is_measured_against_its_own_kind_of_tdp() -> None:
    """TPU v3 and v4 draw 220 and 170 W on average, of 450 and 340 W rated; later TPUs have a rating alone."""
    assert 0.45 < share("family:tpu", "compute_power") < 0.55
    assert share("TPU-v3", "compute_power") == pytest.approx(220 / 262, rel=0.05)


def test_switches_of_512_h100() -> None:
    """MLPerf Training v4.0, SMC: 59.57 kW estimated for switches."""
    switches = network_w(700.0, share("any", "network_power"), 512.0, 8.0)
    assert float(switches) == pytest.approx(59.57e3 / 512, rel=0.05)
