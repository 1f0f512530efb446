"""The whole bill: commitments, electricity, storage, data that moves; and that it never falls with time or energy."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import distinct, filled

from steelyard.money import charged_s, electricity_usd, money
from steelyard.tables import Draw, Energy, Money, Offer
from steelyard.units import DAY_S, HOUR_S, KWH_J

YEAR_S = 365 * DAY_S

offers = st.builds(
    Offer,
    usd_per_device_s=st.floats(0, 0.01),
    term_s=st.sampled_from([0.0, YEAR_S, 3 * YEAR_S]),
    term_per_use=st.sampled_from([1.0, 1 / 0.6, math.inf]),
    usd_per_facility_j=st.sampled_from([0.0, 0.1 / 3.6e6]),
    storage_usd_per_s=st.floats(0, 0.01),
    moving_usd=st.floats(0, 1e4),
)


def spend(offer: Offer, wall_s: float = DAY_S, joules: float = 1e10) -> Money:
    return money(filled(Draw, devices=8.0, wall_s=wall_s), Energy(joules / 2, joules / 1.2, joules), offer)


def test_each_line_of_a_bill_by_hand() -> None:
    """4 devices for 1,000 s at 0.002 USD a second; 1,500 s more of a term; 5 MJ at the meter at 0.36 USD a kWh; 3 + 7.

    Seconds in states, accelerators' and IT equipment's joules are others: no line is of them.
    """
    offer = Offer(0.002, 3000.0, 2.5, 0.36 / KWH_J, 0.003, 7.0)
    spent = money(distinct(Draw, devices=4.0, wall_s=1000.0), Energy(3e6, 4e6, 5e6), offer)
    lines = [spent.compute_usd, spent.unused_usd, spent.energy_usd, spent.storage_usd, spent.moving_usd]
    assert lines == pytest.approx([8.0, 12.0, 0.5, 3.0, 7.0])
    assert spent.total_usd == pytest.approx(30.5)


@given(offers)
def test_the_parts_sum_to_the_total(offer: Offer) -> None:
    spent = spend(offer)
    parts = [float(getattr(spent, field.name)) for field in fields(Money) if field.name != "total_usd"]
    assert float(spent.total_usd) == pytest.approx(sum(parts))
    assert min(parts) >= 0


@given(offers, st.floats(60, 1e9), st.floats(1, 4), st.floats(0, 1e14), st.floats(1, 4))
def test_money_never_falls_with_time_or_energy(
    offer: Offer, wall_s: float, longer: float, joules: float, more: float
) -> None:
    """The law that lets a search drop a layout before it looks at offers."""
    assert spend(offer, wall_s * longer, joules * more).total_usd >= spend(offer, wall_s, joules).total_usd * (
        1 - 1e-12
    )


def test_a_year_is_paid_for_three_days_unless_the_rest_is_used() -> None:
    alone = Offer(7.5 / HOUR_S, YEAR_S, math.inf, 0.0, 0.0, 0.0)
    run = 3 * DAY_S
    assert spend(alone, run).total_usd == pytest.approx(8 * 7.5 * 365 * 24)
    shared = replace(alone, term_per_use=1 / 0.8)
    assert spend(shared, run).total_usd == pytest.approx(8 * 7.5 * 72 / 0.8)
    assert spend(shared, run).unused_usd == pytest.approx(8 * 7.5 * 72 * 0.25)


@given(st.floats(1, 1e9), st.floats(0.01, 1))
def test_a_run_never_carries_more_than_the_term_nor_less_than_itself(wall_s: float, used: float) -> None:
    charged = float(charged_s(wall_s, YEAR_S, 1 / used))
    assert wall_s <= charged <= max(YEAR_S, wall_s)
    assert float(charged_s(wall_s, 0.0, 1.0)) == wall_s


def test_unknown_energy_matters_to_a_tariff_alone() -> None:
    assert float(electricity_usd(math.nan, 0.0)) == 0
    assert math.isnan(float(electricity_usd(math.nan, 1e-8)))
    assert np.isnan(money(filled(Draw, devices=1.0, wall_s=1.0), Energy(1.0, 1.0, 1.0), Offer.rent(np.nan)).total_usd)
