"""Shared draws decide which order is certain, and a simpler layout is preferred only where nothing is lost by it."""

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import FAKE, JOB, chip, market, policy, site, tool
from tests.shapes import filled

from steelyard.carbon import carbon
from steelyard.catalog.spread import StepSpread
from steelyard.energy import energy
from steelyard.layout import BOUNDS, space
from steelyard.market.options import Deal, Market, SiteOption, StackOption
from steelyard.money import money
from steelyard.planner.answers import Plan
from steelyard.planner.assembly import Preface, assembled
from steelyard.reasons.decision import Decision, share_less
from steelyard.reasons.draws import Setting, drawn_objectives, intervals, step_log_sd
from steelyard.reasons.order import SURE
from steelyard.reasons.simpler import CLOSE, complexity
from steelyard.run import draw
from steelyard.search.candidates import bounds_of
from steelyard.search.engine import Engine, Limits
from steelyard.search.explore import explore
from steelyard.search.rows import single_layout
from steelyard.tables import Draw, Job, Layout, Offer, Prediction, StepMemory, StepTime

WIDE = Limits(max_devices=16)
NAMES = {"cheapest": 1, "fastest": 0, "leanest": 2, "cleanest": 3}


def named(name: str) -> StackOption:
    """Return a stack whose residual factor is 1, of a spread of a quarter."""
    made = tool(name, 0.0)
    return replace(made, stack=replace(made.stack, time_scale=1.0), stack_log_sd={"time_scale": 0.25})


def setting(layout: Layout, own: float = 0.1, usd: float = 1.0) -> Setting:
    one = replace(chip("A", 1e12, 8e9, 8.0), kernels_log_sd={"time_scale": 0.2})
    some = named("megatron-core")
    return Setting(JOB, layout, one, some, policy(), {}, SiteOption("s", site(1.2, 0.4)), Offer.rent(usd), own)


def layouts() -> Layout:
    return space(JOB, [4], 8, tool("megatron-core", 0.0).capability, BOUNDS)


def plain(scale: Callable[[Layout], Any]) -> Engine:
    """Return an engine whose step takes a time of the layout alone; offloading halves the memory."""

    def held(job: Job, layout: Layout, machine: Any, stack: Any) -> StepMemory:
        total = 2e9 - 1e9 * layout.offload
        return filled(StepMemory, device_bytes=total, needed_bytes=total)

    def least(job: Job, layout: Layout, machine: Any, kernels: Any, stack: Any, policy: Any) -> Draw:
        gemm = 0.5 * kernels.time_scale * stack.time_scale * np.ones_like(layout.tp)
        step = filled(StepTime, gemm_s=gemm, total_s=gemm, model_flop=1e12)
        return draw(job, step, held(job, layout, machine, stack), layout, machine, kernels, policy)

    def predict(
        job: Job, layout: Layout, machine: Any, kernels: Any, stack: Any, policy: Any, site: Any, offer: Any
    ) -> Prediction:
        gemm = kernels.time_scale * stack.time_scale * scale(layout)
        step = filled(StepTime, gemm_s=gemm, total_s=gemm, model_flop=1e12)
        peak = held(job, layout, machine, stack)
        drawn = draw(job, step, peak, layout, machine, kernels, policy)
        used = energy(drawn, site)
        return Prediction(
            step, peak, drawn, used, carbon(drawn, used, site, machine, policy), money(drawn, used, offer)
        )

    return Engine(predict, held, least)


def spread(values: np.ndarray) -> float:
    return float(np.std(np.log(values)))


def test_a_points_draws_do_not_depend_on_its_company():
    some = layouts()
    one, other = (setting(single_layout(some, row)) for row in (0, 5))
    alone = drawn_objectives([one], FAKE, "location_gross")[:, 0]
    assert np.array_equal(alone, drawn_objectives([other, one], FAKE, "location_gross")[:, 1])
    assert np.array_equal(np.percentile(alone, [5, 95], axis=0), intervals(one, FAKE, "location_gross"))


