"""The power fit finds what was planted, and leaves a node type out wholly."""

from dataclasses import replace

import pytest
from fit.power.fitting import communication, fit, hosts, matrix, rest, score
from fit.power.rows import ANY, Evidence, Row, Sweep, Table
from fit.power.states import sweep, swept

from steelyard.catalog import load
from steelyard.evidence.readings.power import TYPICAL, Mix, Reading

CHIP = load().accelerator("H100")
TDP_W = CHIP.tdp_w
COMPUTE, MEMORY, TALKING, WAITING, HOST = 0.9, 0.7, 0.3, 0.2, 0.35
SWEEP = Sweep("family:nvidia-hopper", MEMORY, WAITING, 9, "planted")
NAN = float("nan")


def drawn(mix: Mix) -> float:
    return mix.compute * COMPUTE + mix.memory * MEMORY + mix.communication * TALKING + mix.waiting * WAITING


def reading(name: str, boundary: str, mix: Mix, devices: int = 8, work: float = NAN, node: str = "a") -> Reading:
    watts = TDP_W * (drawn(mix) + (HOST if boundary == "node" else 0.0))
    return Reading(name, node, CHIP.id, devices, "planted", boundary, watts, work, "planted", "")


def planted(extra: tuple[Reading, ...] = ()) -> Evidence:
    mixes = dict.fromkeys(("alone", "one", "other"), TYPICAL) | {
        f"many-{work}": TYPICAL.scaled(work) for work in (0.5, 0.7)
    }
    rows = [reading("alone", "chip", TYPICAL, node="cluster"), reading("one", "node", TYPICAL)]
    rows += [reading(f"many-{work}", "node", mixes[f"many-{work}"], 64, work) for work in (0.5, 0.7)]
    return Evidence([*rows, *extra], mixes, {CHIP.id: CHIP}, [SWEEP])


def truth() -> Table:
    known = {"compute": COMPUTE, "memory": MEMORY, "communication": TALKING, "waiting": WAITING, "idle": 0.1}
    return {(ANY, f"{name}_power"): Row(value, 0.1, 1, 1, (), "") for name, value in known.items()}


def test_every_share_is_found_again() -> None:
    rows = fit(planted())
    found = [
        rows["family:nvidia-hopper", "compute_power"].value,
        rows[ANY, "communication_power"].value,
        rows["family:nvidia-hopper", "host_power"].value,
    ]
    assert found == pytest.approx([COMPUTE, TALKING, HOST], rel=1e-3)


def test_each_part_is_exact_when_the_others_are_known() -> None:
    evidence = planted()
    one = evidence.readings[1]
    assert rest(evidence, truth(), one) == pytest.approx(HOST)
    assert communication(evidence, truth()).value == pytest.approx(TALKING)
    assert hosts(evidence, truth())[ANY, "host_power"].value == pytest.approx(HOST)
    assert matrix(evidence, truth() | swept([SWEEP]))[ANY, "compute_power"].value == pytest.approx(COMPUTE)


def test_matrix_work_never_draws_more_than_the_tdp() -> None:
    evidence = planted()
    hot = [replace(one, watts=1.2 * TDP_W) if one.boundary == "chip" else one for one in evidence.readings]
    rows = fit(replace(evidence, readings=hot))
    assert rows["family:nvidia-hopper", "compute_power"].value == 1.0


def test_a_left_out_node_type_does_not_help_itself() -> None:
    strange = replace(reading("other", "node", TYPICAL, node="b"), watts=2.0 * TDP_W)
    scores = {one.reading.id: one for one in score(planted((strange,)))}
    assert scores["other"].left_out == pytest.approx((drawn(TYPICAL) + HOST) / 2.0 - 1, abs=0.01)
    assert abs(scores["other"].fitted) < abs(scores["other"].left_out)


def test_a_sweep_tells_memory_from_waiting() -> None:
    rows = [
        {"workload": "net", "epoch_s": str(epoch), "tdp_w": "250.0", "source": "planted", "avg_w": str(watts)}
        for epoch, watts in ((10.0, 175.0), (10.2, 175.0), (20.0, 112.5), (100.0, 62.5))
    ]  # memory 0.7, waiting 0.2 of 250 W
    found = sweep("family:x", rows)
    assert (found.memory, found.waiting) == pytest.approx((0.7, 0.2))
