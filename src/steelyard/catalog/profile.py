"""Hourly grid intensity: the usual day of each month, or a series with dates (measured or forecast).

A file of profiles is a CSV with a value an hour, in UTC: columns `kg_per_kwh` and either `month` (1-12) and `hour`
(0-23), all 288 of them, or `time` (ISO 8601, hour after hour). `place` and `quantity` (`location_gross`, an average, or
`marginal`) say what it is of; without them it is an average of whatever place it is used for. None is shipped: the ones
at hand are share-alike (docs/decisions/0003). A user brings a file, or refreshes from a live source.
"""

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from steelyard.errors import BadInput
from steelyard.units import HOUR_S, KWH_J, Array
from steelyard.vocabulary import LOCATION_GROSS, MARGINAL

QUANTITIES = (LOCATION_GROSS, MARGINAL)
MONTHS, HOURS = 12, 24
PROFILE_COLUMNS = ("place", "quantity", "month", "hour", "time", "kg_per_kwh", "source", "checked", "note")
"""What a file of refreshed profiles holds; a month and hour, or a time, is left empty."""

FORMS = "columns: kg_per_kwh and either month and hour (UTC) or time (ISO 8601, UTC); optional: place, quantity"
HOUR = dt.timedelta(hours=1)

ProfileRow = Mapping[str, str]
_Value = TypeVar("_Value", int, float, dt.datetime)
Hour = TypeVar("Hour", dt.datetime, tuple[int, int])


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Intensity by the hour, of one kind, in one place, in UTC."""

    place: str  # empty: of whatever place it is used for
    quantity: str
    kg_per_j: Array  # twelve months of 24 hours, or a series
    first: dt.datetime | None  # hour of the series' first value; None: the usual day of each month
    source: str
    checked: str

    @property
    def mean_kg_per_j(self) -> float:
        """The mean over the year (months weighed by their days), or over the series."""
        if self.first is not None:
            return float(self.kg_per_j.mean())
        days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return float(np.average(self.kg_per_j.mean(axis=1), weights=days))

    @property
    def yearly(self) -> bool:
        """Whether it is the usual day of each month, which holds at any date."""
        return self.first is None

    def level_text(self, site_kg_per_j: float) -> str:
        """Return that a usual day is laid over another mean of the year than its own, and by how much; else empty.

        Args:
            site_kg_per_j: mean of the year of the site that it is used for; NaN: unknown, the profile is taken as it is

        >>> usual = Profile("DE", "location_gross", np.full((12, 24), 0.3 / KWH_J), None, "", "")
        >>> usual.level_text(0.36 / KWH_J)
        'the usual day of DE, 0.3 kg/kWh over the year, is multiplied by 1.2 to the 0.36 kg/kWh that the catalog has
        of the site (average): its hours give the shape; a file with a column time is taken as it is'
        >>> usual.level_text(np.nan), usual.level_text(0.3 / KWH_J)
        ('', '')
        """
        mean = self.mean_kg_per_j
        if not self.yearly or np.isnan(site_kg_per_j) or abs(site_kg_per_j / mean - 1) < 0.005:
            return ""
        kind = "marginal" if self.quantity == MARGINAL else "average"
        return (
            f"the usual day of {self.place or 'the profile'}, {mean * KWH_J:.3g} kg/kWh over the year, is multiplied "
            f"by {site_kg_per_j / mean:.3g} to the {site_kg_per_j * KWH_J:.3g} kg/kWh that the catalog has of the site "
            f"({kind}): its hours give the shape; a file with a column time is taken as it is"
        )

    def reaches(self, start: dt.datetime, count: int) -> bool:
        """Return whether it knows so many hours from the one that holds `start`."""
        if self.first is None:
            return True
        offset = round((hour_of(start) - self.first).total_seconds() / HOUR_S)
        return offset >= 0 and offset + count <= self.kg_per_j.size

    def hours(self, start: dt.datetime, count: int) -> Array:
        """Return the intensity of so many hours from the one that holds `start`; BadInput where it does not reach.

        >>> usual = Profile("", "marginal", np.arange(288.0).reshape(12, 24), None, "", "")
        >>> usual.hours(dt.datetime(2027, 1, 31, 22, 30, tzinfo=dt.UTC), 4)
        array([22., 23., 24., 25.])
        """
        begin = hour_of(start)
        if self.first is None:
            times = [begin + HOUR * step for step in range(count)]
            found: Array = self.kg_per_j[[time.month - 1 for time in times], [time.hour for time in times]]
            return found
        offset = round((begin - self.first).total_seconds() / HOUR_S)
        if not self.reaches(start, count):
            last = self.first + HOUR * self.kg_per_j.size
            raise BadInput(
                f"the hourly profile of {self.place or 'the place'} runs from {self.first:%Y-%m-%d %H:%M} to "
                f"{last:%Y-%m-%d %H:%M} UTC, the job may run from {begin:%Y-%m-%d %H:%M} to "
                f"{begin + HOUR * count:%Y-%m-%d %H:%M}; give an earlier deadline (--by) or the usual day of each month"
            )
        return self.kg_per_j[offset : offset + count]


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Return the hour that a moment lies in, in UTC; a moment without a zone is UTC.

    >>> hour_of(dt.datetime.fromisoformat("2027-01-13T12:40+01:00")).isoformat()
    '2027-01-13T11:00:00+00:00'
    """
    zoned = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    return zoned.replace(minute=0, second=0, microsecond=0)


