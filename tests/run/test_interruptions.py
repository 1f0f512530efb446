"""The optimal interval, the exact model behind the first-order one, and goodput that was published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog.policy import policy, policy_rows
from steelyard.run import (
    availability,
    availability_at,
    availability_interval_s,
    checkpoint_bytes,
    failed_attempts,
    interruptions_per_s,
    mean_time_to_failure_s,
    reclaims_per_s,
    rework_share,
    save_s,
    save_share,
    unsaved_s,
    young_interval_s,
)
from steelyard.units import DAY_S, HOUR_S

hours = st.floats(HOUR_S, 1e4 * HOUR_S)
minutes = st.floats(1.0, 1800.0)


@given(hours, minutes, minutes, st.floats(0.5, 2))
def test_no_other_interval_is_more_available(mtbf: float, restart: float, save: float, factor: float) -> None:
    def available(interval: float) -> float:
        return (1 - save / interval) * mtbf / (mtbf + restart + interval / 2)

    best = float(availability_interval_s(mtbf, restart, save))
    other = save + (best - save) * factor
    assert available(best) >= available(other) - 1e-12
    assert float(availability(1 / mtbf, restart, save, save)) == pytest.approx(available(best))


@given(hours, minutes, st.floats(0.1, 60))
def test_shares_are_those_of_the_interval(mtbf: float, restart: float, save: float) -> None:
    interval = float(availability_interval_s(mtbf, restart, save))
    assert float(save_share(1 / mtbf, restart, save)) == pytest.approx(save / (interval - save))
    assert float(rework_share(1 / mtbf, restart, save, save)) == pytest.approx(interval / 2 / mtbf)


@given(st.floats(1e3, 1e5), st.floats(0.01, 1))
def test_youngs_interval_is_the_limit_of_short_saves_and_restarts(mtbf: float, save: float) -> None:
    exact = availability_interval_s(mtbf, 0.0, save)
    assert float(young_interval_s(mtbf, save)) == pytest.approx(float(exact), rel=2 * np.sqrt(save / mtbf))


@given(st.floats(2 * HOUR_S, 1e4 * HOUR_S), st.floats(60, 900), st.floats(0.1, 30))
def test_the_first_order_is_close_to_the_exact_exponential(mtbf: float, restart: float, save: float) -> None:
    """Daly 2006: a segment of work w with save d takes M e^(R/M) (e^((w+d)/M) - 1) on average."""
    interval = float(availability_interval_s(mtbf, restart, save))
    exact = mtbf * np.exp(restart / mtbf) * np.expm1(interval / mtbf) / (interval - save)
    ours = 1 / float(availability(1 / mtbf, restart, save, save))
    assert ours == pytest.approx(exact, rel=0.015)


@given(hours, minutes, minutes)
def test_the_best_interval_is_as_available_as_any_interval_can_be(mtbf: float, restart: float, save: float) -> None:
    best = float(availability_interval_s(mtbf, restart, save))
    assert availability_at(1 / mtbf, restart, save, best) == pytest.approx(
        float(availability(1 / mtbf, restart, save, save))
    )


def test_a_save_of_a_tenth_of_the_interval_costs_a_tenth() -> None:
    assert availability_at(0.0, 600.0, blocking_s=10.0, interval_s=100.0) == pytest.approx(0.9)


@pytest.mark.parametrize("expected", [0.5, 1.0, 3.0])
def test_a_run_that_saves_nothing_pays_for_its_failed_attempts(expected: float) -> None:
    """Daly 2006, one segment, no save: (e^(W/M) - 1) M at work; each attempt succeeds with chance e^(-W/M)."""
    mtbf = 7200.0
    assert float(unsaved_s(expected * mtbf, 1 / mtbf)) == pytest.approx(mtbf * np.expm1(expected))
    success = np.exp(-expected)
    assert float(failed_attempts(expected * mtbf, 1 / mtbf)) == pytest.approx((1 - success) / success)


def test_a_run_that_never_ends_is_a_number() -> None:
    """Beyond 50 interruptions an attempt e^50 attempts stand for all of time; without any the run takes its work."""
    assert float(failed_attempts(100.0, 1.0)) == pytest.approx(np.expm1(50.0))
    assert float(unsaved_s(100.0, 1.0)) == pytest.approx(2 * np.expm1(50.0))
    assert float(unsaved_s(7.0, 0.0)) == 7


def test_no_interruptions_cost_nothing() -> None:
    assert save_share(0.0, 600.0, 5.0) == rework_share(0.0, 600.0, 5.0, 30.0) == 0
    assert availability(0.0, 600.0, 5.0, 30.0) == 1


def test_a_save_in_the_background_still_loses_what_it_has_not_written() -> None:
    blocking, background = rework_share(1e-4, 600.0, 5.0, 5.0), rework_share(1e-4, 600.0, 5.0, 65.0)
    assert background - blocking == pytest.approx(1e-4 * 60)


def test_spot_nodes_are_counted_whole() -> None:
    assert interruptions_per_s(9.0, 0.0, 8.0, 1e-6) == pytest.approx(2e-6)
    assert interruptions_per_s(8.0, 1e-9, 8.0, 0.0) == pytest.approx(8e-9)


def test_llama_3_405b() -> None:
    """arXiv 2407.21783: 419 unexpected interruptions in 54 days on 16,384 H100; effective training time over 90%."""
    rate = interruptions_per_s(16384.0, 419 / (54 * DAY_S * 16384), 8.0, 0.0)
    assert mean_time_to_failure_s(rate) / HOUR_S == pytest.approx(54 * 24 / 419)
    operated = policy("on-demand")
    written = save_s(checkpoint_bytes(405.85e9, 2.0, 4.0, 8.0), 16384.0, 2e12 / 16384)
    assert 0.90 < availability(rate, operated.restart_s, written, written) < 0.95


def test_megascale() -> None:
    """arXiv 2402.15627: effective training time over 90% on 12,288 devices, by the catalog's own rate of failures."""
    operated = policy("on-demand")
    rate = interruptions_per_s(12288.0, operated.failures_per_device_s, 8.0, 0.0)
    written = save_s(checkpoint_bytes(175e9, 2.0, 4.0, 8.0), 12288.0, operated.checkpoint_bytes_per_s)
    found = availability(rate, operated.restart_s, written * operated.checkpoint_blocking, written)
    assert 0.90 < found < 0.96


