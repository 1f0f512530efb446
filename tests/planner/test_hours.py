"""When to run: hours on a clock, what idling and restarting cost, and what may be called avoided."""

import datetime as dt
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.catalog.profile import Profile
from steelyard.errors import BadInput
from steelyard.job import job_table, read_job
from steelyard.planner.hours import When, Window, best_hours
from steelyard.planner.unstated.configuring import configure
from steelyard.units import KWH_J

START = dt.datetime(2027, 1, 13, 18, 20, tzinfo=dt.UTC)
DAY_S = 86400.0
SOLAR = np.tile([0.3] * 8 + [0.05] * 8 + [0.4] * 8, (12, 1)) / 3.6e6


@cache
def configured(tokens: str = "20B") -> tuple[Any, Any]:
    spec = read_job({"model": "llama-3-8b", "tokens": tokens})
    return configure(spec, "H100", 64, "tp=2,pp=1,dp=32,mbs=2,zero=1", "aws/us-east-1"), job_table(spec)


def usual(kind: str = "marginal", level: np.ndarray = SOLAR) -> Profile:
    return Profile("", kind, level, None, "test", "2026-11-21")


def asked(tokens: str = "20B", days: float = 7.0, held: bool | None = None, **kinds: np.ndarray) -> When:
    point, job = configured(tokens)
    profiles = {kind: usual(kind, level) for kind, level in kinds.items()}
    longest_s = 1.1 * float(point.prediction.draw.wall_s)
    return best_hours(point, longest_s, job, profiles, Window(START, START, days * DAY_S), held)


def test_every_way_keeps_the_deadline_and_the_work() -> None:
    found = asked(marginal=SOLAR)
    assert [way.name for way in found.ways] == ["start now", "best start", "pause and resume"]
    for way in found.ways:
        assert way.start >= START
        assert (way.end - START).total_seconds() <= found.window_s
        worked = sum((last - first).total_seconds() for first, last in way.stretches)
        restarts = way.pauses * math.ceil(found.restart_s / found.slot_s) * found.slot_s
        assert found.run_s <= worked - restarts < found.run_s + found.slot_s


def test_a_run_in_daylight_alone_pauses_at_night_and_pays_for_resuming() -> None:
    point, _ = configured()
    found = asked(marginal=SOLAR)
    now, _, paused = found.ways
    assert paused.pauses >= 1
    assert all(first.hour >= 7 and last.hour <= 16 for first, last in paused.stretches[1:])
    assert KWH_J * paused.energy_restart_kwh == pytest.approx(paused.pauses * found.restart_s * found.held_w)
    assert paused.energy_facility_kwh == pytest.approx(now.energy_facility_kwh + paused.energy_restart_kwh)
    rate = point.prediction.money.compute_usd / point.prediction.draw.wall_s
    assert paused.cost_usd == pytest.approx(point.prediction.money.total_usd + rate * paused.pauses * found.restart_s)


def test_devices_that_are_held_draw_and_cost_while_they_wait() -> None:
    free, held = (asked(held=keep, marginal=SOLAR) for keep in (False, True))
    assert [way.energy_idle_kwh for way in free.ways] == [0, 0, 0]
    for way in held.ways[1:]:
        waited_s = KWH_J * way.energy_idle_kwh / held.held_w
        rate = configured()[0].prediction.money.compute_usd / held.run_s
        more_s = way.pauses * held.restart_s + waited_s
        assert way.cost_usd == pytest.approx(held.ways[0].cost_usd + rate * more_s)
    assert held.ways[2].co2e_marginal_kg >= free.ways[2].co2e_marginal_kg


def test_only_a_marginal_profile_says_what_is_avoided() -> None:
    average = asked(location_gross=SOLAR)
    assert average.chosen_by == "location_gross"
    assert average.ways[2].co2e_location_gross_kg < average.ways[0].co2e_location_gross_kg
    assert all(math.isnan(way.co2e_avoided_kg) for way in average.ways)
    assert any("avoided is unknown" in note for note in average.notes)
    marginal = asked(location_gross=SOLAR, marginal=SOLAR)
    assert marginal.chosen_by == "marginal"
    now, best, paused = marginal.ways
    assert math.isnan(now.co2e_avoided_kg)
    for way in (best, paused):
        assert way.co2e_avoided_kg == pytest.approx(now.co2e_marginal_kg - way.co2e_marginal_kg)


def test_a_dirtier_average_in_the_cleaner_marginal_hours_is_shown_and_not_claimed() -> None:
    """Average and marginal may point opposite ways: the choice follows the marginal, both figures stand."""
    found = asked("2B", location_gross=SOLAR[:, ::-1] * 0 + 0.45 / 3.6e6 - SOLAR, marginal=SOLAR)
    now, _, paused = found.ways
    assert paused.co2e_avoided_kg > 0
    assert paused.co2e_location_gross_kg > now.co2e_location_gross_kg


def test_without_a_profile_no_hour_is_preferred() -> None:
    found = asked()
    assert [way.name for way in found.ways] == ["start now"]
    assert found.chosen_by == ""
    assert math.isnan(found.ways[0].co2e_location_gross_kg + 0 * found.ways[0].co2e_marginal_kg)
    assert "no hourly intensity" in found.notes[0]


def test_a_usual_day_takes_the_year_of_the_site() -> None:
    """A profile gives the shape; the level is the site's own, where it is known."""
    point, _ = configured()
    flat = asked(location_gross=np.full((12, 24), 9.9 / 3.6e6))
    energy = KWH_J * flat.ways[0].energy_facility_kwh
    assert flat.ways[0].co2e_location_gross_kg == pytest.approx(
        energy * float(point.setting.site.site.location_gross_kg_per_j)
    )


def test_a_deadline_before_the_end_is_refused() -> None:
    with pytest.raises(BadInput, match="until the deadline"):
        asked(days=0.1, marginal=SOLAR)


@given(level=st.lists(st.floats(0.01, 1.0), min_size=24, max_size=24), held=st.booleans(), days=st.floats(1, 5))
@settings(max_examples=15, deadline=None)
def test_pausing_is_never_worse_than_the_best_start_nor_that_than_now(
    level: list[float], held: bool, days: float
) -> None:
    found = asked("2B", days, held, marginal=np.tile(level, (12, 1)) / 3.6e6)
    now, best, paused = (way.co2e_marginal_kg for way in found.ways)
    assert paused <= best * (1 + 1e-9)
    assert best <= now * (1 + 1e-9)
