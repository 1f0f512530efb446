"""What owning comes to: Lambda's published clusters through the real functions, and the laws of a break-even."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.money import break_even_share, colocation_usd_per_s, owned_usd, owned_usd_per_device_s
from steelyard.units import DAY_S, HOUR_S

YEAR_S = 365 * DAY_S
SOURCE = "lambdalabs.com/blog/hyperplane-16-infiniband-cluster-total-cost-of-ownership"
CLUSTERS = {  # systems: upfront, colocation a year, administration a year, total after 1, 3 and 5 years
    1: (299_504, 16_146, 10_000, (325_650, 377_942, 430_234)),
    8: (2_297_388, 127_296, 20_000, (2_444_684, 2_739_276, 3_033_868)),
    16: (4_584_787, 254_436, 40_000, (4_879_223, 5_468_095, 6_056_967)),
}


@pytest.mark.parametrize("systems", CLUSTERS)
@pytest.mark.parametrize(("column", "years"), [(0, 1), (1, 3), (2, 5)])
def test_lambdas_hyperplane_16(systems: int, column: int, years: int) -> None:
    upfront, place, admin, totals = CLUSTERS[systems]
    rate = place / (10e3 * systems * YEAR_S)  # USD a watt and second of the 10 kW that each system reserves
    running = colocation_usd_per_s(10e3 * systems, rate) + admin / YEAR_S
    assert owned_usd(upfront, 0.0, running, years * YEAR_S) == pytest.approx(totals[column], abs=2)  # printed rounding


def test_its_colocation_is_135_dollars_a_kw_month() -> None:
    assert colocation_usd_per_s(10e3, 135 / 1e3 / (YEAR_S / 12)) * YEAR_S == pytest.approx(16_146, rel=0.005)


def test_dollars_a_gpu_hour() -> None:
    for total, years, wanted in ((377_942, 3, 0.90), (430_234, 5, 0.61)):
        assert round(float(owned_usd_per_device_s(total, 16.0, years * YEAR_S, 1.0)) * HOUR_S, 2) == wanted


def test_it_beats_a_v100_at_306_from_29_percent_use() -> None:
    hour = float(owned_usd_per_device_s(377_942, 16.0, 3 * YEAR_S, 1.0))
    assert round(float(break_even_share(hour, 3.06 / HOUR_S, 0.0)), 2) == 0.29


def test_what_is_left_at_the_end_comes_off_and_idle_years_are_paid_all_the_same() -> None:
    """A Hyperplane-16 (299,504 upfront, 26,146 a year) sold for a third after three years; used half of the time."""
    left = 299_504 / 3
    cost = owned_usd(299_504, left, 26_146 / YEAR_S, 3 * YEAR_S)
    assert cost == pytest.approx(377_942 - left)
    full, half = (owned_usd_per_device_s(cost, 16.0, 3 * YEAR_S, share) for share in (1.0, 0.5))
    assert half == pytest.approx(2 * full)


@given(st.floats(1e-6, 1e-2), st.floats(1e-6, 1e-2), st.floats(0, 1e-3))
def test_at_the_break_even_both_cost_the_same(full: float, rent: float, power: float) -> None:
    share = float(break_even_share(full, rent, power))
    if rent > power:
        assert full / share + power == pytest.approx(rent)
    else:
        assert share == float("inf")


@given(st.floats(1, 1e7), st.floats(0, 0.9), st.floats(0.05, 1), st.floats(0.05, 1))
def test_more_use_and_more_residual_are_never_dearer(capital: float, left: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    whole, less = owned_usd(capital, 0.0, 0.01, YEAR_S), owned_usd(capital, left * capital, 0.01, YEAR_S)
    assert less <= whole
    assert owned_usd_per_device_s(whole, 8.0, YEAR_S, high) <= owned_usd_per_device_s(whole, 8.0, YEAR_S, low)
