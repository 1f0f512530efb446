"""What people write: `20B` tokens, by `7d` or `Fri`, for `$5k`, under `10MWh` and `2t`, on `H100:8,H200`.

Each reader takes text or a number and gives SI, or raises `BadInput` with the accepted forms.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from steelyard.catalog.hosts.slices import counted_slice
from steelyard.errors import BadInput
from steelyard.formatting.unit_sizes import JOULES, KILOGRAMS, ONES, SECONDS, spelled
from steelyard.units import Count, Joules, KgCo2e, Seconds, Usd

COUNT_SCALES = spelled(ONES, {"": "", "k": "k,thousand", "M": "m,million", "B": "b,g,billion,bn", "T": "t,trillion,tn"})
"""How many ones each word for a multiple stands for."""

_SPANS = spelled(
    SECONDS,
    {
        "s": "s,sec,second,seconds",
        "min": "m,min,minute,minutes",
        "h": "h,hr,hour,hours",
        "d": "d,day,days",
        "w": "w,week,weeks",
    },
)
_ENERGIES = {unit.lower(): JOULES[unit] for unit in ("Wh", "kWh", "MWh", "GWh", "J", "kJ", "MJ", "GJ")}
_MASSES = spelled(KILOGRAMS, {"g": "g", "kg": "kg", "t": "t,tonne,tonnes,ton", "kt": "kt"})
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBER = r"[+-]?(?:(?:[1-9]\d{0,2}(?:,\d{3})+|\d+(?:_\d{3})*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_ONE_COMMA = re.compile(r"[+-]?\d{1,3},\d{3}")
_LONGEST = 200

INPUT_RANGES: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {  # the least and the most that a job may say, and the unit
        "count": (1e-6, 1e15, ""),
        "whole number": (1, 1e15, ""),
        "number of devices": (1, 1e7, ""),  # the largest sites have some 1e5
        "batch": (1, 1e12, ""),  # in tokens or samples; the largest have some 1e8 tokens
        "duration": (1e-3, 1e11, " seconds"),
        "sum of money": (1e-6, 1e15, " dollars"),
        "quantity of energy": (1e-3, 1e21, " joules"),  # the world's in a year: 6e20
        "mass of CO2e": (1e-9, 1e14, " kg"),  # the world's in a year: 4e13
        "size of data": (1e-3, 1e21, " bytes"),
        "power": (1e-3, 1e15, " watts"),
    }
)
"""What is no slip of the pen: all that people write of a job lies between these."""

_COUNT_FORMS = "20B, 300M, 1.5T, 1e9 or 1000"
DEVICE_FORMS = "8, 64 or 1024"
SEQUENCE_FORMS = "2048, 4096 or 8192"
KEPT_FORMS = "2, 10 or no"
_START_FORMS = "6h or 2d from now, a date such as 2027-01-15, or 2027-01-15T18:00Z"
_SECONDS_FORMS = "90s, 30m, 12h, 7d, 2w or 1d12h"
_DEADLINE_FORMS = f"{_SECONDS_FORMS}, a date such as 2027-01-15, or a weekday such as Fri"
_USD_FORMS, _ENERGY_FORMS, _MASS_FORMS = "5000, $5000, 5k or 1.2M", "500kWh, 10MWh or 36GJ", "500kg, 2t or 1.5kt"
_ACCELERATOR_FORMS = "H100, H100:8, H100:8,H200 or v4-256"


def parse_count(value: Any) -> Count:
    """Return a positive count, for example of tokens.

    >>> parse_count("20B"), parse_count("1e9"), parse_count("300M"), parse_count(1000)
    (20000000000.0, 1000000000.0, 300000000.0, 1000.0)
    >>> parse_count("-5B")
    Traceback (most recent call last):
    steelyard.errors.BadInput: '-5B' is not a count above zero; write 20B, 300M, 1.5T, 1e9 or 1000
    """
    return _scaled(value, COUNT_SCALES, "count", _COUNT_FORMS)


def parse_integer(value: Any, forms: str = _COUNT_FORMS, what: str = "whole number") -> int:
    """Return a positive whole number; `forms` is how it may be written, `what` its entry of `INPUT_RANGES`.

    >>> parse_integer("4k"), parse_integer(8192)
    (4000, 8192)
    >>> parse_integer(0, DEVICE_FORMS)
    Traceback (most recent call last):
    steelyard.errors.BadInput: 0 is not a whole number above zero; write 8, 64 or 1024
    """
    number = _scaled(value, COUNT_SCALES, "whole number", forms)
    if number != int(number):
        _reject(value, "whole number", forms)
    return int(bounded(number, value, what))


def parse_seconds(value: Any) -> Seconds:
    """Return a duration in seconds; a bare number has no unit and is an error.

    >>> parse_seconds("7d"), parse_seconds("12h"), parse_seconds("90s"), parse_seconds("1d12h"), parse_seconds("1.5d")
    (604800.0, 43200.0, 90.0, 129600.0, 129600.0)
    """
    found = _summed_s(value)
    if found is None:
        _reject(value, "duration", _SECONDS_FORMS)
    return _positive(found, value, "duration", _SECONDS_FORMS)


def _summed_s(value: Any) -> float | None:
    """Return the seconds of parts such as 1d12h; None where it is none of them."""
    plain = _text(value).lower()
    parts = re.findall(rf"({_NUMBER})\s*([a-z]+)\s*", plain) if len(plain) <= _LONGEST else []
    joined = "".join(number + unit for number, unit in parts)
    if not parts or joined != re.sub(r"\s+", "", plain) or any(unit not in _SPANS for _, unit in parts):
        return None
    for number, unit in parts:
        _check_comma(number, unit)
    return sum(_number(number) * _SPANS[unit] for number, unit in parts)


def parse_deadline(value: Any, now: dt.datetime) -> Seconds:
    """Return the seconds from now to a deadline: a duration, the end of a date, or the end of the next such weekday.

    >>> now = dt.datetime(2027, 1, 13, 12, 0)
    >>> [parse_deadline(written, now) for written in ("7d", "2027-01-15", "Fri", "2027-01-14 06:00")]
    [604800.0, 216000.0, 216000.0, 64800.0]
    """
    return _left_s(value, now, "deadline", _DEADLINE_FORMS, days=1)


def parse_start(value: Any, now: dt.datetime) -> Seconds:
    """Return the seconds from now to an earliest start: a span, a moment, or the beginning of a date or weekday.

    >>> now = dt.datetime(2027, 1, 13, 12, 0)
    >>> [parse_start(written, now) for written in ("6h", "2027-01-15", "Fri", "2027-01-14 06:00")]
    [21600.0, 129600.0, 129600.0, 64800.0]
    """
    return _left_s(value, now, "moment to start at", _START_FORMS, days=0)


def _left_s(value: Any, now: dt.datetime, what: str, forms: str, days: int) -> Seconds:
    """Return the seconds from now to a moment; a date is so many days after its beginning."""
    moment = _moment(value, now, days)
    if moment is None:
        found = _summed_s(value)
        if found is None or not 0 < found < math.inf:
            _reject(value, what, forms)
        return bounded(found, value, "duration")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=now.tzinfo)
    elif now.tzinfo is None:
        now = now.astimezone()
    left_s = (moment - now).total_seconds()
    if left_s <= 0:
        raise BadInput(f"{value!s} is not after now, {now:%Y-%m-%d %H:%M}; write {forms}")
    return left_s


def parse_usd(value: Any) -> Usd:
    """Return dollars.

    >>> parse_usd("5000"), parse_usd("$5k"), parse_usd("5,000 USD"), parse_usd(12.5)
    (5000.0, 5000.0, 5000.0, 12.5)
    """
    plain = re.sub(r"^(us)?\$|\s*(usd|dollars?)$", "", _text(value).lower()).strip()
    return _scaled(plain, COUNT_SCALES, "sum of money", _USD_FORMS, given=value)


def parse_energy(value: Any) -> Joules:
    """Return joules.

    >>> parse_energy("10MWh"), parse_energy("36GJ")
    (36000000000.0, 36000000000.0)
    """
    return _scaled(value, _ENERGIES, "quantity of energy", _ENERGY_FORMS)


def parse_co2e(value: Any) -> KgCo2e:
    """Return kilograms of CO2e.

    >>> parse_co2e("2t"), parse_co2e("500 kgCO2e"), parse_co2e("1.5kt")
    (2000.0, 500.0, 1500000.0)
    """
    plain = re.sub(r"\s*co2-?(e|eq)?$", "", _text(value).lower())
    return _scaled(plain, _MASSES, "mass of CO2e", _MASS_FORMS, given=value)


def parse_accelerators(value: Any) -> tuple[tuple[str, int | None], ...]:
    """Return the accelerators asked for, each with its count, or None for any count.

    >>> parse_accelerators("H100:8,H200"), parse_accelerators(["v4-256", "TPU-v5p"]), parse_accelerators({"H100": 64})
    ((('H100', 8), ('H200', None)), (('TPU-v4', 128), ('TPU-v5p', None)), (('H100', 64),))
    """
    pairs = (
        [(name, str(number)) for name, number in value.items()]
        if isinstance(value, Mapping)
        else [tuple(item.partition(":")[::2]) for item in _items(value, "list of accelerators", _ACCELERATOR_FORMS)]
    )
    found = []
    for name, number in pairs:
        plain, count = str(name).strip(), number.strip()
        if not plain or not re.fullmatch(r"\d{0,9}", count):
            _reject(value, "list of accelerators", _ACCELERATOR_FORMS)
        if count and int(count) < 1:
            raise BadInput(f"{f'{plain}:{number}'!r} asks for no device; write {_ACCELERATOR_FORMS}")
        found.append(counted_slice(plain, int(bounded(int(count), count, "number of devices")) if count else None))
    if not found:
        _reject(value, "list of accelerators", _ACCELERATOR_FORMS)
    return tuple(found)


def parse_globs(value: Any) -> tuple[str, ...]:
    """Return patterns from text with commas or a list. YAML 1.1 reads the country `NO` as False: it is put right.

    >>> parse_globs("aws/us-*, gcp/europe-*"), parse_globs(["DE", False]), parse_globs(False)
    (('aws/us-*', 'gcp/europe-*'), ('DE', 'NO'), ('NO',))
    """
    return tuple(_items(value, "list of patterns", "aws/us-*,gcp/europe-*"))


def _items(value: Any, what: str, forms: str) -> list[str]:
    texts = ["NO" if item is False else item for item in (value if isinstance(value, list | tuple) else [value])]
    if not all(isinstance(item, str) for item in texts):
        _reject(value, what, forms)
    found = [part.strip() for item in texts for part in item.split(",") if part.strip()]
    if not found:
        _reject(value, what, forms)
    return found


def _moment(value: Any, now: dt.datetime, days: int) -> dt.datetime | None:
    """Return the moment that is written; of a day the one so many days after its beginning; None where it is none."""
    if isinstance(value, dt.datetime):
        return value
    plain = str(value).strip()
    named = [day for day in _DAYS if len(plain) >= 3 and day.startswith(plain.lower())]
    try:
        if named:
            ahead = (_DAYS.index(named[0]) - now.weekday() - 1) % 7 + 1
            return _after(now.date() + dt.timedelta(days=ahead), days, now)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", plain):  # a date object as text, too
            return _after(dt.date.fromisoformat(plain), days, now)
        return dt.datetime.fromisoformat(plain) if re.match(r"\d{4}-\d{2}-\d{2}.", plain) else None
    except (ValueError, OverflowError):
        return None


def _after(day: dt.date, days: int, now: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), now.tzinfo) + dt.timedelta(days=days)


def _scaled(value: Any, scales: Mapping[str, float], what: str, forms: str, *, given: Any = None) -> float:
    shown = value if given is None else given
    plain = _text(value)
    match = re.fullmatch(rf"({_NUMBER})\s*([a-zA-Z]*)", plain) if len(plain) <= _LONGEST else None
    if match is None or match[2].lower() not in scales:
        _reject(shown, what, forms)
    _check_comma(match[1], match[2])
    return _positive(_number(match[1]) * scales[match[2].lower()], shown, what, forms)


def _check_comma(number: str, unit: str) -> None:
    """Refuse `1,500B`, which may be 1.5B or 1500B; 5,000 alone, and what has several marks, parts thousands."""
    if unit and _ONE_COMMA.fullmatch(number):
        point, none = number.replace(",", ".").rstrip("0").rstrip("."), number.replace(",", "")
        raise BadInput(f"{number}{unit} may be {point}{unit} or {none}{unit}; write one of the two")


def _text(value: Any) -> str:
    """Return what was written, as text; a truth value or a container is never a number."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))


def _positive(number: float, value: Any, what: str, forms: str) -> float:
    if not 0 < number < math.inf:
        _reject(value, f"{what} above zero", forms)
    return bounded(number, value, what)


def bounded(number: float, value: Any, what: str) -> float:
    """Return a number of SI that somebody wrote, or raise `BadInput` where nothing is so large or so small.

    >>> bounded(2e10, "20B", "count")
    20000000000.0
    >>> bounded(1e300, "1e300", "count")
    Traceback (most recent call last):
    steelyard.errors.BadInput: '1e300' is no count that a job has: at most 1e+15
    """
    least, most, unit = INPUT_RANGES[what]
    if not least <= number <= most:
        end = f"at most {most:g}" if number > least else f"at least {least:g}"
        raise BadInput(f"{_shown(value)} is no {what} that a job has: {end}{unit}")
    return number


def _reject(value: Any, what: str, forms: str) -> NoReturn:
    raise BadInput(f"{_shown(value)} is not a {what}; write {forms}")


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