def read_profiles(path: Path) -> tuple[Profile, ...]:
    """Return the profiles of a file: one for each place, quantity and kind (usual days, dates)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError, csv.Error) as error:  # ValueError: no text, or a null character in the name
        raise BadInput(f"{path}: not a file of hourly profiles ({error}); {FORMS}") from error
    try:
        return profiles_of_rows(rows)
    except KeyError as error:
        raise BadInput(f"{path}: no column {error.args[0]}; {FORMS}") from error
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}: {error}; {FORMS}") from error


def profiles_of_rows(rows: Iterable[ProfileRow]) -> tuple[Profile, ...]:
    """Return the profiles that rows spell out; ValueError where they are not whole.

    >>> rows = [{"time": f"2027-01-13T{hour:02}:00Z", "kg_per_kwh": "0.36"} for hour in (6, 7)]
    >>> [(one.quantity, one.kg_per_j * 3.6e6) for one in profiles_of_rows(rows)]
    [('location_gross', array([0.36, 0.36]))]
    """
    groups: dict[tuple[str, str, bool], list[ProfileRow]] = {}
    for row in rows:
        key = row.get("place") or "", row.get("quantity") or QUANTITIES[0], bool(row.get("time"))
        groups.setdefault(key, []).append(row)
    if not groups:
        raise ValueError("no rows")
    return tuple(_profile(place, quantity, found) for (place, quantity, _), found in groups.items())


def _profile(place: str, quantity: str, rows: list[ProfileRow]) -> Profile:
    if quantity not in QUANTITIES:
        raise ValueError(f"quantity {quantity!r} is none of {', '.join(QUANTITIES)}")
    shape = _dated if rows[0].get("time") else _typical
    values, first = shape(place or "the file", rows)
    return Profile(place, quantity, values, first, rows[0].get("source") or "", rows[0].get("checked") or "")


def _dated(name: str, rows: list[ProfileRow]) -> tuple[Array, dt.datetime]:
    """Return the intensities of consecutive hours, and the first of these."""
    values = _by_hour(name, rows, _time)
    for earlier, later in pairwise(sorted(values)):
        if later - earlier != HOUR:
            raise ValueError(f"the hour before {later} is missing")
    return np.array([values[key] for key in sorted(values)]), min(values)


def _typical(name: str, rows: list[ProfileRow]) -> tuple[Array, None]:
    """Return the intensities of the hours of a day in each month."""
    values = _by_hour(name, rows, _month_hour)
    if len(values) != MONTHS * HOURS:
        raise ValueError(f"{name} has {len(values)} of the {MONTHS * HOURS} hours of twelve months")
    return np.array([values[key] for key in sorted(values)]).reshape(MONTHS, HOURS), None


def _by_hour(name: str, rows: list[ProfileRow], hour: Callable[[ProfileRow], Hour]) -> dict[Hour, float]:
    values = {hour(row): _kg_per_j(row) for row in rows}
    if len(values) != len(rows):
        raise ValueError(f"{name} gives an hour twice")
    return values


def _read(row: ProfileRow, name: str, reader: Callable[[str], _Value]) -> _Value:
    """Return a cell of a row as it is read; `ValueError` names the cell that cannot be."""
    text = row[name]
    try:
        return reader(text)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {text!r}") from None


def _time(row: ProfileRow) -> dt.datetime:
    return hour_of(_read(row, "time", dt.datetime.fromisoformat))


def _month_hour(row: ProfileRow) -> tuple[int, int]:
    month, hour = _read(row, "month", int), _read(row, "hour", int)
    if not (1 <= month <= MONTHS and 0 <= hour < HOURS):
        raise ValueError(f"month {month}, hour {hour}: months are 1-12, hours 0-23")
    return month, hour


def _kg_per_j(row: ProfileRow) -> float:
    value = _read(row, "kg_per_kwh", float)
    if not 0 <= value < 5:
        raise ValueError(f"kg_per_kwh {value}: no grid's intensity (kilograms, not grams)")
    return value / KWH_J
