"""Quantities in words: a value in SI in the unit that people use for it."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from steelyard.formatting.figures import COUNT, QUANTITY_LADDERS, TIME, Ladder, amount, dollars, number
from steelyard.units import HOUR_S, KWH_J

_LADDERS: Mapping[str, Ladder] = MappingProxyType({**QUANTITY_LADDERS, "wall": TIME[1:]})
"""Ladders of quantities; a run lasts days at most, as people write it."""


def quantity_text(quantity: str, value: float | None, digits: int = 4) -> str:
    """Return a value in SI as people write it.

    >>> quantity_text("device_time", 2.52e10), quantity_text("co2e", 284019.0)
    ('7,000,000 device-hours', '284.0 t')
    >>> quantity_text("intensity", 0.431 / 3.6e6), quantity_text("power", 208.0)
    ('0.4310 kg/kWh', '208.0 W')
    """
    if value is None or not math.isfinite(value):
        return "unknown"
    if quantity in _FORMS:
        return _FORMS[quantity](value, digits)
    ladder = _LADDERS.get(quantity)
    return amount(value, ladder, digits) if ladder else number(value, digits)


_FORMS: Mapping[str, Callable[[float, int], str]] = MappingProxyType(
    {
        "device_time": lambda value, digits: f"{number(value / HOUR_S, digits)} device-hours",
        "intensity": lambda value, digits: f"{number(value * KWH_J, digits)} kg/kWh",
        "net_intensity": lambda value, digits: f"{number(value * KWH_J, digits)} kg/kWh",
        "wue_onsite": lambda value, digits: f"{number(value * KWH_J * 1e3, digits)} L/kWh",
        "wue_offsite": lambda value, digits: f"{number(value * KWH_J * 1e3, digits)} L/kWh",
        "money": lambda value, _digits: dollars(value),
        "price": lambda value, _digits: f"${number(value * HOUR_S, 3)}/h",
        "utilisation": lambda value, _digits: f"{100 * value:.1f} %",
        "flop": lambda value, _digits: f"{value:.3g} FLOP",
        "throughput": lambda value, digits: f"{number(value, digits)}/s",
        "throughput_per_device": lambda value, digits: f"{number(value, digits)}/s a device",
        "samples": lambda value, digits: f"{amount(value, COUNT, digits)} samples",
        "samples_per_second": lambda value, digits: f"{number(value, digits)} samples/s",
        "samples_per_second_per_device": lambda value, digits: f"{number(value, digits)} samples/s a device",
        "count": lambda value, _digits: f"{value:,.0f} devices",
    }
)
