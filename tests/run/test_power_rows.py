"""The catalog's power rows: complete, in order, and right about nodes that were metered."""

from dataclasses import fields

import pytest

from steelyard.catalog import read
from steelyard.catalog.load import DATA
from steelyard.run import host_w, network_w, state_w
from steelyard.tables import Kernels

ROWS = {(row.entity, row.quantity): row for row in read.made(DATA, "power", read.fitted)}
POWER = [field.name for field in fields(Kernels) if field.name.endswith("_power")]


def share(entity: str, quantity: str) -> float:
    return ROWS.get((entity, quantity), ROWS["any", quantity]).value


def system_w(entity: str, tdp_w: float) -> float:
    accelerator = state_w(tdp_w, share(entity, "compute_power"), 0.0)
    return float(accelerator + host_w(tdp_w, share(entity, "host_power"), float("nan")))


def test_any_device_has_every_share_with_its_source() -> None:
    assert POWER
    assert {quantity for entity, quantity in ROWS if entity == "any"} == set(POWER)
    assert all(row.source and row.command and row.rows > 0 and row.log_sd > 0 for row in ROWS.values())


@pytest.mark.parametrize("entity", sorted({entity for entity, _ in ROWS}))
def test_states_draw_in_order(entity: str) -> None:
    idle, saving, waiting, computing = (
        share(entity, f"{state}_power") for state in ("idle", "checkpoint", "communication", "compute")
    )
    assert 0 < idle <= saving <= waiting < computing < 1
    assert 0 < share(entity, "host_power") < 0.5


@pytest.mark.parametrize(
    ("entity", "tdp_w", "low_w", "high_w"),
    [
        ("family:nvidia-hopper", 700.0, 856.0, 900.0),  # MLPerf Training v4.0, SMC, one node
        ("family:nvidia-blackwell-dc", 1000.0, 1196.0, 1256.0),  # MLPerf Training v5.0, Lenovo
        ("TPU-v3", 262.0, 255.0, 311.0),  # arXiv 2104.10350, Table 3: 283 W, sd 10%
        ("TPU-v2", 280.0, 210.0, 232.0),  # the same: 221 W, sd 5%
        ("family:nvidia-volta", 300.0, 318.0, 332.0),  # the same: 325 W, sd 2%
        ("family:nvidia-pascal", 300.0, 241.0, 301.0),  # the same: 271 W, sd 11%
    ],
)
def test_a_device_with_its_host_draws_what_was_metered(entity: str, tdp_w: float, low_w: float, high_w: float) -> None:
    assert low_w <= system_w(entity, tdp_w) <= high_w


def test_gpt3_on_512_h100() -> None:
    """MLPerf Training v4.0, SMC: 415.22 kWh in 56.87 min at the nodes, and 59.57 kW estimated for switches."""
    nodes_w = 415.22e3 / (56.869 / 60) / 512
    waiting = 0.1
    host = system_w("family:nvidia-hopper", 700.0) - 700 * share("family:nvidia-hopper", "compute_power")
    mixed = (1 - waiting) * share("family:nvidia-hopper", "compute_power") + waiting * share(
        "any", "communication_power"
    )
    assert 700 * mixed + host == pytest.approx(nodes_w, rel=0.05)
    switches = network_w(700.0, share("any", "network_power"), 512.0, 8.0)
    assert float(switches) == pytest.approx(59.57e3 / 512, rel=0.05)
