"""An interrupted search gives the best so far and says that it is partial."""

import signal
import threading
from datetime import date

import numpy as np
import pytest
from tests.search.fakes import FAKE, JOB, market

from steelyard.planner.assembly import Preface, assembled
from steelyard.search import family
from steelyard.search.batches import explore_batches
from steelyard.search.engine import Limits
from steelyard.search.explore import explore
from steelyard.search.pareto import frontier

LIMITS = Limits(max_devices=16)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(family, "UNIT", 100)


def after(parts):
    """Return a progress that presses Ctrl-C after so many calls."""
    calls = []

    def tick(done, total):
        calls.append((done, total))
        if len(calls) == parts:
            signal.raise_signal(signal.SIGINT)

    return tick


def answered(found, limits=LIMITS):
    return assembled(JOB, market(1), limits, FAKE, found, Preface("a job"), date(2026, 11, 21))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("parts", [1, 3])
def test_the_best_so_far_is_a_frontier_of_what_was_seen(workers, parts):
    whole = explore(JOB, market(1), LIMITS, FAKE, workers=workers)
    found = explore(JOB, market(1), LIMITS, FAKE, after(parts), workers)
    assert 0 < found.tally.considered < whole.tally.considered
    assert found.unseen == whole.tally.considered - found.tally.considered
    points = found.candidates.points
    assert np.array_equal(found.front, frontier(points))
    every = {tuple(row) for row in np.nan_to_num(whole.candidates.points, nan=-1)}
    assert {tuple(row) for row in np.nan_to_num(points, nan=-1)} <= every
    made = answered(found)
    assert made.feasible
    assert made.partial
    assert made.to_dict()["partial"] is True
    assert threading.active_count() == 1


def test_a_whole_search_is_not_partial():
    made = answered(explore(JOB, market(1), LIMITS, FAKE))
    assert not made.partial
    assert made.to_dict()["partial"] is False


def test_nothing_feasible_so_far_is_not_called_infeasible():
    limits = Limits(max_devices=16, deadline_s=1.0)
    made = answered(explore(JOB, market(1), limits, FAKE, after(1)), limits)
    assert made.partial
    assert made.reason.startswith("interrupted before anything feasible was found")
    assert made.relaxations == ()
    assert made.to_dict()["partial"] is True


def test_batches_not_begun_are_left():
    found = explore_batches(JOB, (8, 16, 24), market(1), LIMITS, FAKE, after(2))
    one = explore(JOB, market(1), LIMITS, FAKE)
    assert found.unseen > one.tally.considered
    layouts = found.candidates.layouts
    assert set(layouts.dp * layouts.micro_batch * layouts.micro_batches) == {8.0}


def test_an_interrupt_after_the_last_family_changes_nothing():
    parts = len(family.families(family.Search.of(JOB, market(1), LIMITS, FAKE)))
    assert explore(JOB, market(1), LIMITS, FAKE, after(parts)).unseen == 0