def test_rsc_1_and_2() -> None:
    """arXiv 2410.21680: 6.50 and 2.34 failures in 1,000 node-days lie on either side of the catalog's rate."""
    per_device = [rate / 1000 / DAY_S / 8 for rate in (2.34, 6.50)]
    assert per_device[0] < policy("on-demand").failures_per_device_s < per_device[1]


def test_the_rate_of_failures_is_the_mean_of_its_sources() -> None:
    sources = [
        419 / (54 * DAY_S * 16384),
        6.50e-3 / DAY_S / 8,
        2.34e-3 / DAY_S / 8,
        53.5 / (56 * DAY_S * 992),
        1.5 / (7 * DAY_S * 400),
    ]
    row = policy_rows("on-demand")["failures_per_device_s"]
    assert row.value == pytest.approx(np.exp(np.mean(np.log(sources))), rel=0.01)
    assert row.log_sd == pytest.approx(np.std(np.log(sources), ddof=1), rel=0.01)


def test_the_other_defaults_follow_from_their_notes() -> None:
    operated, spot = policy("on-demand"), policy("spot")
    month = 365.25 / 12 * DAY_S
    assert spot.preemptions_per_node_s == pytest.approx(float(reclaims_per_s(0.075, month)), rel=0.005)
    assert operated.checkpoint_bytes_per_s == pytest.approx(np.sqrt(2e12 / 16384 * 0.16 * 250e9 / 504), rel=0.005)
    assert operated.evaluation_share == pytest.approx(10 / 1000 / 3, rel=0.005)
    assert operated.lifetime_s == pytest.approx(6 * 365 * DAY_S * 0.85, rel=0.001)
    assert operated.restart_s == 11 * 60


def test_blooms_checkpoint() -> None:
    """bigscience/bloom model card: bf16 weights 329 GiB, full checkpoint 2.3 TiB."""
    assert checkpoint_bytes(176.247e9, 2.0, 0.0, 0.0) / 2**30 == pytest.approx(329, rel=0.005)
    assert checkpoint_bytes(176.247e9, 2.0, 4.0, 8.0) / 2**40 == pytest.approx(2.3, rel=0.03)
