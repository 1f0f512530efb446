"""What one of each unit is in SI: the one place where kilo, hours, tonnes and gibibytes get their size.

Figures are written in these units, and what people write is read in them, under more spellings where a reader wants.

Source: BIPM, The International System of Units, 9th edition (2019), tables 7 and 8; IEC 80000-13 for kibi to tebi. A
year is the Julian year of 365.25 days.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Sizes = Mapping[str, float]

SECONDS: Final[Sizes] = MappingProxyType(
    {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365.25 * 86400.0}
)
JOULES: Final[Sizes] = MappingProxyType(
    {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "TJ": 1e12}
    | {"Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9, "GWh": 3.6e12, "TWh": 3.6e15}
)
WATTS: Final[Sizes] = MappingProxyType({"W": 1.0, "kW": 1e3, "MW": 1e6})
KILOGRAMS: Final[Sizes] = MappingProxyType({"g": 1e-3, "kg": 1.0, "t": 1e3, "kt": 1e6, "Mt": 1e9})
CUBIC_METRES: Final[Sizes] = MappingProxyType({"L": 1e-3, "m³": 1.0})
BYTES: Final[Sizes] = MappingProxyType(
    {"bytes": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}
    | {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40, "PiB": 2.0**50}
)
ONES: Final[Sizes] = MappingProxyType({"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12})
FLOP_PER_S: Final[Sizes] = MappingProxyType({"GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15, "EFLOP/s": 1e18})


def spelled(sizes: Sizes, spellings: Mapping[str, str]) -> dict[str, float]:
    """Return the sizes of units under every spelling: a text of them, parted by commas, for each unit.

    >>> spelled(SECONDS, {"h": "h, hr, hours", "d": "d, days"})
    {'h': 3600.0, 'hr': 3600.0, 'hours': 3600.0, 'd': 86400.0, 'days': 86400.0}
    """
    return {name.strip(): sizes[unit] for unit, names in spellings.items() for name in names.split(",")}


SPANS: Final[Sizes] = MappingProxyType(
    spelled(
        SECONDS,
        {"s": "s,sec,secs,second,seconds", "ms": "ms,msec", "µs": "us,µs", "min": "m,min,mins,minute,minutes"}
        | {"h": "h,hr,hrs,hour,hours", "d": "d,day,days"},
    )
)
"""Seconds of the units in which people write how long a step took."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµ]+)\s*", re.IGNORECASE)


def spans_s(text: str) -> float | None:
    """Return the seconds of a span of several parts; None where a text is none.

    >>> spans_s("1m30s"), spans_s("1 h 2 min"), spans_s("90s"), spans_s("1e3s")
    (90.0, 3720.0, None, None)
    """
    parts = _SPAN.findall(text) if len(text) < 40 and not _SPAN.sub("", text).strip() else []
    known = len(parts) > 1 and all(unit.lower() in SPANS for _, unit in parts)
    return sum(float(number) * SPANS[unit.lower()] for number, unit in parts) if known else None
