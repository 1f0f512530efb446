"""Laws of the whole run: what is conserved, what is monotone, what scales."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.run.jobs import JOB, KERNELS, LAYOUT, MACHINE, POLICY, STEP, run
from tests.shapes import filled

from steelyard.run import availability, draw
from steelyard.run.clock import saving_s
from steelyard.tables import Draw, Policy, StepMemory, StepTime

WORKING = ("compute", "memory", "communication", "waiting")


def mean_w(found: Draw) -> float:
    """Return the mean power of one accelerator over the run, without its host."""
    states = (*WORKING, "checkpoint", "idle")
    joules = sum(getattr(found, f"{state}_s") * getattr(found, f"{state}_w") for state in states)
    return float(joules / found.wall_s)


policies = st.builds(
    Policy,
    warmup_s=st.floats(0, 1e4),
    evaluation_share=st.floats(0, 0.1),
    checkpoint_bytes_per_s=st.floats(1e6, 1e11),
    checkpoint_blocking=st.floats(0, 1),
    unsaved=st.sampled_from([0.0, 1.0]),
    failures_per_device_s=st.floats(0, 1e-7),
    restart_s=st.floats(0, 1e4),
    preemptions_per_node_s=st.floats(0, 1e-6),
    lifetime_s=st.just(1.6e8),
)


@given(policies)
def test_the_states_sum_to_the_wall_clock(policy: Policy) -> None:
    found = run(policy)
    seconds = [getattr(found, f"{state}_s") for state in (*WORKING, "checkpoint", "idle")]
    assert sum(seconds) == pytest.approx(found.wall_s)
    assert all(spent >= 0 for spent in seconds)


@given(policies)
def test_goodput_is_the_training_in_the_wall_clock(policy: Policy) -> None:
    found = run(policy)
    assert found.goodput * found.wall_s == pytest.approx(300e9 / (1536 * 2048) * 10.0)
    assert 0 < found.goodput <= 1


@given(policies)
def test_the_work_is_divided_as_the_step_is(policy: Policy) -> None:
    found = run(policy)
    work = sum(getattr(found, f"{state}_s") for state in WORKING)
    shares = [getattr(found, f"{state}_s") / work for state in WORKING]
    assert shares == pytest.approx([0.75, 0.15, 0.04, 0.06])


@pytest.mark.parametrize(
    "part", ["pointwise_s", "optimizer_s", "tp_s", "cp_s", "ep_s", "pp_s", "dp_s", "bubble_s", "host_s"]
)
@given(st.floats(0.01, 100.0))
def test_a_second_that_is_not_matrix_work_draws_less(part: str, more: float) -> None:
    """The same matrix work, with more time bound by memory, communicating or waiting: fewer watts, more joules."""
    bound = replace(STEP, **{part: getattr(STEP, part) + more}, total_s=STEP.total_s + more)
    plain, changed = run(step=STEP), run(step=bound)
    assert mean_w(changed) < mean_w(plain)
    assert mean_w(changed) * changed.wall_s > mean_w(plain) * plain.wall_s


def test_a_job_that_only_communicates_draws_what_communication_does() -> None:
    step = filled(StepTime, dp_s=10.0, total_s=10.0)
    found = run(step=step, policy=replace(POLICY, failures_per_device_s=0.0, warmup_s=0.0))
    assert mean_w(found) == pytest.approx(0.25 * 700)


WORSE = {
    "warmup_s": 2.0, "evaluation_share": 2.0, "checkpoint_bytes_per_s": 0.5, "checkpoint_blocking": 1.5,
    "failures_per_device_s": 2.0, "restart_s": 2.0, "preemptions_per_node_s": 2.0,
}  # fmt: skip


@pytest.mark.parametrize("field", WORSE)
@given(policies)
def test_worse_operation_is_never_faster(field: str, policy: Policy) -> None:
    worse = replace(policy, **{field: getattr(policy, field) * WORSE[field]})
    assert run(worse).wall_s >= run(policy).wall_s * (1 - 1e-12)


TRAINING_S = 300e9 / (1536 * 2048) * 10.0


def test_a_run_takes_its_work_over_its_availability_and_its_start() -> None:
    """1,024 devices, one failure of each in 1.5e8 s; 174.6e9 parameters of 14 bytes at 1e8 byte/s a device: 23.9 s."""
    policy = replace(POLICY, checkpoint_blocking=0.5, evaluation_share=0.05)
    rate, written = 1024 * 6.5e-9, JOB.workload.params * 14 / (1024 * 1e8)
    found = run(policy)
    available = float(availability(rate, 660.0, 0.5 * written, written))
    assert found.wall_s == pytest.approx(300 + 1.05 * TRAINING_S / available, rel=1e-9)
    assert found.goodput == pytest.approx(TRAINING_S / found.wall_s)
    assert found.idle_s == pytest.approx(300 + (1.05 * TRAINING_S + found.checkpoint_s) * rate * 660)


def test_a_run_that_saves_nothing_starts_over() -> None:
    """One interruption in the time of the work: e - 1 attempts are lost (Daly 2006), each with a restart of 660 s."""
    policy = replace(POLICY, unsaved=1.0, evaluation_share=0.0, failures_per_device_s=1 / (1024 * TRAINING_S))
    found = run(policy)
    assert found.checkpoint_s == 0
    assert found.wall_s - found.idle_s == pytest.approx(TRAINING_S * (np.e - 1))
    assert found.idle_s == pytest.approx(300 + 660 * (np.e - 1))


def test_evaluation_comes_on_top_of_training() -> None:
    calm = replace(POLICY, failures_per_device_s=0.0, evaluation_share=0.02, warmup_s=40.0)
    assert run(calm).wall_s == pytest.approx(1.02 * TRAINING_S + 40)


def test_llama_3_405b_writes_a_checkpoint_in_3_seconds() -> None:
    """arXiv 2407.21783, section 3.3.1: 16,384 devices into 2 TB/s; bf16 weights with fp32 Adam: 405.85e9 x 14 bytes."""
    job = replace(JOB, workload=replace(JOB.workload, params=405.85e9))
    policy = replace(POLICY, checkpoint_bytes_per_s=2e12 / 16384)
    assert saving_s(job, replace(LAYOUT, devices=16384.0), policy) == pytest.approx(2.84, abs=0.005)
    half = replace(job, trainable_share=0.5)
    assert saving_s(half, replace(LAYOUT, devices=16384.0), policy) == pytest.approx(1.42, abs=0.005)


def test_a_checkpoint_holds_working_weights_their_masters_and_moments() -> None:
    """Not what a product is fed (1 byte) or a frozen parameter takes (0.5): 2 + 4 + 6 bytes of each of 1e9."""
    sizes = {"element_bytes": 2.0, "gemm_bytes": 1.0, "frozen_bytes": 0.5, "master_bytes": 4.0, "moment_bytes": 6.0}
    job = replace(JOB, workload=replace(JOB.workload, params=1e9), **sizes)
    assert saving_s(job, replace(LAYOUT, devices=10.0), POLICY) == pytest.approx(12.0)
    assert run(devices=512.0).devices == 512


def test_without_interruptions_nothing_is_saved_or_lost() -> None:
    found = run(replace(POLICY, failures_per_device_s=0.0, evaluation_share=0.0, warmup_s=0.0))
    assert found.checkpoint_s == found.idle_s == 0
    assert found.goodput == 1


@given(st.floats(0.1, 10))
def test_twice_the_tokens_are_twice_the_time_beyond_the_start(factor: float) -> None:
    cold = replace(POLICY, warmup_s=0.0)
    assert run(cold, samples=300e9 / 2048 * factor).wall_s == pytest.approx(factor * run(cold).wall_s)


def test_spot_costs_time() -> None:
    spot = replace(POLICY, preemptions_per_node_s=2.96e-8)
    assert run(spot).goodput < run(POLICY).goodput


def test_an_adapter_saves_only_itself() -> None:
    whole, adapter = run(), run(trainable_share=0.01)
    assert adapter.checkpoint_s == pytest.approx(0.1 * whole.checkpoint_s, rel=0.02)  # the square root of its size
    assert adapter.wall_s < whole.wall_s


def test_a_known_idle_power_beats_the_fitted_share_and_unknown_is_never_zero() -> None:
    assert run().idle_w == pytest.approx(0.125 * 700)
    assert run(machine=replace(MACHINE, idle_w=70.0)).idle_w == 70
    assert np.isnan(run(machine=replace(MACHINE, tdp_w=np.nan)).compute_w)


def test_no_state_draws_less_than_idling() -> None:
    hungry = run(machine=replace(MACHINE, idle_w=300.0))  # an L4 idles at 42% of its TDP
    assert hungry.checkpoint_w == hungry.communication_w == hungry.waiting_w == hungry.idle_w == 300
    assert hungry.compute_w == pytest.approx(0.9 * 700)


def test_the_rating_bounds_the_host_and_an_unknown_rating_does_not() -> None:
    network = 0.17 * 700
    assert run().host_w == pytest.approx(0.35 * 700 + network)
    assert run(machine=replace(MACHINE, host_w=100.0)).host_w == pytest.approx(100 + network)
    assert run(machine=replace(MACHINE, host_w=np.nan)).host_w == pytest.approx(0.35 * 700 + network)


def test_one_node_needs_no_switches() -> None:
    assert run(devices=8.0).host_w == pytest.approx(0.35 * 700)


RACK = replace(MACHINE, node_devices=4.0, domain_devices=72.0)
"""Nodes of 4 devices, 18 of which the fast links join."""


def test_a_rack_needs_no_switches_and_more_than_one_does() -> None:
    for devices, network in ((8.0, 0.0), (72.0, 0.0), (144.0, 0.17 * 700)):
        assert run(machine=RACK, devices=devices).host_w == pytest.approx(0.35 * 700 + network)


def test_spot_takes_back_nodes_and_not_racks() -> None:
    """1,024 devices are 256 nodes, each reclaimed once in 2e7 s: one interruption in 78,125 s, each of 660 s."""
    spot = replace(POLICY, failures_per_device_s=0.0, preemptions_per_node_s=5e-8, checkpoint_blocking=0.0)
    found = run(spot, machine=RACK)
    assert found.idle_s == pytest.approx(300 + 1.01 * TRAINING_S / 78_125 * 660)


def test_each_state_draws_its_own_share_of_the_tdp() -> None:
    states = (*WORKING, "checkpoint", "idle")
    watts = [float(getattr(run(), f"{state}_w")) for state in states]
    assert watts == pytest.approx([630.0, 490.0, 175.0, 140.0, 105.0, 87.5])


def test_arrays_give_what_scalars_give() -> None:
    devices = np.array([8.0, 512.0, 16384.0])
    many = run(devices=devices)
    for index, count in enumerate(devices):
        one = run(devices=count)
        for field in fields(Draw):
            expected = np.broadcast_to(getattr(many, field.name), devices.shape)[index]
            assert getattr(one, field.name) == pytest.approx(expected, rel=1e-12), field.name


def test_a_million_candidates_take_no_loop() -> None:
    devices = np.full(10**6, 512.0)
    found = draw(JOB, STEP, filled(StepMemory), replace(LAYOUT, devices=devices), MACHINE, KERNELS, POLICY)
    assert found.wall_s.shape == devices.shape