@pytest.mark.parametrize("own", [0.0, 0.1, 0.3])
def test_what_is_a_layouts_own_does_not_change_its_spread(own):
    engine = plain(lambda layout: 1.0)
    times = drawn_objectives([setting(single_layout(layouts(), 0), own=own)], engine, "location_gross")[:, 0, 0]
    assert spread(times) == pytest.approx(math.hypot(0.2, 0.25), rel=0.15)


def test_what_a_step_is_made_of_widens_it_unless_its_stack_is_calibrated():
    """Half of the step waits, at 0.6 of what waits: hypot(0.25, 0.3), and 0.2 of the accelerator."""
    engine = plain(lambda layout: 1.0)
    half = replace(engine, predict=lambda *given: _waiting(engine.predict(*given)))
    one = setting(single_layout(layouts(), 0))
    wide = StepSpread(base=0.0, evidence=0.0, waiting=0.6, moe=0.0, untuned=0.0, adapters=0.0, narrow=0.0, guessed=0.0)
    fitted = replace(one, stack=replace(one.stack, spread=wide))
    for some, sd in ((one, 0.25), (fitted, math.hypot(0.25, 0.3))):
        assert step_log_sd([some], half) == pytest.approx([sd])
    times = drawn_objectives([fitted], half, "location_gross")[:, 0, 0]
    assert spread(times) == pytest.approx(math.hypot(0.2, 0.25, 0.3), rel=0.15)


def _waiting(found: Prediction) -> Prediction:
    return replace(found, time=replace(found.time, host_s=found.time.total_s / 2))


@pytest.mark.parametrize("ahead", [1.0, 1.05, 1.15, 1.4])
def test_between_layouts_of_one_chip_and_stack_only_their_own_spread_is_left(ahead):
    first, second = (single_layout(layouts(), row) for row in (0, -1))
    engine = plain(lambda layout: np.where(np.asarray(layout.tp) == second.tp, ahead, 1.0))
    assert first.tp != second.tp
    times = drawn_objectives([setting(first), setting(second)], engine, "location_gross")[:, :, 0]
    expected = NormalDist().cdf(math.log(ahead) / (math.sqrt(2) * 0.1))
    assert share_less(times[:, 0], times[:, 1]) == pytest.approx(expected, abs=0.08)


def test_the_same_machine_at_another_price_is_certainly_dearer():
    layout = single_layout(layouts(), 0)
    found = drawn_objectives([setting(layout, usd=1.0), setting(layout, usd=1.001)], FAKE, "location_gross")
    assert share_less(found[:, 0, 1], found[:, 1, 1]) == 1.0
    assert share_less(found[:, 0, 0], found[:, 1, 0]) == 0.5


def test_sites_of_one_grid_share_its_intensity_but_not_their_pue():
    layout = single_layout(layouts(), 0)
    grid = {"location_gross_kg_per_j": (1e-7, 2e-7, 4e-7)}
    here, there = (
        replace(setting(layout), site=SiteOption(name, site(1.2, 0.4), {**grid, "pue": (pue, 1.6)}))
        for name, pue in (("a", 1.1), ("b", 1.3))
    )
    found = drawn_objectives([here, there], FAKE, "location_gross")
    intensity = found[:, :, 3] / found[:, :, 2]
    assert np.allclose(intensity[:, 0], intensity[:, 1])
    assert len(np.unique(intensity.round(12))) == 3
    assert 0.2 < share_less(found[:, 0, 2], found[:, 1, 2]) < 0.9


def test_unknown_is_never_less():
    assert share_less(np.array([np.nan, 1.0]), np.array([1.0, np.nan])) == 0.5


def planned(some: Market, limits: Limits, engine: Engine = FAKE) -> Plan:
    return assembled(JOB, some, limits, engine, explore(JOB, some, limits, engine, workers=1), Preface("a job"))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), budget=st.sampled_from([None, 2e5]))
