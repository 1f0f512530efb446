"""Figures keep their value, never print nonsense, and say when they do not know."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steelyard.formatting import figures

LADDERS = (
    figures.TIME,
    figures.ENERGY,
    figures.POWER,
    figures.MASS,
    figures.MEMORY,
    figures.MONEY,
    figures.VOLUME,
    figures.COUNT,
    figures.FLOP_RATE,
)
FINITE = st.floats(min_value=1e-3, max_value=1e15)


def back(text: str, ladder: figures.Ladder) -> float:
    value = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ/³ ")
    size = {name: size for size, name in ladder}
    return float(value.replace(",", "")) * size[text.removeprefix(value).strip()]


@example(0.0015, figures.FLOP_RATE, 2)
@given(FINITE, st.sampled_from(LADDERS), st.integers(2, 4))
def test_a_figure_reads_back_to_its_value(value: float, ladder: figures.Ladder, digits: int) -> None:
    text = figures.amount(value, ladder, digits)
    assert back(text, ladder) == pytest.approx(value, rel=0.6 * 10 ** (1 - digits))


@given(FINITE, st.floats(0.5, 1.0), st.floats(1.0, 2.0))
def test_an_interval_holds_its_value(value: float, below: float, above: float) -> None:
    text = figures.interval(value, value * below, value * above, figures.TIME)
    middle, _, rest = text.partition(" (")
    low, _, high = rest.rstrip(")").partition("–")
    number = float(middle.split(" ")[0].replace(",", ""))
    assert float(low.replace(",", "")) <= number <= float(high.replace(",", ""))


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_unknown_is_said_and_is_not_zero(value: float | None) -> None:
    assert figures.amount(value, figures.MASS) == "unknown"
    assert figures.dollars(value) == "unknown"
    assert figures.percent(value) == "unknown"
    assert figures.interval(value, 1.0, 2.0, figures.TIME) == "unknown"


def test_an_unknown_interval_leaves_the_figure() -> None:
    assert figures.dollars(100.0, math.nan, 120.0) == "$100"


@pytest.mark.parametrize(
    ("value", "ladder", "text"),
    [
        (59.99, figures.TIME, "1.0 min"),
        (86400 * 365.25 * 2, figures.TIME, "2.0 y"),
        (0.0, figures.MASS, "0 kg"),
        (999.9, figures.MASS, "1.0 t"),
        (-3600.0, figures.TIME, "-1.0 h"),
        (8.03e9, figures.COUNT, "8.0B"),
    ],
)
def test_figures_at_the_edges(value: float, ladder: figures.Ladder, text: str) -> None:
    assert figures.amount(value, ladder) == text


@given(st.floats(0, 1), st.integers(1, 40))
def test_a_bar_is_never_wider_than_its_width(share: float, width: int) -> None:
    assert len(figures.bar(share, width)) <= width
