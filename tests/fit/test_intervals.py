"""The width of intervals: its parts are found, owners do not widen their own, and what is held is counted by group."""

import numpy as np
import pytest
from fit.stacks.intervals import (
    GIVEN,
    MISSED,
    Residuals,
    cross_fitted,
    fitted_spread,
    held,
    together,
)

from steelyard.catalog.spread import Traits

ROWS = 6000
RANDOM = np.random.default_rng(3)
OWNERS = np.array(["a", "b", "c", "d"]).repeat(ROWS // 4)


def residuals(waiting: float = 0.5, wild: str = "") -> Residuals:
    """Half of the rows wait for some share of the step, each owner's alike."""
    share = np.tile([0.0, 0.6], ROWS // 2)
    nothing = np.zeros(ROWS)
    scale = np.hypot(0.1, waiting * share)
    gap = RANDOM.standard_normal(ROWS) * scale
    gap = np.where(wild == OWNERS, gap + 3.0, gap)
    traits = Traits(nothing, share, nothing, nothing, nothing, nothing, nothing)
    return Residuals(gap, traits, OWNERS, OWNERS)


def test_parts_that_were_put_in_are_found() -> None:
    found = fitted_spread(residuals())
    assert (found.base, found.waiting) == pytest.approx((0.1, 0.5), rel=0.1)
    assert found.narrow == GIVEN["narrow"]


def test_ninety_per_cent_are_held() -> None:
    seen = residuals()
    one = held(seen.gap, cross_fitted(seen), seen.group)
    assert one.coverage == pytest.approx(0.9, abs=0.015)
    wide, narrow = (held(seen.gap, times * cross_fitted(seen), seen.group).score for times in (1.6, 0.6))
    assert one.score < min(wide, narrow), "neither width nor luck pays"


def test_an_owner_does_not_widen_its_own_intervals() -> None:
    half = cross_fitted(residuals(wild="a"))
    calm = cross_fitted(residuals())
    assert np.median(half[OWNERS == "a"]) == pytest.approx(np.median(calm[OWNERS == "a"]), rel=0.1)
    assert np.median(half[OWNERS == "b"]) > 1.2 * np.median(calm[OWNERS == "b"])


def test_groups_count_alike_and_what_lies_beyond_costs_twenty_times_as_much() -> None:
    """Gneiting and Raftery 2007, section 6.2: width + 2 / alpha of what is missed, alpha 0.1."""
    assert pytest.approx(2 / 0.1) == MISSED
    gap, half = np.array([0.0] * 9 + [0.5]), np.full(10, 0.4)
    one = held(gap, half, np.array(["large"] * 9 + ["lone"]))
    assert (one.coverage, one.score) == pytest.approx((0.5, 0.8 + 0.5 * 20 * 0.1))


def test_splits_are_one_behind_the_other() -> None:
    one = residuals()
    both = together([one, one])
    assert len(both.gap) == 2 * ROWS
    assert both.traits.waiting[ROWS:] == pytest.approx(one.traits.waiting)