def test_a_preferred_layout_is_simpler_and_gives_up_next_to_nothing(seed, budget):
    some, limits = replace(market(seed), layout_log_sd=0.1), replace(WIDE, budget_usd=budget)
    made = planned(some, limits)
    for point in made.points:
        assert point.fits
        assert point.cost_usd.value <= bounds_of(limits)[1]
        over = point.preferred_over
        if over is None:
            continue
        assert over.layout_text in {dot.layout_text for dot in made.frontier if dot.offer == over.offer}
        for name in ("time_s", "cost_usd", "energy_j", "co2e_kg"):
            old = getattr(over, name)
            assert math.isnan(old) or getattr(point, name).value <= CLOSE * old
        assert point.devices <= over.devices
        assert (point.accelerator, point.stack) == (over.accelerator, over.stack)
        assert over.share_of_draws < SURE


def one_chip(memory: float) -> Market:
    """Return a market of one chip, one stack that can offload, one deal of four devices."""
    some = named("deepspeed")
    deal = Deal("offer", "system", "fake", 0, 0, 0, 4, 4, "on-demand", 1 / 3600)
    one = chip("A", 1e12, memory, 8.0)
    return Market(
        (one,), (some,), (SiteOption("s", site(1.2, 0.4)),), (policy(),), ({},), (deal,), {"NVIDIA": (0,)}, (), 0.1
    )


@pytest.mark.parametrize(
    ("gain", "memory", "offload"),
    [(0.01, 1e12, 0.0), (0.05, 1e12, 1.0), (0.01, 2e9, 1.0)],
    ids=["wins 1 %", "wins 5 %", "wins 1 % and nothing else fits"],
)
def test_offload_is_recommended_only_where_it_is_worth_something(gain, memory, offload):
    engine = plain(
        lambda layout: 1 - gain * layout.offload + 0.1 * (np.asarray(layout.tp) > 1) + 0.1 * layout.recompute
    )
    some = one_chip(memory)
    made = planned(some, WIDE, engine)
    for point in made.points:
        assert point.layout["offload"] == offload
    fastest = next(point for point in made.points if point.label == "fastest")
    if gain == 0.01 and offload == 0.0:
        assert fastest.preferred_over is not None
        assert "offload=1" in fastest.preferred_over.layout_text
        assert fastest.preferred_over.ratio == pytest.approx(1 / 0.99, rel=1e-3)
        assert "optimizer offload" in fastest.preferred_over.text


@pytest.mark.parametrize("seed", range(6))
def test_ties_are_those_whose_order_is_not_certain(seed):
    some = replace(market(seed), layout_log_sd=0.05)
    made = planned(some, WIDE)
    for point in made.points:
        kinds = [(tie.accelerator, tie.stack, tie.devices) for tie in point.ties]
        assert len(set(kinds)) == len(kinds)
        assert (point.accelerator, point.stack, point.devices) not in kinds
        assert [tie.share_of_draws for tie in point.ties] == sorted(tie.share_of_draws for tie in point.ties)
        assert all(tie.share_of_draws < SURE for tie in point.ties)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_names_every_label_once_and_parts_what_is_certain(seed):
    some = market(seed)
    limits = WIDE
    found = explore(JOB, some, limits, FAKE, workers=1)
    made = assembled(JOB, some, limits, FAKE, found, Preface("a job"))
    decision = Decision(JOB, some, limits, FAKE, found.candidates, found.front)
    values = {point.label: point for point in made.points}
    for axis, name in (("time", "time_s"), ("cost", "cost_usd")):
        flat = [label for group in made.order[axis] for label in group]
        assert sorted(flat) == sorted(values)
        figures = [getattr(values[label], name).value for label in flat]
        assert figures == sorted(figures)
    assert decision.axes == (0, 1, 2, 3)


def test_techniques_are_counted():
    some = layouts()
    counted = complexity(some)
    flags = [some.offload > 0, some.recompute > 0, some.vpp > 1, some.pp > 1, some.cp > 1, some.tp > 1]
    assert np.all(counted >= np.sum(flags, axis=0))
    assert counted.min() == 0
