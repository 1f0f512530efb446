"""Hours of a grid as rows: the usual day of each month, a series with dates, the mean of a year."""

import datetime as dt
from collections.abc import Iterable
from statistics import fmean

from steelyard.catalog.profile import HOUR, HOURS, MONTHS, ProfileRow

Hours = dict[dt.datetime, float]
"""Kilograms CO2e a kilowatt-hour, by the hour's beginning in UTC."""

_ENOUGH = 0.95
"""Share of a year's hours below which its mean is not said to be the year's."""


def usual_rows(hours: Hours, place: str, quantity: str, source: str, checked: str) -> list[ProfileRow]:
    """Return the mean of each hour of the day in each month; nothing where an hour of a month is missing altogether.

    >>> usual_rows({dt.datetime(2026, 1, 1, tzinfo=dt.UTC): 0.2}, "country/GB", "location_gross", "x", "2026-11-21")
    []
    """
    bins: dict[tuple[int, int], list[float]] = {}
    for hour, value in hours.items():
        bins.setdefault((hour.month, hour.hour), []).append(value)
    if len(bins) < MONTHS * HOURS:
        return []
    first, last = min(hours), max(hours)
    note = f"mean of the hours from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return [
        _row(place, quantity, fmean(bins[key]), source, checked, note, month=str(key[0]), hour=str(key[1]))
        for key in sorted(bins)
    ]


def series_rows(hours: Hours, place: str, quantity: str, source: str, checked: str) -> list[ProfileRow]:
    """Return a series up to its first gap."""
    return [
        _row(place, quantity, hours[hour], source, checked, "forecast", time=f"{hour:%Y-%m-%dT%H:%MZ}")
        for hour in unbroken(sorted(hours))
    ]


def unbroken(times: Iterable[dt.datetime]) -> list[dt.datetime]:
    """Return the times up to the first gap.

    >>> day = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    >>> len(unbroken([day, day + HOUR, day + 3 * HOUR]))
    2
    """
    found: list[dt.datetime] = []
    for time in times:
        if found and time - found[-1] != HOUR:
            break
        found.append(time)
    return found


def year_row(hours: Hours, place: str, quantity: str, conditions: str, source: str, checked: str) -> list[ProfileRow]:
    """Return the mean of a year as a row of data/intensity.csv; nothing where too many of its hours are missing."""
    if len(hours) < _ENOUGH * 365 * HOURS:
        return []
    first, last = min(hours), max(hours)
    return [
        {
            "place": place,
            "quantity": quantity,
            "value": f"{fmean(hours.values()):.6g}",
            "unit": "kg/kWh",
            "conditions": conditions,
            "year": str(last.year),
            "source": source,
            "checked": checked,
            "note": f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
        }
    ]


def _row(
    place: str, quantity: str, value: float, source: str, checked: str, note: str, month: str = "", hour: str = "",
    time: str = "",
) -> ProfileRow:  # fmt: skip
    return {
        "place": place,
        "quantity": quantity,
        "month": month,
        "hour": hour,
        "time": time,
        "kg_per_kwh": f"{value:.6g}",
        "source": source,
        "checked": checked,
        "note": note,
    }
