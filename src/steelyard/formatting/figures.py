"""Figures in the units that people use, with their interval: `3.2 d (2.8–3.9)`.

The house computes in SI; kilo, mega, hours and GiB begin here. What is unknown reads `unknown`, never 0.
"""

import math
from collections.abc import Mapping
from typing import Final, TypeGuard

from steelyard.formatting.unit_sizes import (
    BYTES,
    CUBIC_METRES,
    FLOP_PER_S,
    JOULES,
    KILOGRAMS,
    ONES,
    SECONDS,
    WATTS,
)

Ladder = tuple[tuple[float, str], ...]
"""Steps of a unit, largest first: how much one is in the base unit, and its symbol."""


def _ladder(sizes: Mapping[str, float], *symbols: str) -> Ladder:
    return tuple((sizes[symbol], symbol) for symbol in symbols)


TIME: Final = _ladder(SECONDS, "y", "d", "h", "min", "s", "ms", "µs")
ENERGY: Final = _ladder(JOULES, "GWh", "MWh", "kWh", "Wh", "J")
POWER: Final = _ladder(WATTS, "MW", "kW", "W")
MASS: Final = _ladder(KILOGRAMS, "kt", "t", "kg", "g")
MEMORY: Final = _ladder(BYTES, "TiB", "GiB", "MiB", "KiB", "bytes")
MONEY: Final[Ladder] = ((ONES["B"], "bn"), (ONES["M"], "M"), (1.0, ""))
VOLUME: Final = _ladder(CUBIC_METRES, "m³", "L")
COUNT: Final = _ladder(ONES, "T", "B", "M", "k", "")
FLOP_RATE: Final = _ladder(FLOP_PER_S, "EFLOP/s", "PFLOP/s", "TFLOP/s", "GFLOP/s")

QUANTITY_LADDERS: Final[Mapping[str, Ladder]] = {
    "co2e": MASS,
    "net_co2e": MASS,
    "energy": ENERGY,
    "energy_it": ENERGY,
    "energy_facility": ENERGY,
    "device_time": TIME,
    "wall": TIME,
    "water": VOLUME,
    "power": POWER,
    "power_facility": POWER,
    "speed": FLOP_RATE,
    "flop_per_s": FLOP_RATE,
    "tokens": COUNT,
    "samples": COUNT,
    "parameters": COUNT,
    "active_parameters": COUNT,
}
"""The ladder of each quantity that claims and disclosures name."""

ENDINGS: Final[Mapping[str, Ladder]] = {
    "_s": TIME,
    "_j": ENERGY,
    "_w": POWER,
    "_kg": MASS,
    "_m3": VOLUME,
    "_bytes": MEMORY,
}
"""The ladder of a quantity by the unit that its name ends in."""

SCALES: Final = frozenset({"k", "M", "B", "T", "bn"})
"""Symbols that stand close to their number, as people write them: 20B tokens, $1.2M."""

LARGE: Final = 1e15
"""From here on digits say nothing: a number is written as a power of ten."""

UNKNOWN: Final = "unknown"
BAR: Final = "█"
_PARTS: Final = " ▏▎▍▌▋▊▉"


def ladder_of(name: str) -> Ladder | None:
    """Return the ladder of a quantity by its name, or by the unit that the name ends in.

    >>> ladder_of("wall_s") == TIME, ladder_of("flop_per_s") == FLOP_RATE, ladder_of("pue")
    (True, True, None)
    """
    return QUANTITY_LADDERS.get(name) or next((one for end, one in ENDINGS.items() if name.endswith(end)), None)


def amount(value: float | None, ladder: Ladder, digits: int = 2) -> str:
    """Return one figure in the largest unit of which there is at least one.

    >>> amount(280_000, TIME), amount(0.0123, TIME, 3), amount(7.2e9, ENERGY), amount(None, MASS)
    ('3.2 d', '12.3 ms', '2.0 MWh', 'unknown')
    """
    if not _known(value):
        return UNKNOWN
    size, symbol = _step(value, ladder)
    return _joined(number(value / size, digits), symbol)


def interval(value: float | None, low: float | None, high: float | None, ladder: Ladder, digits: int = 2) -> str:
    """Return a figure and the interval it lies in, all in one unit.

    >>> interval(280_000, 242_000, 337_000, TIME)
    '3.2 d (2.8–3.9)'
    >>> interval(280_000, None, None, TIME)
    '3.2 d'
    """
    text = amount(value, ladder, digits)
    if not (_known(value) and _known(low) and _known(high)):
        return text
    size, _ = _step(value, ladder)
    return f"{text} ({number(low / size, digits)}–{number(high / size, digits)})"


def dollars(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a sum of money, to the cent below 10 dollars, with its interval when there is one.

    >>> dollars(4812.3, 4150, 5900), dollars(12_345_678), dollars(2.989)
    ('$4,812 (4,150–5,900)', '$12.3M', '$2.99')
    """
    if not _known(value):
        return UNKNOWN
    size, symbol = _step(value, MONEY)
    digits = 3 if symbol or abs(value) < 10 else 1
    text = _joined(f"${number(value / size, digits)}".replace("$-", "-$"), symbol)
    if _known(low) and _known(high):
        text += f" ({number(low / size, digits)}–{number(high / size, digits)})"
    return text


def number(value: float, digits: int = 2) -> str:
    """Return a number with at least so many significant digits and thousands apart; none before the point is dropped.

    From a million billion on it is a power of ten.

    >>> number(3.14159), number(31.4159), number(31415.9), number(0.0314159, 3), number(0.0), number(1.23e18)
    ('3.1', '31', '31,416', '0.0314', '0', '1.2e+18')
    """
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= LARGE:
        return f"{value:.{digits - 1}e}"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{min(max(0, digits - 1 - exponent), 20)}f}"


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share as a percentage.

    >>> percent(0.4234), percent(0.004), percent(None)
    ('42 %', '0.4 %', 'unknown')
    """
    if not _known(share):
        return UNKNOWN
    return f"{100 * share:.{max(0, digits - 2)}f} %" if abs(share) >= 0.01 or share == 0 else f"{100 * share:.1f} %"


def bar(share: float | None, width: int = 20) -> str:
    """Return a bar as long as the share is large, in eighths of a letter.

    >>> bar(0.5, 4), bar(0.3, 4), bar(None, 4)
    ('██', '█▎', '')
    """
    if not _known(share):
        return ""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return (BAR * (eighths // 8) + _PARTS[eighths % 8]).rstrip()


def age(days: float | None) -> str:
    """Return how old a fact is.

    >>> age(0), age(1), age(45), age(None)
    ('today', '1 day old', '45 days old', 'of unknown age')
    """
    if not _known(days):
        return "of unknown age"
    whole = round(days)
    return "today" if whole == 0 else f"{whole} day{'s' if whole != 1 else ''} old"


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _step(value: float, ladder: Ladder) -> tuple[float, str]:
    """Choose the unit; 0.9995 of one counts as one, so that rounding never prints 1,000 of the smaller."""
    return next((step for step in ladder if abs(value) >= 0.9995 * step[0]), ladder[-1] if value else _base(ladder))


def _base(ladder: Ladder) -> tuple[float, str]:
    return next((step for step in ladder if step[0] == 1.0), ladder[-1])


def _joined(text: str, symbol: str) -> str:
    return f"{text}{'' if symbol in SCALES else ' '}{symbol}".rstrip()
