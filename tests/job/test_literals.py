"""What people write becomes SI, or one clear message; nothing else can happen."""

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import BadInput
from steelyard.job import literals
from steelyard.job.degrees import DEGREE_FIELDS, parse_degrees
from steelyard.job.purchase import parse_size, parse_years

NOW = dt.datetime(2027, 1, 13, 12, 0)  # a Wednesday
READERS: list[Callable[[Any], Any]] = [
    literals.parse_count,
    literals.parse_integer,
    literals.parse_seconds,
    lambda value: literals.parse_deadline(value, NOW),
    literals.parse_usd,
    literals.parse_energy,
    literals.parse_co2e,
    literals.parse_accelerators,
    literals.parse_globs,
    parse_degrees,
]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("20B", 2e10),
        ("20b", 2e10),
        ("1e9", 1e9),
        ("300M", 3e8),
        ("1.5T", 1.5e12),
        (1000, 1e3),
        (1e9, 1e9),
        ("1_000_000", 1e6),
        ("1,000", 1e3),
        ("20 billion", 2e10),
        ("4k", 4e3),
        (".5B", 5e8),
    ],
)
def test_counts(written: Any, number: float) -> None:
    assert literals.parse_count(written) == number


@pytest.mark.parametrize(
    "written",
    ["-5B", "0", 0, -1, "", "B", "20X", "1,00", "1e400", "nan", math.nan, math.inf, None, True, [], {}, "20B tokens"],
)
def test_what_is_no_count(written: Any) -> None:
    with pytest.raises(BadInput, match="write 20B"):
        literals.parse_count(written)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("7d", 604800),
        ("12h", 43200),
        ("30m", 1800),
        ("90s", 90),
        ("2w", 1209600),
        ("1.5d", 129600),
        ("1d 12h", 129600),
        ("3 days", 259200),
    ],
)
def test_durations(written: str, number: float) -> None:
    assert literals.parse_seconds(written) == number


@pytest.mark.parametrize("written", ["7", 7, "d", "-7d", "0s", "7x", "7d5", "", None, "12:30"])
def test_what_is_no_duration(written: Any) -> None:
    with pytest.raises(BadInput, match="write 90s"):
        literals.parse_seconds(written)


@pytest.mark.parametrize(
    ("written", "hours"),
    [
        ("7d", 168),
        ("2027-01-15", 60),  # the end of that day
        (dt.date(2027, 1, 15), 60),
        ("Fri", 60),
        ("friday", 60),
        ("Wed", 180),  # the next one, not today
        ("2027-01-13 18:00", 6),
        (dt.datetime(2027, 1, 13, 18, 0), 6),
    ],
)
def test_deadlines(written: Any, hours: float) -> None:
    assert literals.parse_deadline(written, NOW) == hours * 3600


@pytest.mark.parametrize(
    "written", ["2027-01-12", "2027-13-01", "2027-02-30", "Fr", "someday", "tomorrow", 7, "9999-12-31", dt.date.max]
)
def test_what_is_no_deadline(written: Any) -> None:
    with pytest.raises(BadInput, match="write 90s"):
        literals.parse_deadline(written, NOW)


@pytest.mark.parametrize(
    ("written", "hours"),
    [("2027-01-14", 12), ("Fri", 36), ("6h", 6), ("2027-01-13 18:00", 6), (dt.date(2027, 1, 15), 36)],
)
def test_a_start_is_the_beginning_of_its_day(written: Any, hours: float) -> None:
    assert literals.parse_start(written, NOW) == hours * 3600


@pytest.mark.parametrize("written", ["foo", "-5h", "2027-01-13", "2027-02-30", 7])
def test_what_is_no_start(written: Any) -> None:
    with pytest.raises(BadInput, match=r"(is not a moment to start at|is not after now, .*); write 6h or 2d from now"):
        literals.parse_start(written, NOW)


def test_a_deadline_follows_the_clock_of_its_zone() -> None:
    utc = NOW.replace(tzinfo=dt.UTC)
    east = dt.timezone(dt.timedelta(hours=2))
    assert literals.parse_deadline("2027-01-15", utc) == 60 * 3600
    assert literals.parse_deadline("2027-01-13T18:00+02:00", utc) == 4 * 3600
    assert literals.parse_deadline(dt.datetime(2027, 1, 13, 18, tzinfo=east), utc) == 4 * 3600


@pytest.mark.parametrize(
    ("reader", "written", "number"),
    [
        (literals.parse_usd, "5000", 5000),
        (literals.parse_usd, "$5k", 5000),
        (literals.parse_usd, "5k", 5000),
        (literals.parse_usd, "US$1.2M", 1.2e6),
        (literals.parse_usd, "5,000 dollars", 5000),
        (literals.parse_energy, "10MWh", 3.6e10),
        (literals.parse_energy, "500 kWh", 1.8e9),
        (literals.parse_co2e, "2t", 2000),
        (literals.parse_co2e, "2 tCO2e", 2000),
        (literals.parse_co2e, "500kg", 500),
    ],
)
def test_money_energy_carbon(reader: Callable[[Any], Any], written: str, number: float) -> None:
    assert reader(written) == pytest.approx(number)


@pytest.mark.parametrize(
    ("reader", "written"),
    [
        (literals.parse_usd, "-5"),
        (literals.parse_usd, "€5"),
        (literals.parse_usd, "$"),
        (literals.parse_energy, "10"),
        (literals.parse_energy, "10kW"),
        (literals.parse_co2e, "2"),
        (literals.parse_co2e, "2 CO2"),
        (literals.parse_accelerators, "H100:0"),
        (literals.parse_accelerators, ":8"),
        (literals.parse_accelerators, "H100:eight"),
        (literals.parse_accelerators, []),
        (literals.parse_accelerators, {"H100": -1}),
        (literals.parse_accelerators, True),
        (literals.parse_globs, ""),
        (literals.parse_globs, 5),
        (literals.parse_globs, True),
    ],
)
def test_what_is_none_of_these(reader: Callable[[Any], Any], written: Any) -> None:
    with pytest.raises(BadInput, match="write "):
        reader(written)


