"""Limits are honoured, relaxations are enough, and what is unknown never wins."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import FAKE, JOB, market

from steelyard.market.options import Market
from steelyard.planner.answers import Plan, Point
from steelyard.planner.assembly import Preface, assembled
from steelyard.search.candidates import bounds_of
from steelyard.search.engine import LIMITS, Limits
from steelyard.search.explore import explore

TODAY = date(2026, 11, 21)
WIDE = Limits(max_devices=16)
LEAST = {"fastest": "time_s", "cheapest": "cost_usd", "leanest": "energy_facility_kwh", "cleanest": "co2e_kg"}
FIGURES = ("time_s", "cost_usd", "energy_facility_kwh", "co2e_kg")
SCALES = (1.0, 1.0, 3.6e6, 1.0)


def planned(some: Market, limits: Limits) -> Plan:
    found = explore(JOB, some, limits, FAKE, workers=1)
    return assembled(JOB, some, limits, FAKE, found, Preface("a job"), TODAY)


def least(point: Point) -> float:
    """Return the figure of the exact optimum that a point is, or stands in for."""
    name = LEAST[point.label]
    return getattr(point.preferred_over, name) if point.preferred_over else getattr(point, name).value


TIGHT = st.builds(
    Limits,
    deadline_s=st.sampled_from([None, 2e5, 1e7, 6e7]),
    budget_usd=st.sampled_from([None, 500.0, 1e5, 3e5]),
    energy_max_j=st.sampled_from([None, 1e9, 2e11]),
    co2e_max_kg=st.sampled_from([None, 10.0, 1e4]),
    max_devices=st.just(16),
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), limits=TIGHT)
def test_points_respect_limits_or_relaxations_suffice(seed, limits):
    some = market(seed)
    made = planned(some, limits)
    for point in made.points:
        values = [getattr(point, name).value * scale for name, scale in zip(FIGURES, SCALES, strict=True)]
        assert all(
            value <= bound * (1 + 1e-12)
            for value, bound in zip(values, bounds_of(limits), strict=True)
            if np.isfinite(bound)
        )
        assert point.fits
        assert point.memory_bytes.high <= point.memory_limit_bytes
        for name in FIGURES:
            figure = getattr(point, name)
            assert np.isnan(figure.value) or figure.low <= figure.value <= figure.high
    assert made.feasible or made.reason
    for relaxed in made.relaxations:
        assert planned(some, replace(limits, **relaxed.limits)).feasible
        for field in relaxed.limits:
            assert relaxed.limits[field] >= getattr(limits, field)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), column=st.sampled_from([0, 1]))
def test_a_single_relaxation_is_the_smallest(seed, column):
    some = market(seed)
    best = least({point.label: point for point in planned(some, WIDE).points}[("fastest", "cheapest")[column]])
    limits = replace(WIDE, **{tuple(LIMITS.values())[column]: best / 2})
    (relaxed,) = planned(some, limits).relaxations
    assert relaxed.limits[tuple(LIMITS.values())[column]] == pytest.approx(best)
    assert not planned(some, replace(limits, **{tuple(LIMITS.values())[column]: best * (1 - 1e-9)})).feasible


@pytest.mark.parametrize("seed", range(8))
def test_named_points_are_the_extremes_of_the_frontier(seed):
    some = market(seed)
    made = planned(some, WIDE)
    points = {point.label: point for point in made.points}
    assert least(points["fastest"]) == min(dot.time_s for dot in made.frontier)
    assert least(points["cheapest"]) == min(dot.cost_usd for dot in made.frontier)
    known = [dot.co2e_kg for dot in made.frontier if not np.isnan(dot.co2e_kg)]
    assert ("cleanest" in points) == bool(known)
    if known:
        assert least(points["cleanest"]) == min(known)
    assert {point.label for point in made.points} >= {"cheapest", "fastest", "balanced"}
    assert [dot.time_s for dot in made.frontier] == sorted(dot.time_s for dot in made.frontier)


def test_unknown_carbon_is_never_cleanest_and_stays_unknown():
    some = market(3)
    dark = replace(some, deals=tuple(replace(deal, site_index=2) for deal in some.deals))
    made = planned(dark, WIDE)
    assert "cleanest" not in {point.label for point in made.points}
    mapped = made.to_dict()["points"]
    assert all(point[key] is None for point in mapped for key in ("co2e_kg", "co2e_kg_low", "energy_facility_kwh"))
    assert not planned(dark, replace(WIDE, co2e_max_kg=1e9)).feasible


def test_the_answer_is_the_same_each_time():
    some = market(5)
    assert planned(some, WIDE).to_json() == planned(some, WIDE).to_json()


def test_exact_counts_are_kept():
    some = market(2)
    assert {dot.devices for dot in planned(some, replace(WIDE, devices=8)).frontier} == {8}
    assert not planned(some, replace(WIDE, devices=7)).feasible


def test_nothing_fits_says_what_comes_closest():
    some = market(4)
    small = tuple(replace(chip, machine=replace(chip.machine, memory_bytes=1e6)) for chip in some.hardware)
    made = planned(replace(some, hardware=small), WIDE)
    assert not made.feasible
    assert "no layout fits in memory" in made.reason
    assert "comes closest" in made.reason
    assert made.relaxations == ()


def test_a_batch_that_no_count_divides():
    made = planned(market(4), replace(WIDE, layout={"dp": (7,)}))
    assert not made.feasible


def test_limits_bind_only_if_they_cost_something():
    some = market(6)
    free = planned(some, WIDE)
    cheapest = next(point for point in free.points if point.label == "cheapest")
    quicker = replace(WIDE, deadline_s=cheapest.time_s.value * 0.7)
    bound = planned(some, quicker)
    if bound.feasible:
        held = next(point for point in bound.points if point.label == "cheapest")
        assert any(one.what == "deadline" for one in held.bound_by)
    assert not any(one.what == "deadline" for one in cheapest.bound_by)
    loose = planned(some, replace(WIDE, deadline_s=cheapest.time_s.high * 2))
    held = next(point for point in loose.points if point.label == "cheapest")
    assert not any(one.what == "deadline" for one in held.bound_by)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "axes", [("time",), ("cost",), ("time", "cost"), ("energy", "cost"), ("time", "energy", "co2e")]
)
def test_points_are_named_for_the_axes(seed, axes):
    some = market(seed)
    made = planned(some, replace(WIDE, axes=axes))
    words = {"time": "fastest", "cost": "cheapest", "energy": "leanest", "co2e": "cleanest"}
    wanted = {words[axis] for axis in axes if axis != "energy" or "co2e" not in axes}
    labels = {point.label for point in made.points}
    assert labels == wanted | ({"balanced"} if len(wanted) > 1 else set())
    whole = planned(some, WIDE).frontier
    for point in made.points:
        if point.label in LEAST:
            assert least(point) == pytest.approx(np.nanmin([getattr(dot, LEAST[point.label]) for dot in whole]))


def test_some_limits_of_these_can_be_met_and_some_cannot():
    """The values above are of the size of these worlds' figures: neither every plan nor none is feasible."""
    some = market(0)
    kinds = [planned(some, replace(WIDE, deadline_s=limit)).feasible for limit in (2e5, 1e7, 6e7)]
    kinds += [planned(some, replace(WIDE, budget_usd=limit)).feasible for limit in (500.0, 1e5, 3e5)]
    assert kinds == [False, True, True] * 2
