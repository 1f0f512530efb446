"""On small spaces the search equals trying everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.fakes import FAKE, JOB, world

from steelyard.layout import BOUNDS, size, space
from steelyard.search.candidates import Z90, counts_of
from steelyard.search.explore import explore
from steelyard.search.market import bounds_of, objectives, within
from steelyard.search.pareto import frontier
from steelyard.search.world import Limits, World


def everything(some: World, limits: Limits) -> np.ndarray:
    """Return the objectives of every layout that fits, on every chip, stack, count and deal: no cut but memory."""
    counts = counts_of(some, limits)
    parts = [np.empty((0, 4))]
    for deal in some.deals:
        chip = some.chips[deal.chip]
        sold = [count for count in counts[deal.chip] if count % deal.unit == 0 and count <= deal.most]
        for tool in some.tools if sold else ():
            layouts = space(JOB, sold, int(chip.machine.domain_devices), tool.capability, BOUNDS)
            found = FAKE.predict(
                JOB, layouts, chip.machine, chip.kernels, tool.stack, some.policies[deal.policy],
                some.places[deal.place].site, deal.price,
            )  # fmt: skip
            fits = found.memory.device_bytes * np.exp(Z90 * tool.memory_log_sd) <= chip.machine.memory_bytes
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
    deadline_s=st.sampled_from([None, 3e5, 1e6]),
    budget_usd=st.sampled_from([None, 800.0, 2000.0]),
    energy_max_j=st.sampled_from([None, 1e9]),
    co2e_max_kg=st.sampled_from([None, 50.0]),
    max_devices=st.sampled_from([4, 16]),
    counts=st.sampled_from([{}, {"chip-1": 4}]),
    layout=st.sampled_from([{}, {"tp": (1,)}, {"recompute": (2,)}, {"micro_batch": (1, 2), "offload": (0,)}]),
)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), limits=LIMITS)
def test_the_frontier_is_that_of_everything(seed, limits):
    some = world(seed)
    points = everything(some, limits)
    priced = ~np.isnan(points[:, :2]).any(axis=1)  # an unknown bill (a tariff, no PUE) is never offered
    able = points[priced & within(points, bounds_of(limits))]
    found = explore(JOB, some, limits, FAKE, workers=1)
    assert same(found.market.points[found.front], able[frontier(able)])
    assert found.tally.considered >= found.tally.predicted >= np.unique(found.front).size


@pytest.mark.parametrize("seed", range(3))
def test_threads_and_repetition_change_nothing(seed):
    some, limits = world(seed), Limits(max_devices=16)
    one, two, again = (explore(JOB, some, limits, FAKE, workers=workers) for workers in (1, 2, 2))
    for other in (two, again):
        assert np.array_equal(one.market.points, other.market.points, equal_nan=True)
        assert np.array_equal(one.front, other.front)


def test_progress_ends_at_all():
    seen = []
    found = explore(JOB, world(1), Limits(max_devices=16), FAKE, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (found.tally.predicted, found.tally.predicted)