def test_accelerators_with_and_without_a_count() -> None:
    assert literals.parse_accelerators("H100:8,H200") == (("H100", 8), ("H200", None))
    assert literals.parse_accelerators(["TPU-v5p", "A100-80GB-SXM:16"]) == (("TPU-v5p", None), ("A100-80GB-SXM", 16))


def test_norway_is_a_place() -> None:
    assert literals.parse_globs(["SE", False]) == ("SE", "NO")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
LIKELY = st.from_regex(r"[-+$ ]?[0-9.,_e]{0,8} ?[a-zA-Z:=,-]{0,8}", fullmatch=True)


def outcome(reader: Callable[[Any], Any], value: Any) -> Any:
    try:
        return reader(value)
    except BadInput as error:
        return error


@pytest.mark.parametrize("reader", READERS)
@given(value=ANYTHING | LIKELY)
def test_anything_is_a_value_or_bad_input(reader: Callable[[Any], Any], value: Any) -> None:
    result = outcome(reader, value)
    if isinstance(result, BadInput):
        assert len(str(result).splitlines()) == 1
        assert len(str(result)) < 400
    elif isinstance(result, int | float):
        assert 0 < result < math.inf


@given(st.integers(1, 1000), st.sampled_from(["", "k", "M", "B", "T"]))
def test_a_count_is_its_digits_times_its_letter(digits: int, letter: str) -> None:
    scale = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[letter]
    assert literals.parse_count(f"{digits}{letter}") == digits * scale


@pytest.mark.parametrize(
    ("reader", "written", "end"),
    [
        (literals.parse_count, "1e300", "no count that a job has: at most 1e.15"),
        (literals.parse_count, 10**16, "at most 1e.15"),
        (literals.parse_count, "1e-7", "at least 1e-06"),
        (literals.parse_seconds, "1e12s", "no duration .* at most 1e.11 seconds"),
        (literals.parse_seconds, "1e-9h", "at least 0.001 seconds"),
        (
            lambda text: literals.parse_deadline(text, dt.datetime(2027, 1, 1)),
            "1e-300s",
            "no duration .* at least 0.001",
        ),
        (literals.parse_usd, "1e300", "no sum of money .* at most 1e.15 dollars"),
        (literals.parse_energy, "1e30MWh", "at most 1e.21 joules"),
        (literals.parse_co2e, "1e300t", "at most 1e.14 kg"),
        (parse_size, "1e10TB", "no size of data .* at most 1e.21 bytes"),
        (parse_years, "100000y", "no duration .* at most 1e.11 seconds"),
    ],
)
def test_what_no_job_has_is_refused_with_the_end_that_it_passes(reader: Any, written: Any, end: str) -> None:
    with pytest.raises(BadInput, match=end):
        reader(written)


def test_layout_limits() -> None:
    assert parse_degrees("tp=2,pp=1,mbs=2,zero=1") == {"tp": (2,), "pp": (1,), "micro_batch": (2,), "zero": (1,)}
    assert parse_degrees({"tp": [1, 2], "recompute": "full", "flash": True}) == {
        "tp": (1, 2),
        "recompute": (2,),
        "flash": (1,),
    }


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("tq=2", "unknown layout field 'tq'; nearest: tp"),
        ("tp=0", "layout tp is '0'"),
        ("zero=4", "from 0 to 3"),
        ("tp", "not a layout field with its value"),
        ("tp=2,tp=4", "gives tp twice"),
        ("recompute=some", "none, selective, full"),
        ({"tp": []}, "lists no value"),
        (5, "is not a layout"),
    ],
)
def test_what_is_no_layout(written: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_degrees(written)


@given(st.sampled_from(DEGREE_FIELDS), st.integers(-5, 5))
def test_a_degree_is_within_its_range_or_refused(field: str, number: int) -> None:
    found = outcome(parse_degrees, {field: number})
    if isinstance(found, BadInput):
        assert number < 1 or field in {"zero", "partition", "schedule", "recompute", "sp", "flash", "offload"}
    else:
        assert found == {field: (number,)}


@pytest.mark.parametrize("text", ["0,500", "1234,567", "12,9", "1,5B", "1.234,5"])
def test_a_comma_is_no_decimal_point(text: str) -> None:
    """0,500 was read as 500, and 1234,567 as more than a million."""
    with pytest.raises(BadInput, match="is not a count"):
        literals.parse_count(text)


@pytest.mark.parametrize(
    ("reader", "text", "ways"),
    [
        (literals.parse_count, "1,500B", "1.5B or 1500B"),
        (literals.parse_co2e, "1,500t", "1.5t or 1500t"),
        (literals.parse_energy, "2,250MWh", "2.25MWh or 2250MWh"),
        (literals.parse_seconds, "1,500h", "1.5h or 1500h"),
        (literals.parse_usd, "1,500k", "1.5k or 1500k"),
    ],
)
def test_a_lone_comma_before_a_unit_may_be_either(reader, text: str, ways: str) -> None:
    with pytest.raises(BadInput, match=f"{text} may be {ways}; write one of the two"):
        reader(text)
    assert reader(ways.split(" ")[2]) > reader(ways.split(" ", maxsplit=1)[0])
