"""Published power: what is scored, its composition, and how right the shipped shares are."""

import math
from dataclasses import astuple, replace

import numpy as np
import pytest

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.readings.power import TYPICAL, Mix, PowerScore, mixes, power_scores, predicted_watts, readings
from steelyard.evidence.runs.reader import published_runs
from steelyard.step import stage_job, time


@pytest.fixture(scope="module")
def scores() -> tuple[PowerScore, ...]:
    return power_scores()


def medians(part: list[PowerScore]) -> list[float]:
    types = {one.reading.node_type for one in part}
    return [float(np.median([abs(one.error) for one in part if one.reading.node_type == name])) for name in types]


def test_every_reading_has_a_source_and_is_predicted(scores: tuple[PowerScore, ...]) -> None:
    assert len({one.id for one in readings()}) == len(readings()) == len(scores)
    assert all(one.source and one.watts > 0 and one.boundary in ("chip", "node") for one in readings())
    assert all(math.isfinite(one.predicted_w) and one.low_w < one.predicted_w < one.high_w for one in scores)


def test_a_composition_is_whole() -> None:
    for mix in (TYPICAL, *mixes(load()).values()):
        assert sum(astuple(mix)) == pytest.approx(1.0)
        assert all(share >= 0 for share in astuple(mix))


def test_the_typical_composition_is_that_of_the_shipped_cases_of_one_node() -> None:
    runs = [run for run in published_runs() if run.devices <= 8 and run.group != "vtrain-single"]
    found = run_frame(runs, load())
    step = time(stage_job(found.job, found.layout), found.machine, found.kernels, found.stack)
    bound = np.median((step.pointwise_s + step.optimizer_s) / step.total_s)
    waits = np.median((step.bubble_s + step.host_s) / step.total_s)
    assert TYPICAL.memory == pytest.approx(bound, abs=0.05)
    assert TYPICAL.waiting == pytest.approx(waits, abs=0.05)


def test_nodes_are_within_the_agreed_error(scores: tuple[PowerScore, ...]) -> None:
    one = [row for row in scores if row.reading.boundary == "node" and row.reading.devices <= 8]
    assert np.mean(medians(one)) <= 0.06
    assert np.mean(medians([row for row in scores if row.reading.boundary == "node"])) <= 0.06


def test_intervals_hold_what_was_measured(scores: tuple[PowerScore, ...]) -> None:
    assert np.mean([row.covered for row in scores]) >= 0.85


def test_the_host_is_the_node_less_its_accelerators() -> None:
    chip = load().accelerator("H100")
    shares = {f"{name}_power": (0.5, 0.1) for name in ("compute", "memory", "communication", "waiting", "host")}
    shares["idle_power"] = (0.1, 0.1)
    node = replace(readings()[0], boundary="node")
    alone, alone_sd = predicted_watts(replace(node, boundary="chip"), TYPICAL, shares, chip)
    whole, whole_sd = predicted_watts(node, TYPICAL, shares, chip)
    assert alone == pytest.approx(350)
    assert whole == pytest.approx(700)
    assert 0 < whole_sd < alone_sd < 0.1


def test_no_state_draws_less_than_the_device_idle() -> None:
    chip = load().accelerator("TPU-v3")
    shares = {f"{name}_power": (0.1, 0.1) for name in ("compute", "memory", "communication", "waiting", "idle")}
    reading = next(one for one in readings() if one.boundary == "chip")
    assert predicted_watts(reading, Mix(0.0, 0.0, 0.5, 0.5), shares, chip)[0] == chip.facts.value("idle_power")
