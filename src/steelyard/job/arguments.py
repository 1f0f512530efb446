"""What a caller in Python gives where the command line has only text: checked, and refused by what is taken."""

import datetime as dt
import numbers
from collections.abc import Mapping
from typing import Any

from steelyard.errors import BadInput
from steelyard.job import literals
from steelyard.vocabulary import CO2E_KINDS, hyphenated


def parse_carbon_kind(given: Any) -> str:
    """Return a kind of CO2e, written with hyphens or underscores.

    >>> parse_carbon_kind("location-net"), parse_carbon_kind("market")
    ('location_net', 'market')
    >>> parse_carbon_kind("green")
    Traceback (most recent call last):
    steelyard.errors.BadInput: carbon='green' is no kind of CO2e; one of: location-gross, location-net, market, marginal
    """
    plain = given.strip().lower().replace("-", "_") if isinstance(given, str) else ""
    if plain not in CO2E_KINDS:
        listed = ", ".join(hyphenated(kind) for kind in CO2E_KINDS)
        raise BadInput(f"carbon={_shown(given)} is no kind of CO2e; one of: {listed}")
    return plain


def check_type(name: str, given: Any, kinds: type | tuple[type, ...], takes: str) -> None:
    """Raise `BadInput` where an argument is of none of the types that it takes.

    >>> check_type("site", 5, str, "a site's name, such as 'aws/us-east-1'")
    Traceback (most recent call last):
    steelyard.errors.BadInput: site=5 is of type int; give a site's name, such as 'aws/us-east-1'
    """
    if not isinstance(given, kinds):
        raise BadInput(f"{name}={_shown(given)} is of type {type(given).__name__}; give {takes}")


def layout_argument(given: Any) -> str:
    """Return a layout as text, which may be given as a mapping; None is none, as an empty text is.

    >>> layout_argument({"tp": 2, "dp": 32, "micro_batch": 1})
    'tp=2,dp=32,mbs=1'
    >>> layout_argument(None)
    ''
    """
    if given is None:
        return ""
    if isinstance(given, Mapping):
        return ",".join(f"{_SHORT.get(str(name), name)}={value}" for name, value in given.items())
    check_type("layout", given, str, "text such as 'tp=2,pp=1,dp=32', or a mapping such as {'tp': 2}")
    return str(given)


_SHORT = {"micro_batch": "mbs", "micro_batches": "ga", "shard_devices": "shard"}


def moment_of(text: str | None, now: dt.datetime) -> dt.datetime:
    """Return the earliest start: a moment, or a span from now; None: now.

    >>> moment_of("2h", dt.datetime(2027, 1, 1, tzinfo=dt.UTC)).isoformat()
    '2027-01-01T02:00:00+00:00'
    """
    if text is None:
        return now
    check_type("start", text, str, "a moment such as '2027-03-01', or a span from now such as '2h'")
    plain = text.strip()
    plain = f"{plain[:-1]}+00:00" if plain.endswith("Z") else plain
    try:
        return now + dt.timedelta(seconds=float(literals.parse_start(plain, now)))
    except BadInput as error:
        raise BadInput(f"start: {error}") from error


def plain_argument(given: Any) -> Any:
    """Return a number of another library as Python's own, and a span of time as text: as a job file has them.

    >>> import numpy
    >>> plain_argument({"tokens": numpy.int64(5), "by": dt.timedelta(days=7), "budget": "5k", "x": [numpy.float32(2)]})
    {'tokens': 5, 'by': '604800s', 'budget': '5k', 'x': [2.0]}
    """
    if isinstance(given, dt.timedelta):
        return f"{given.total_seconds():.16g}s"
    if isinstance(given, Mapping):
        return {name: plain_argument(value) for name, value in given.items()}
    if isinstance(given, list | tuple):
        return [plain_argument(value) for value in given]
    if isinstance(given, numbers.Real) and type(given) not in {bool, int, float}:
        return int(given) if isinstance(given, numbers.Integral) else float(given)
    return given


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."
