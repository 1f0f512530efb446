"""Schedules: exact against every schedule there is, and what holds of waiting, pausing and idling."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.planner.schedule import Load, Schedule, cost, flexible, joules, paused, started_now

DAY = 24
PRICE = st.floats(0.01, 10, allow_nan=False)
LOADS = st.builds(
    Load,
    work=st.integers(1, 4),
    restart=st.integers(0, 2),
    work_j=st.floats(1, 10),
    restart_j=st.floats(0, 10),
    idle_j=st.one_of(st.just(0.0), st.floats(0, 5)),
)
SIGNALS = st.lists(PRICE, min_size=4, max_size=9).map(np.array)


def every(load: Load, slots: int) -> list[Schedule]:
    """All schedules: any set of working slots whose gaps have room for a restart."""
    found = []
    for chosen in combinations(range(slots), load.work):
        cuts = [k for k in range(1, load.work) if chosen[k] != chosen[k - 1] + 1]
        edges = [0, *cuts, load.work]
        runs = [(chosen[a], chosen[b - 1] + 1) for a, b in pairwise(edges)]
        spans = [runs[0], *((first - load.restart, last) for first, last in runs[1:])]
        gaps = [after[0] - before[1] for before, after in pairwise(spans)]
        if all(gap >= 0 for gap in gaps):
            found.append(Schedule(tuple(spans)))
    return found


@given(load=LOADS, signal=SIGNALS)
@settings(max_examples=300, deadline=None)
def test_pausing_is_the_best_of_all_schedules(load: Load, signal: np.ndarray) -> None:
    best = min(cost(schedule, load, signal) for schedule in every(load, signal.size))
    assert cost(paused(load, signal), load, signal) == pytest.approx(best, rel=1e-9)


@given(load=LOADS, signal=SIGNALS)
@settings(deadline=None)
def test_what_it_returns_is_a_schedule(load: Load, signal: np.ndarray) -> None:
    made = paused(load, signal)
    assert made in every(load, signal.size)
    drawn = joules(made, load, signal.size)
    spent = load.work * load.work_j + made.pauses * load.restart * load.restart_j
    held = made.end - load.work - made.pauses * load.restart
    assert drawn.sum() == pytest.approx(spent + held * load.idle_j)


@given(load=LOADS, signal=SIGNALS)
@settings(deadline=None)
def test_pausing_is_never_worse_than_the_best_start_nor_that_than_now(load: Load, signal: np.ndarray) -> None:
    at_once, best, free = (
        cost(made, load, signal) for made in (started_now(load), flexible(load, signal), paused(load, signal))
    )
    assert free <= best * (1 + 1e-9)
    assert best <= at_once * (1 + 1e-9)


@given(signal=SIGNALS, work=st.integers(1, 4))
@settings(deadline=None)
def test_where_pausing_is_free_it_takes_the_cheapest_slots(signal: np.ndarray, work: int) -> None:
    load = Load(work, 0, 1.0, 0.0, 0.0)
    assert cost(paused(load, signal), load, signal) == pytest.approx(np.sort(signal)[:work].sum())


@given(signal=SIGNALS, extra=st.lists(PRICE, min_size=1, max_size=4), load=LOADS)
@settings(deadline=None)
def test_more_slack_is_never_worse(signal: np.ndarray, extra: list[float], load: Load) -> None:
    longer = np.concatenate([signal, extra])
    for way in (flexible, paused):
        short, long = (cost(way(load, hours), load, hours) for hours in (signal, longer))
        assert long <= short * (1 + 1e-9)


@given(signal=SIGNALS, load=LOADS, more=st.floats(0.1, 5))
@settings(deadline=None)
def test_dearer_idling_and_restarts_never_help(signal: np.ndarray, load: Load, more: float) -> None:
    idle = Load(load.work, load.restart, load.work_j, load.restart_j, load.idle_j + more)
    restart = Load(load.work, load.restart, load.work_j, load.restart_j + more, load.idle_j)
    longer = Load(load.work, load.restart + 1, load.work_j, load.restart_j, load.idle_j)
    least = cost(paused(load, signal), load, signal)
    physical = [longer] if load.restart_j >= load.idle_j else []  # a restart draws at least what idling does
    for worse in (idle, restart, *physical):
        assert cost(paused(worse, signal), worse, signal) >= least * (1 - 1e-9)


@given(level=PRICE, load=LOADS, slots=st.integers(4, 9))
@settings(deadline=None)
def test_on_a_flat_grid_it_starts_at_once_and_never_pauses(level: float, load: Load, slots: int) -> None:
    signal = np.full(slots, level)
    assert flexible(load, signal) == paused(load, signal) == started_now(load)


def daily(days: int, profile: list[float]) -> np.ndarray:
    return np.tile(profile, days)


@given(profile=st.lists(PRICE, min_size=DAY, max_size=DAY), hours=st.integers(1, DAY - 1), slack=st.integers(1, DAY))
@settings(deadline=None, max_examples=50)
def test_shifting_saves_a_long_job_no_more_than_a_short_one(profile: list[float], hours: int, slack: int) -> None:
    """On days that repeat, whole days cost the same from any start: what shifting saves is the odd hours' alone."""
    saved = []
    for days in (0, 1, 3):
        load = Load(days * DAY + hours, 0, 1.0, 0.0, 0.0)
        signal = daily(6, profile)[: load.work + slack]
        least, at_once = (cost(made, load, signal) for made in (flexible(load, signal), started_now(load)))
        saved.append((at_once - least, (at_once - least) / at_once))
    for absolute, share in saved[1:]:
        assert absolute == pytest.approx(saved[0][0], abs=1e-9)
        assert share <= saved[0][1] + 1e-9


@given(profile=st.lists(PRICE, min_size=DAY, max_size=DAY))
@settings(deadline=None, max_examples=25)
def test_a_job_of_whole_days_gains_from_pausing_what_it_cannot_gain_from_shifting(profile: list[float]) -> None:
    shares = []
    for days in (1, 3):
        load = Load(days * DAY, 0, 1.0, 0.0, 0.0)
        signal = daily(2 * days, profile)
        at_once = cost(started_now(load), load, signal)
        assert cost(flexible(load, signal), load, signal) == pytest.approx(at_once)
        shares.append(1 - cost(paused(load, signal), load, signal) / at_once)
    half = 2 * np.sort(profile)[: DAY // 2].sum() / np.sum(profile)
    assert shares == pytest.approx([1 - half] * 2)
