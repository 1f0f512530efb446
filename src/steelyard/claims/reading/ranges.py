"""What each quantity of a claim may be: from the least to the most that any run can have, wide enough for a slip.

A number outside is no claim but a mistake of writing: it is refused before anything is computed with it. What is only
doubtful, such as a PUE below 1 or a utilisation above 100 %, lies inside and is for the checks to find.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.claims.reading.printed import PrintedNumber
from steelyard.errors import BadInput
from steelyard.units import HOUR_S, KWH_J


@dataclass(frozen=True, slots=True)
class QuantityRange:
    """The least and the most of a quantity in the unit that messages name, and how much one of it is in SI."""

    least: float
    most: float
    unit: str = ""
    size: float = 1.0
    zero: bool = False  # 0 means something too: no net emissions, no water

    @property
    def text(self) -> str:
        """The range as a message writes it.

        >>> QUANTITY_RANGES["pue"].text, QUANTITY_RANGES["net_co2e"].text
        ('0.1 to 100', '0, or 1e-09 to 1e+14 kg')
        """
        return f"{'0, or ' if self.zero else ''}{self.least:g} to {self.most:g} {self.unit}".strip()


_CO2E = (1e-9, 1e14, "kg")  # the world emits 4e13 kg a year
_INTENSITY = (1e-6, 1e4, "kg/kWh", 1 / KWH_J)
_WATER_USE = (1e-6, 1e4, "L/kWh", 1e-3 / KWH_J, True)
_RATE = (1e-9, 1e18, "a second")

QUANTITY_RANGES: Mapping[str, QuantityRange] = MappingProxyType(
    {
        "parameters": QuantityRange(1.0, 1e18),
        "active_parameters": QuantityRange(1.0, 1e18),
        "tokens": QuantityRange(1.0, 1e21),
        "samples": QuantityRange(1.0, 1e21),
        "sequence": QuantityRange(1.0, 1e12),
        "batch_samples": QuantityRange(1.0, 1e12),
        "steps": QuantityRange(1.0, 1e15),
        "examples": QuantityRange(1.0, 1e18),
        "epochs": QuantityRange(1e-6, 1e9),
        "runs": QuantityRange(1e-6, 1e9),
        "count": QuantityRange(0.01, 1e9),
        "wall": QuantityRange(1e-6, 1e7, "h", HOUR_S),
        "device_time": QuantityRange(1e-6, 1e14, "h", HOUR_S),
        "power": QuantityRange(1e-3, 1e12, "W"),
        "pue": QuantityRange(0.1, 100.0),
        "energy": QuantityRange(1e-9, 1e15, "kWh", KWH_J),  # the world uses 1.7e14 kWh a year
        "intensity": QuantityRange(*_INTENSITY, zero=True),  # water and wind, as some report them
        "net_intensity": QuantityRange(*_INTENSITY, zero=True),
        "co2e": QuantityRange(*_CO2E, zero=True),  # as authors state who bought certificates
        "net_co2e": QuantityRange(*_CO2E, zero=True),
        "saves": QuantityRange(*_CO2E, zero=True),
        "water": QuantityRange(1e-9, 1e12, "m3", zero=True),
        "wue_onsite": QuantityRange(*_WATER_USE),
        "wue_offsite": QuantityRange(*_WATER_USE),
        "money": QuantityRange(1e-3, 1e14, "USD"),
        "price": QuantityRange(1e-6, 1e6, "USD/h", 1 / HOUR_S),
        "utilisation": QuantityRange(1e-6, 100.0),
        "throughput": QuantityRange(*_RATE),
        "throughput_per_device": QuantityRange(*_RATE),
        "samples_per_second": QuantityRange(*_RATE),
        "samples_per_second_per_device": QuantityRange(*_RATE),
        "flop": QuantityRange(1.0, 1e40, "FLOP"),
        "speed": QuantityRange(1.0, 1e24, "FLOP/s"),
        "uses": QuantityRange(1.0, 1e18),
        "queries": QuantityRange(1.0, 1e21),
        "work": QuantityRange(1e-15, 1e25),
    }
)
"""Every quantity that a claim or a metered run states, by its name, and one factor of a product of work."""


def check_range(quantity: str, number: PrintedNumber, field: str = "") -> PrintedNumber:
    """Return the number, or raise `BadInput` where no run can have it.

    >>> from steelyard.claims.reading.printed import parse_quantity
    >>> check_range("pue", parse_quantity("1.1", "ratio")).value
    1.1
    >>> check_range("wall", parse_quantity("0 h", "duration"), "hours")
    Traceback (most recent call last):
    steelyard.errors.BadInput: hours: '0 h' is no number that a run can have: it is 1e-06 to 1e+07 h; correct it, ...
    """
    span = QUANTITY_RANGES[quantity]
    value = number.value / span.size
    slack = 1e-9  # a number at an end may lie beyond it by the rounding of its unit
    if (span.zero and value == 0) or span.least * (1 - slack) <= value <= span.most * (1 + slack):
        return number
    shown = number.text if len(number.text) <= 60 else f"{number.text[:57]}..."
    raise BadInput(
        f"{field or quantity}: {shown!r} is no number that a run can have: it is {span.text}; "
        "correct it, or leave it out if it is not known"
    )
