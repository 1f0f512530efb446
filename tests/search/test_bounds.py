"""Bounds are below what they bound, over the whole catalog, and cutting by them loses nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import FAKE, JOB, market

from steelyard import catalog, pipeline
from steelyard.job import job_table, read_job
from steelyard.market import build as inputs
from steelyard.planner.engine import ENGINE, limits_of
from steelyard.search import survivors as reduce
from steelyard.search.engine import Engine, Limits
from steelyard.search.explore import explore
from steelyard.search.family import Search, families
from steelyard.search.fitting import fitting
from steelyard.search.survivors import FREE, NOWHERE
from steelyard.tables import each, take


def loose(engine: Engine) -> Engine:
    """Return an engine whose bounds rule nothing out: everything that fits is predicted."""
    return replace(engine, floor=lambda *given: each(engine.floor(*given), np.zeros_like))


def joules(draw):
    parts = ("compute", "memory", "communication", "waiting")
    return sum(getattr(draw, f"{part}_s") * getattr(draw, f"{part}_w") for part in parts)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("llama-3-8b", {"tokens": "20B"}),
        ("mixtral-8x7b", {"tokens": "100B", "global_batch": "2M tokens"}),
        ("deepseek-v3", {"tokens": "1T", "precision": "fp8"}),
        ("gpt3-175b", {"tokens": "300B", "global_batch": "3.2M tokens", "purchase": "spot"}),
        ("bert-large", {"tokens": "10B", "precision": "fp16"}),
    ],
)
def test_no_candidate_of_a_frame_goes_below_its_bound(model, given):
    spec = read_job(model, **given)
    job, some = job_table(spec), inputs.market_of(spec, catalog.load())
    search = Search.of(job, some, Limits(max_devices=512), ENGINE)
    judged = 0
    for family in families(search):
        stack = some.stacks[family.stack].stack
        rows = np.arange(family.stack, family.ways.frame.size * family.modes, 31)
        layouts = family.layouts(rows)
        frames = take(family.frames, family.ways.frame[rows // family.modes])
        for recompute in (np.full(rows.size, min(family.recompute)), layouts.recompute):
            kinds = replace(frames, recompute=recompute)
            for index in search.hardware_of_stack(family.stack)[::3]:
                chip, policy = some.hardware[index], some.policies[0]
                numbers = (chip.machine, chip.kernels, stack, policy)
                bound = pipeline.floor(job, kinds, *numbers)
                found = pipeline.predict(job, layouts, *numbers, NOWHERE, FREE).draw
                known = ~np.isnan(found.wall_s)
                judged += int(known.sum())
                assert np.all((bound.wall_s <= found.wall_s * (1 + 1e-12))[known])
                power = known & ~np.isnan(joules(found))
                assert np.all((joules(bound) <= joules(found) * (1 + 1e-12))[power])
    assert judged > 20_000


WIDE = st.builds(Limits, max_devices=st.sampled_from([4, 16, 64]), devices=st.sampled_from([None, None, 8]))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), limits=WIDE)
def test_bounds_change_no_survivor(seed, limits):
    some = market(seed)
    with_bounds, without = (explore(JOB, some, limits, engine, workers=1) for engine in (FAKE, loose(FAKE)))
    assert without.tally.bounded == 0
    assert with_bounds.tally.predicted <= without.tally.predicted
    for name in ("hardware", "stack", "deal", "points"):
        assert np.array_equal(getattr(with_bounds.candidates, name), getattr(without.candidates, name), equal_nan=True)
    for one, other in zip(_columns(with_bounds), _columns(without), strict=True):
        assert np.array_equal(one, other)


def _columns(found):
    return [np.asarray(getattr(found.candidates.layouts, name)) for name in found.candidates.layouts.__slots__]


@pytest.mark.parametrize("model", ["llama-3-8b", "mixtral-8x7b"])
def test_bounds_change_no_survivor_of_the_catalog(model):
    spec = read_job(model, tokens="20B", accelerators="H100,A100,L4,MI300X,TPU-v5p", max_devices=64)
    job, some = job_table(spec), inputs.market_of(spec, catalog.load())
    limits = limits_of(spec, 64)
    with_bounds, without = (explore(job, some, limits, engine, workers=1) for engine in (ENGINE, loose(ENGINE)))
    assert with_bounds.tally.predicted < without.tally.predicted / 2
    assert np.array_equal(with_bounds.candidates.points, without.candidates.points, equal_nan=True)


def test_many_are_ruled_out():
    """The fakes leave bounds something to do: else the tests above would compare a thing with itself."""
    tallies = [explore(JOB, market(seed), Limits(max_devices=64), FAKE, workers=1).tally for seed in range(5)]
    assert sum(tally.bounded for tally in tallies) > sum(tally.predicted for tally in tallies) / 5


def test_a_family_in_pieces_is_the_family(monkeypatch):
    from steelyard.search import family

    search = Search.of(JOB, market(3), Limits(max_devices=16), FAKE)
    whole = [reduce.reduce(search, one) for one in families(search)]
    monkeypatch.setattr(family, "UNIT", 50)
    monkeypatch.setattr(family, "BLOCK", 7)
    monkeypatch.setattr(reduce, "BLOCK", 7)
    pieces = [reduce.reduce(search, one) for one in families(search)]
    assert len(pieces) > len(whole)
    for name in ("hardware", "stack"):
        one, other = (np.concatenate([getattr(part, name) for part, _ in some]) for some in (whole, pieces))
        assert sorted(one) == sorted(other)
    assert sum(tally.considered for _, tally in whole) == sum(tally.considered for _, tally in pieces)


def test_every_pair_expands_to_its_own_rows():
    search = Search.of(JOB, market(1), Limits(max_devices=16), FAKE)
    for family in families(search):
        pairs, _ = fitting(search, family)
        pair, row = pairs.expand(np.arange(pairs.count)[::-1])
        assert np.array_equal(family.ways.frame[row // family.modes], pairs.frame[pair])
        assert np.array_equal(np.bincount(pair, minlength=pairs.count), pairs.stop - pairs.start)
