"""What a moved input changes is what a search with the moved input finds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import FAKE, JOB, market

from steelyard import catalog as facts
from steelyard.job import job_table, read_job
from steelyard.market.build import market_of as offered
from steelyard.market.options import Market
from steelyard.planner.assembly import Preface, assembled
from steelyard.planner.engine import ENGINE, limits_of
from steelyard.reasons.decision import Decision
from steelyard.reasons.inputs import MovedInput, inputs_behind, owners, price_owner
from steelyard.reasons.sensitivity import Wide, shifts
from steelyard.search.engine import LIMITS, Engine, Limits
from steelyard.search.explore import explore
from steelyard.search.rows import labelled_rows
from steelyard.tables import Job

LEAST = {"cheapest": 1, "fastest": 0, "leanest": 2, "cleanest": 3}


def after(move: MovedInput, job: Job, some: Market) -> tuple[Job, Market]:
    """Return the job and the market with an input moved, each part by itself."""
    if move.what in LIMITS:
        return job, some

    def mine(who: str) -> bool:
        return move.who in ("", who)

    return move.of("job", job), replace(
        some,
        hardware=tuple(
            replace(one, machine=move.of("machine", one.machine), kernels=move.of("kernels", one.kernels))
            if mine(one.accelerator)
            else one
            for one in some.hardware
        ),
        stacks=tuple(replace(one, stack=move.of("stack", one.stack)) if mine(one.name) else one for one in some.stacks),
        sites=tuple(replace(one, site=move.of("site", one.site)) if mine(one.name) else one for one in some.sites),
        policies=tuple(move.of("policy", one) for one in some.policies),
        deals=tuple(
            replace(one, usd_per_device_s=move.of("offer", one.price).usd_per_device_s)
            if mine(price_owner(some, one))
            else one
            for one in some.deals
        ),
    )


def assert_as_searched(job: Job, some: Market, limits: Limits, engine: Engine, change: float) -> int:
    """Compare every move with a search of its own; return how many moves there were."""
    found = explore(job, some, limits, engine, workers=1)
    decision = Decision(job, some, limits, engine, found.candidates, found.front)
    if not found.feasible:
        return 0
    rows = labelled_rows(found.candidates.points, found.front, decision.axes)
    moves = [MovedInput(*key, change) for key in inputs_behind(decision, list(range(0, found.candidates.count, 7)))]
    wide = Wide.of(decision, moves)
    for move, changed, figures in wide.figures(moves):
        decided = wide.decided(move, changed, figures)
        again = explore(*after(move, job, some), move.limits(limits), engine, workers=1)
        wanted = labelled_rows(again.candidates.points, again.front, decision.axes) if again.feasible else {}
        assert set(decided.rows) == set(wanted), move
        for label, row in wanted.items():
            one, other = decided.candidates.points[decided.rows[label]], again.candidates.points[row]
            columns = [LEAST[label]] if label in LEAST else list(decision.axes)
            assert one[columns] == pytest.approx(other[columns], rel=1e-9, nan_ok=True), (move, label)
    assert rows
    return len(moves)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    change=st.sampled_from([0.1, -0.1]),
    limits=st.builds(
        Limits,
        deadline_s=st.sampled_from([None, 2e7]),
        budget_usd=st.sampled_from([None, 8e4]),
        co2e_max_kg=st.sampled_from([None, 2e3]),
        max_devices=st.just(8),
        axes=st.sampled_from([("time", "cost", "energy", "co2e"), ("time", "cost"), ("cost", "energy")]),
    ),
)
def test_a_move_decides_as_a_search_of_its_own(seed, change, limits):
    assert_as_searched(JOB, market(seed), limits, FAKE, change)


@pytest.mark.parametrize("change", [0.1, -0.1])
def test_a_move_decides_as_a_search_of_its_own_over_the_catalog(change):
    spec = read_job("llama-3-8b", tokens="2B", by="5d", accelerators="H100,A100,TPU-v6e", regions="aws/us-*,gcp/us-*")
    some = offered(spec, facts.load())
    assert assert_as_searched(job_table(spec), some, limits_of(spec, 16), ENGINE, change) > 10


def test_owners_name_every_part():
    some = market(3)
    for what, parts in (
        ("utilisation", some.hardware),
        ("stack", some.stacks),
        ("price", some.deals),
        ("PUE", some.deals),
    ):
        assert len(owners(some, what)[1]) == len(parts)


def test_a_pue_never_falls_below_one():
    assert MovedInput("PUE", "", -0.5).of("site", market(1).sites[0].site).pue == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_shifts_are_told_once_and_in_the_order_of_the_points(seed):
    some, limits = market(seed), Limits(max_devices=16, deadline_s=5e7)
    found = explore(JOB, some, limits, FAKE, workers=1)
    decision = Decision(JOB, some, limits, FAKE, found.candidates, found.front)
    least = labelled_rows(found.candidates.points, found.front)
    changed, tried = shifts(decision, least, [])
    assert len({(one.label, one.input, one.change) for one in changed}) == len(changed)
    assert [one.label for one in changed] == sorted((one.label for one in changed), key=list(least).index)
    assert {one.input for one in changed} <= set(tried)
    assert "deadline" in tried
    made = assembled(JOB, some, limits, FAKE, found, Preface("a job"))
    for one in made.sensitivity:
        point = next(point for point in made.points if point.label == one.label)
        optimum = point.preferred_over
        now = one.winner
        before = (
            (optimum.accelerator, optimum.stack, optimum.devices, optimum.offer)
            if optimum
            else (point.accelerator, point.stack, point.devices, point.offer)
        )
        assert now is None or (now.accelerator, now.stack, now.devices, now.offer) != before
        assert f"{one.change:+.0%}" in one.text


def test_nothing_left_is_said():
    some = market(2)
    wide = explore(JOB, some, Limits(max_devices=16), FAKE, workers=1)
    limits = Limits(max_devices=16, deadline_s=float(np.min(wide.candidates.points[:, 0])) * 1.01)
    found = explore(JOB, some, limits, FAKE, workers=1)
    made = assembled(JOB, some, limits, FAKE, found, Preface("a job"))
    gone = [one for one in made.sensitivity if one.winner is None]
    assert any(one.input == "deadline" and one.change < 0 for one in gone)
    assert all("nothing is left" in one.text for one in gone)


def test_how_likely_an_input_is_off_follows_its_spread():
    some = market(3)
    tool, place = some.stacks[0], some.sites[0]
    pue = float(np.asarray(place.site.pue))
    sure = replace(
        some,
        stacks=(replace(tool, stack_log_sd={"time_scale": 0.1}), *some.stacks[1:]),
        sites=(replace(place, spread={"pue": (pue, 1.2 * pue)}), *some.sites[1:]),
    )
    up, down = (MovedInput("stack", tool.name, change).chance(sure, "location_gross") for change in (0.1, -0.1))
    assert up == pytest.approx(0.1703, abs=1e-4)  # beyond ln 1.1 / 0.1 = 0.953 standard deviations
    assert down == pytest.approx(0.1460, abs=1e-4)  # beyond 1.054
    assert MovedInput("PUE", place.name, 0.1).chance(sure, "location_gross") == 0.5
    assert MovedInput("PUE", place.name, -0.1).chance(sure, "location_gross") == 0
    for chosen in (
        MovedInput("tokens", "", 0.1),
        MovedInput("price", price_owner(some, some.deals[0]), 0.1),
        MovedInput("budget", "", 0.1),
    ):
        assert np.isnan(chosen.chance(sure, "location_gross"))


def test_what_changes_no_time_changes_no_fastest() -> None:
    """One machine sold at many sites runs as fast at each: PUE, prices and intensities only choose between ties."""
    spec = read_job("llama-3-8b", tokens="2B", accelerators="H100:8", regions="aws/*", stack="fsdp2")
    job, some, limits = job_table(spec), offered(spec, facts.load()), limits_of(spec, 8)
    found = explore(job, some, limits, ENGINE, workers=1)
    decision = Decision(job, some, limits, ENGINE, found.candidates, found.front)
    won = labelled_rows(found.candidates.points, found.front, decision.axes)["fastest"]
    times = found.candidates.points[:, LEAST["fastest"]]
    level = np.flatnonzero(
        np.isclose(times, times[won], rtol=1e-12) & (found.candidates.deal != found.candidates.deal[won])
    )
    assert level.size
    changed, tried = shifts(decision, {"fastest": int(level[0])}, [won])
    assert any(name.startswith("PUE") for name in tried)
    assert not [one.text for one in changed if one.input.startswith(("PUE", "price", "carbon", "power"))]
