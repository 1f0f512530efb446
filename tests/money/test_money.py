"""Rent: what is paid, and that nothing hides in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled

from steelyard.money import money
from steelyard.tables import Draw, Energy, Offer
from steelyard.units import DAY_S, HOUR_S

NO_ENERGY = Energy(np.nan, np.nan, np.nan)  # nobody meters it: a rent does not mind


def test_opt_175b() -> None:
    """Cottier et al. 2024 on OPT-175B: 793.5 h of 992 A100 at 2,500 dollars an hour."""
    run = filled(Draw, devices=992.0, wall_s=793.5 * HOUR_S)
    assert money(run, NO_ENERGY, Offer.rent(2500 / 992 / HOUR_S)).total_usd == pytest.approx(793.5 * 2500)


def test_mpt_7b() -> None:
    run = filled(Draw, devices=440.0, wall_s=9.5 * DAY_S)
    assert money(run, NO_ENERGY, Offer.rent(2 / HOUR_S)).compute_usd == pytest.approx(200_000, rel=0.01)


def test_what_is_not_sold_has_no_price() -> None:
    assert np.isnan(money(filled(Draw, devices=8.0, wall_s=1.0), NO_ENERGY, Offer.rent(np.nan)).total_usd)


@given(st.floats(1, 1e5), st.floats(1, 1e8), st.floats(0, 0.1), st.floats(1, 10))
def test_money_scales_with_each_factor(devices: float, wall_s: float, price: float, factor: float) -> None:
    once = money(filled(Draw, devices=devices, wall_s=wall_s), NO_ENERGY, Offer.rent(price)).total_usd
    for run, offer in (
        (filled(Draw, devices=devices * factor, wall_s=wall_s), Offer.rent(price)),
        (filled(Draw, devices=devices, wall_s=wall_s * factor), Offer.rent(price)),
        (filled(Draw, devices=devices, wall_s=wall_s), Offer.rent(price * factor)),
    ):
        assert money(run, NO_ENERGY, offer).total_usd == pytest.approx(factor * once)
