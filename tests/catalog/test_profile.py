"""Hourly profiles: what a file may say, and what it may not."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from steelyard.catalog.profile import Profile, profiles_of_rows, read_profiles
from steelyard.errors import BadInput

UTC = dt.UTC
YEAR = [{"month": str(m), "hour": str(h), "kg_per_kwh": f"{0.1 + h / 100}"} for m in range(1, 13) for h in range(24)]


def series(hours: int, **more: str) -> list[dict[str, str]]:
    first = dt.datetime(2027, 1, 13, tzinfo=UTC)
    times = [(first + dt.timedelta(hours=hour)).isoformat() for hour in range(hours)]
    return [{"time": time, "kg_per_kwh": f"{0.2 + k / 1000}", **more} for k, time in enumerate(times)]


def test_a_usual_day_holds_on_any_date() -> None:
    (profile,) = profiles_of_rows(YEAR)
    found = profile.hours(dt.datetime(2031, 12, 31, 23, 59, tzinfo=UTC), 2) * 3.6e6
    assert found == pytest.approx([0.33, 0.1])
    assert profile.mean_kg_per_j * 3.6e6 == pytest.approx(0.1 + 11.5 / 100)


def test_months_weigh_by_their_days() -> None:
    level = np.zeros((12, 24))
    level[1] = 365.0  # February alone
    assert Profile("", "marginal", level, None, "", "").mean_kg_per_j == pytest.approx(28.0)


def test_a_series_reaches_no_further_than_it_goes() -> None:
    (profile,) = profiles_of_rows(series(48))
    first = dt.datetime(2027, 1, 13, 5, 30, tzinfo=UTC)
    assert profile.hours(first, 43)[0] * 3.6e6 == pytest.approx(0.205)
    with pytest.raises(BadInput, match=r"to 2027-01-15 00:00 UTC.*--by"):
        profile.hours(first, 44)
    with pytest.raises(BadInput):
        profile.hours(first - dt.timedelta(hours=6), 1)


def test_kinds_and_places_are_kept_apart() -> None:
    rows = series(3, place="country/FR", quantity="marginal") + series(3, place="country/FR")
    assert [(one.place, one.quantity) for one in profiles_of_rows(rows)] == [
        ("country/FR", "marginal"),
        ("country/FR", "location_gross"),
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no rows"),
        ("month,hour,kg_per_kwh\n1,0,0.2\n", "1 of the 288"),
        ("month,hour,kg_per_kwh\n13,0,0.2\n", "month 13"),
        ("month,hour\n1,0\n", "kg_per_kwh"),
        ("time,kg_per_kwh\n2027-01-13T00:00Z,210\n", "kilograms, not grams"),
        ("time,kg_per_kwh\n2027-01-13T00:00Z,nan\n", "no grid"),
        ("time,kg_per_kwh\n2027-01-13T00:00Z,0.2\n2027-01-13T02:00Z,0.2\n", "missing"),
        ("time,kg_per_kwh\n2027-01-13T00:00Z,0.2\n2027-01-13T00:30Z,0.2\n", "twice"),
        ("time,kg_per_kwh,quantity\n2027-01-13T00:00Z,0.2,market\n", "market"),
        ("time,kg_per_kwh\nnoon,0.2\n", "noon"),
    ],
)
def test_a_bad_file_says_what_is_wrong_and_what_is_due(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "hours.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput, match=r"hours\.csv") as error:
        read_profiles(path)
    assert part in str(error.value)
    assert "month and hour" in str(error.value)
