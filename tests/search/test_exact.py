"""On small spaces the search equals trying everything."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import FAKE, JOB, market

from steelyard.catalog.peaks import most_needed_bytes
from steelyard.layout import BOUNDS, size, space
from steelyard.market.options import Market
from steelyard.search.batches import explore_batches
from steelyard.search.candidates import (
    OBJECTIVES,
    Candidates,
    bounds_of,
    columns_of,
    frontier_rows,
    objectives,
    within_limits,
)
from steelyard.search.engine import Limits
from steelyard.search.explore import explore
from steelyard.search.family import counts_of
from steelyard.search.pareto import frontier
from steelyard.search.rows import job_of_layout, single_layout
from steelyard.tables import Job, Layout

AXES = st.sampled_from([axes for size in (1, 2, 3, 4) for axes in itertools.combinations(OBJECTIVES, size)])


def everything(some: Market, limits: Limits, job: Job = JOB) -> np.ndarray:
    """Return the objectives of every layout that fits, on every chip, stack, count and deal: no cut but memory."""
    counts = counts_of(some, limits)
    parts = [np.empty((0, 4))]
    for deal in some.deals:
        chip = some.hardware[deal.hardware]
        sold = [count for count in counts[deal.hardware] if count % deal.unit == 0 and count <= deal.most]
        for tool in some.stacks if sold else ():
            layouts = space(job, sold, int(chip.machine.domain_devices), tool.capability, BOUNDS)
            found = FAKE.predict(
                job, layouts, chip.machine, chip.kernels, tool.stack, some.policies[deal.policy],
                some.sites[deal.site_index].site, deal.price,
            )  # fmt: skip
            fits = most_needed_bytes(found.memory, tool.peaks) <= chip.machine.memory_bytes
            for name, values in limits.layout.items():
                fits &= np.isin(getattr(layouts, name), values)
            assert size(layouts) == fits.size
            parts.append(objectives(found, limits.carbon)[fits])
    return np.concatenate(parts)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    def rows(points: np.ndarray) -> list[tuple[str, ...]]:
        return sorted(tuple(f"{value:.9g}" for value in row) for row in points)

    return rows(one) == rows(other)


LIMITS = st.builds(
    Limits,
    deadline_s=st.sampled_from([None, 1e7, 4e7]),
    budget_usd=st.sampled_from([None, 1e5, 3e5]),
    energy_max_j=st.sampled_from([None, 2e11]),
    co2e_max_kg=st.sampled_from([None, 1e4]),
    max_devices=st.sampled_from([4, 16]),
    counts=st.sampled_from([{}, {"chip-1": 4}]),
    axes=AXES,
    layout=st.sampled_from([{}, {"tp": (1,)}, {"recompute": (2,)}, {"micro_batch": (1, 2), "offload": (0,)}]),
)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), limits=LIMITS)
def test_the_frontier_is_that_of_everything(seed, limits):
    some = market(seed)
    points = everything(some, limits)
    priced = ~np.isnan(points[:, :2]).any(axis=1)  # an unknown bill (a tariff, no PUE) is never offered
    able = points[priced & within_limits(points, bounds_of(limits))]
    found = explore(JOB, some, limits, FAKE, workers=1)
    axes = list(columns_of(limits))
    assert same(found.candidates.points[found.front][:, axes], able[:, axes][frontier(able[:, axes])])
    tally = found.tally
    assert tally.considered == tally.out_of_memory + tally.dominated + tally.bounded + tally.predicted
    assert min(tally.out_of_memory, tally.dominated, tally.bounded) >= 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), limits=LIMITS, batches=st.sampled_from([(16,), (8, 16, 24), (32, 12)]))
def test_a_batch_that_may_be_chosen_is_as_if_each_were_planned(seed, limits, batches):
    some = market(seed)
    points = np.concatenate([everything(some, limits, replace(JOB, batch_samples=float(one))) for one in batches])
    priced = ~np.isnan(points[:, :2]).any(axis=1)
    able = points[priced & within_limits(points, bounds_of(limits))]
    found = explore_batches(JOB, batches, some, limits, FAKE)
    axes = list(columns_of(limits))
    assert same(found.candidates.points[found.front][:, axes], able[:, axes][frontier(able[:, axes])])
    for row in found.front:
        layout = single_layout(found.candidates.layouts, int(row))
        assert job_of_layout(JOB, layout).batch_samples in batches


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_of_equals_on_the_axes_the_least_in_the_rest_is_kept(axis):
    points = np.array([[1.0, 9.0, 5.0, 7.0], [1.0, 2.0, 5.0, 7.0], [3.0, 2.0, 5.0, 7.0], [1.0, 2.0, np.nan, 7.0]])
    points = points[:, np.argsort([axis, *(other for other in range(4) if other != axis)], kind="stable")]
    none = np.zeros(4, dtype=np.intp)
    found = Candidates(Layout(*[np.ones(4)] * len(Layout.__slots__)), none, none, none, points)
    assert frontier_rows(found, Limits(axes=(OBJECTIVES[axis],))).tolist() == [1]


@pytest.mark.parametrize("seed", range(3))
def test_threads_and_repetition_change_nothing(seed):
    some, limits = market(seed), Limits(max_devices=16)
    one, two, again = (explore(JOB, some, limits, FAKE, workers=workers) for workers in (1, 2, 2))
    for other in (two, again):
        assert np.array_equal(one.candidates.points, other.candidates.points, equal_nan=True)
        assert np.array_equal(one.front, other.front)


def test_progress_ends_at_all():
    seen = []
    found = explore(JOB, market(1), Limits(max_devices=16), FAKE, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (found.tally.considered, found.tally.considered)
