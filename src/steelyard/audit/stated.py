"""What people write of a run's size, in the unit of the house, with what its printed digits leave open.

`7.0M GPU hours` is 2.52e10 device-seconds, give or take half of its last digit: 0.7 %. Two stated numbers may differ
by their rounding and no auditor should mind; beyond it they contradict each other.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NoReturn

from steelyard.errors import BadInput
from steelyard.units import DAY_S, HOUR_S, KWH_J

POUND_KG = 0.45359237
SHORT_TON_KG = 2000 * POUND_KG
GALLON_M3 = 3.785411784e-3
YEAR_S = 365.25 * DAY_S

_ABOUT = (
    "about",
    "around",
    "approximately",
    "approx.",
    "approx",
    "circa",
    "nearly",
    "almost",
    "roughly",
    "~",
    "≈",
    "c. ",
)
_BOUNDS = ("up to", "at most", "less than", "more than", "at least", "over", "under", "<", ">", "≤", "≥")
_LONGEST = 200
_ROUND = 0.015
"""Most that trailing zeros may leave open: 200,000 hours may well be 198,000, hardly 170,000."""

_COUNTED = 1e5
"""Whole numbers below it are counted, not rounded."""


@dataclass(frozen=True, slots=True)
class Stated:
    """One number as stated: its value in SI, what its digits leave open (relative), and the words themselves."""

    value: float
    rounding: float
    text: str

    def times(self, factor: float) -> "Stated":
        """Return the same statement of a quantity that many times as large."""
        return replace(self, value=self.value * factor)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of quantity: its units, the one that a bare number is in, and how it is written."""

    what: str
    units: Mapping[str, float]
    bare: str | None  # unit of a number without one; None: it must have one
    forms: str
    strip: str = ""  # words that say nothing about the size: GPU, CO2e, "a device"
    total: bool = False  # a result, printed rounded, rather than a number that was put in


_SCALES = MappingProxyType(
    {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "m": 1e6, "B": 1e9, "b": 1e9, "G": 1e9, "g": 1e9, "T": 1e12, "t": 1e12}
    | {"P": 1e15, "E": 1e18, "mm": 1e6, "bn": 1e9, "tn": 1e12}
    | {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "hundred": 1e2}
)
_PREFIXES = ("thousand", "million", "billion", "trillion", "k", "K", "M", "G")
_TIME = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR_S),
    **dict.fromkeys(("d", "day", "days"), DAY_S),
    **dict.fromkeys(("w", "week", "weeks"), 7 * DAY_S),
    **dict.fromkeys(("month", "months"), YEAR_S / 12),
    **dict.fromkeys(("y", "yr", "year", "years"), YEAR_S),
}
_ENERGY = {
    "Wh": KWH_J / 1e3,
    "kWh": KWH_J,
    "MWh": KWH_J * 1e3,
    "GWh": KWH_J * 1e6,
    "TWh": KWH_J * 1e9,
    "J": 1.0,
    "kJ": 1e3,
    "MJ": 1e6,
    "GJ": 1e9,
    "TJ": 1e12,
}
_MASS = {
    **dict.fromkeys(("g", "gram", "grams"), 1e-3),
    **dict.fromkeys(("kg", "kgs", "kilogram", "kilograms", "kilos"), 1.0),
    **dict.fromkeys(("t", "tonne", "tonnes", "ton", "tons", "metric ton", "metric tons", "metric tonnes", "mt"), 1e3),
    **dict.fromkeys(("kt", "kilotonnes", "kilotons"), 1e6),
    **dict.fromkeys(("Mt", "megatonnes"), 1e9),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), POUND_KG),
    **dict.fromkeys(("short ton", "short tons", "US ton", "US tons"), SHORT_TON_KG),
}
_CO2 = (
    r"\(?\s*(of\s+)?(co2|co₂|co<sub>2</sub>|carbon(\s+dioxide)?)[\s_-]*"
    r"(e|eq|eq\.|equivalents?)?\s*(emissions?|emitted)?\)?"
)
_DEVICE = (
    r"(nvidia|amd|google|cloud|tesla|gpus?|tpus?|xpus?|chips?|cores?|devices?|cards?|accelerators?|processors?|"
    r"of\s+(compute|computation|training)|[a-z]{0,3}\d{1,4}[a-z]{0,2}|tpu\s?v\d[a-z]?|v\d[a-z]?|sxm\d?|pcie|\d+\s?gb)"
)
_ONE = r"(nvidia\s+|single\s+)?(gpu|tpu|chip|device|card|accelerator|processor)s?\b"
_EACH = rf"(each|of\s+{_ONE})"

KINDS = MappingProxyType(
    {
        "count": Kind("count", {"": 1.0}, "", "8, 1,024 or 10k", rf"({_DEVICE}|steps?|tokens?|params?|parameters?|"
                      r"samples?|examples?|sequences?|epochs?|runs?|trials?|x|×)"),
        "duration": Kind("duration", _TIME, None, "16 h, 14.8 days or 3.5 weeks", total=True),
        "device_time": Kind("device time", _TIME, "h", "7.0M GPU hours, 51 GPU-years or 32,640 h", _DEVICE, total=True),
        "power": Kind("power", {"W": 1.0, "watt": 1.0, "watts": 1.0, "kW": 1e3, "MW": 1e6}, "W", "330 W", _EACH),
        "energy": Kind("energy", _ENERGY, None, "1,287 MWh, 316 kWh or 4.12 MJ", total=True),
        "mass": Kind("mass of CO2e", _MASS, None, "552 t, 12.9 tCO2e or 626,155 lbs", _CO2, total=True),
        "volume": Kind("volume of water", {
            **dict.fromkeys(("L", "l", "litre", "litres", "liter", "liters"), 1e-3),
            **dict.fromkeys(("kL", "kl", "m3", "m³", "m^3"), 1.0), "ML": 1e3,
            **dict.fromkeys(("gal", "gallon", "gallons"), GALLON_M3)}, None, "281,000 m3, 892 kL", r"(of\s+)?water",
            total=True),
        "share": Kind("share", {"": 1.0, "%": 0.01, "percent": 0.01}, "", "0.48 or 48%"),
        "ratio": Kind("ratio", {"": 1.0, "x": 1.0}, "", "1.10"),
        "flop": Kind("number of FLOPs", {
            **dict.fromkeys(("", "flop", "flops", "FLOP", "FLOPs", "FLOPS"), 1.0),
            **dict.fromkeys(("PF-days", "petaflop/s-days", "petaflop-days", "PFLOP/s-days", "pfs-days"), 1e15 * DAY_S)},
            "", "3.14e23 FLOP or 3640 PF-days", total=True),
        "speed": Kind("speed", {
            **dict.fromkeys(("FLOP/s", "FLOPs/s", "FLOPS", "FLOPs", "flops", "flop/s"), 1.0)}, None,
            "24.6 TFLOP/s", _EACH),
        "rate": Kind("throughput", {
            **dict.fromkeys(("tokens/s", "tok/s", "tokens/sec", "tok/sec", "tokens/second", "tokens per second",
                             "tps", "toks/s", "t/s", "samples/s", "sequences/s", "images/s"), 1.0)}, None,
            "3.7k tokens/s/GPU", _EACH, total=True),
        "money": Kind("sum of money", {"": 1.0}, "", "$200k or 4.6M", total=True),
        "price": Kind("price of a device", {**{name: 1 / size for name, size in _TIME.items()}, "": 1 / HOUR_S}, "h",
                      "$2.00/h", rf"(/|per|a|an)?\s*{_DEVICE}(?=\W)|(?<=\W)(usd|dollars?)|per|/|-"),
    }
)  # fmt: skip
"""Every kind of quantity that a claim may state, by name."""

_TEN = r"\s*(?:[eE][+-]?\d+|[x×*·]\s*10\s*(?:\^|\*\*)\s*[+-]?\d+)"
_NUMBER = rf"[+-]?(?:\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?|\d+(?:_\d{{3}})*(?:\.\d*)?|\.\d+)(?:{_TEN})?"


def stated(value: Any, kind: str) -> Stated:
    """Return what was written as a number in SI with its rounding, or raise `BadInput` with the accepted forms.

    >>> round(stated("626,155 lbs", "mass").value), stated("7.0M GPU hours", "device_time").value / 3600
    (284019, 7000000.0)
    >>> round(stated("7.0M GPU hours", "device_time").rounding, 4), stated("40 MkWh", "energy").value / 3.6e12
    (0.0071, 40.0)
    >>> stated("12 parsecs", "energy")
    Traceback (most recent call last):
    steelyard.errors.BadInput: '12 parsecs' is not an energy; write 1,287 MWh, 316 kWh or 4.12 MJ
    """
    form = KINDS[kind]
    text = _plain(value)
    found = _one(text, form, kind) or _range(text, form, kind) if len(text) <= _LONGEST else None
    if found is None or not 0 <= found.value < math.inf:
        reject(value, form)
    return Stated(found.value, max(found.rounding, looseness(value)), str(value).strip())


def _one(text: str, form: Kind, kind: str) -> Stated | None:
    match = re.fullmatch(rf"({_NUMBER})\s*(.*)", text)
    scale = None if match is None else _scale(match[2], form)
    if match is None or scale is None:
        return None
    number = _number(match[1])
    exact = kind == "count" and number * scale < _COUNTED and number == int(number)
    return Stated(number * scale, 0.0 if exact else _rounding(match[1], number, form), text)


def _range(text: str, form: Kind, kind: str) -> Stated | None:
    """Return the middle of a stated range, with half of it as its rounding."""
    match = re.fullmatch(rf"({_NUMBER})\s*(?:-|–|to)\s*({_NUMBER}\s*.*)", text)
    high = _one(match[2], form, kind) if match else None
    if match is None or high is None:
        return None
    unit = re.sub(rf"^{_NUMBER}", "", match[2])
    low = _one(f"{match[1]} {unit}".strip(), form, kind)
    if low is None or not 0 < low.value < high.value:
        return None
    middle = (low.value + high.value) / 2
    return Stated(middle, (high.value - low.value) / 2 / middle, text)


def looseness(value: Any) -> float:
    """Return what words leave open: "about" a little, "up to" and "more than" a lot.

    >>> looseness("about 24 days"), looseness("up to 4096 A100"), looseness("24 days")
    (0.05, 0.3, 0.0)
    """
    text = str(value).strip().lower()
    bounded = any(text.startswith(word) for word in _BOUNDS)
    return 0.3 if bounded else 0.05 if any(text.startswith(word) for word in _ABOUT) else 0.0


def intensity(value: Any) -> Stated:
    """Return a carbon intensity in kg/J: a mass for each unit of energy; a bare number is kg/kWh.

    >>> round(intensity("0.954 lb/kWh").value * 3.6e6, 4), round(intensity("429 gCO2e/kWh").value * 3.6e6, 3)
    (0.4327, 0.429)
    """
    text = _plain(value)
    match = re.fullmatch(rf"({_NUMBER})\s*(.*?)\s*(?:/|\bper\b)\s*([A-Za-z]+)", text) if len(text) < _LONGEST else None
    if match:
        mass, energy = _scale(match[2], KINDS["mass"]), _ENERGY.get(match[3]) or _ENERGY.get(_cased(match[3], _ENERGY))
        if mass and energy:
            return Stated(_number(match[1]) * mass / energy, _rounding(match[1], 0.0, None), str(value).strip())
    elif re.fullmatch(_NUMBER, text) and _number(text) <= 3:
        return Stated(_number(text) / KWH_J, _rounding(text, 0.0, None), f"{text} kg/kWh")
    shown = str(value)[:60]
    raise BadInput(f"{shown!r} is not a carbon intensity; write 0.429 kg/kWh, 429 g/kWh or 0.954 lb/kWh")


def water_use(value: Any) -> Stated:
    """Return water for each unit of energy in m3/J; a bare number is litres a kWh.

    >>> round(water_use("1.29 L/kWh").value * 3.6e9, 2)
    1.29
    """
    text = _plain(value)
    match = re.fullmatch(rf"({_NUMBER})\s*(?:(?:[lL]|liters?|litres?)\s*(?:/|per)\s*kWh)?", text)
    if match is None:
        raise BadInput(f"{str(value)[:60]!r} is not a water usage; write 1.29 L/kWh")
    return Stated(_number(match[1]) * 1e-3 / KWH_J, _rounding(match[1], 0.0, None), str(value).strip())


def reject(value: Any, form: Kind) -> NoReturn:
    """Raise `BadInput` that says how this kind of quantity is written."""
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
    article = "an" if form.what[0] in "aeiou" else "a"
    raise BadInput(f"{shown} is not {article} {form.what}; write {form.forms}")


def _plain(value: Any) -> str:
    """Return what was written without words of approximation and signs of money."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    words = "|".join(re.escape(word) for word in (*_BOUNDS, *_ABOUT))
    text = re.sub(rf"^\s*(?:{words})\s*", "", str(value), flags=re.IGNORECASE)
    text = re.sub(r"^\s*(?:us)?\s*\$|^\s*usd\b|\s*\b(?:usd|dollars?)\s*$", "", text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text.replace("\u00a0", " ")).strip()


def _scale(rest: str, form: Kind) -> float | None:
    """Return how much one of the written unit is in SI; None where it is no unit of this kind."""
    text = rest
    if form.strip:
        text = re.sub(rf"\s*(?:/|\b(?:per|a|an|each)\b)\s*{_ONE}", "", rest, flags=re.IGNORECASE)
        text = re.sub(rf"(?<![A-Za-z0-9]){form.strip}(?![A-Za-z0-9])", " ", text, flags=re.IGNORECASE)
        text = re.sub(rf"{form.strip}$", " ", text, flags=re.IGNORECASE) if form is KINDS["mass"] else text
    text = re.sub(r"\s+", " ", text).strip(" -·./") if form.strip else text.strip()
    return _unit(text, form)


def _unit(text: str, form: Kind) -> float | None:
    if not text:
        return None if form.bare is None else form.units[form.bare]
    if text in form.units and (text or form.bare is not None):
        return form.units[text]
    for prefix in sorted(_SCALES, key=len, reverse=True):
        rest = text.removeprefix(prefix).strip(" -") if prefix and text.startswith(prefix) else None
        if rest is not None and (rest in form.units or (not rest and form.bare is not None)):
            return _SCALES[prefix] * form.units[rest or str(form.bare)]
    cased = _cased(text, form.units)
    return form.units.get(cased) if cased else None


def _cased(text: str, units: Mapping[str, float]) -> str:
    """Return the unit that is spelt so but for case, where there is only one."""
    found = {unit for unit in units if unit.lower() == text.lower()}
    return found.pop() if len(found) == 1 else ""


def _number(text: str) -> float:
    plain = re.sub(r"\s*[x×*·]\s*10\s*(?:\^|\*\*)\s*", "e", text.replace(",", "").replace("_", ""))
    return float(plain.replace(" ", ""))


def _rounding(text: str, number: float, form: Kind | None) -> float:
    """Return half a unit in the last place, relative; in a result, trailing zeros may be rounding too."""
    digits = re.sub(r"\s*(?:[eE]|[x×*·]\s*10).*", "", text).replace(",", "").replace("_", "").lstrip("+-")
    whole, _, decimals = digits.partition(".")
    mantissa = float(digits)
    if mantissa == 0:
        return 0.0
    half = 0.5 * 10.0 ** -len(decimals) / mantissa
    if form is None or not form.total:
        return min(half, _ROUND / 1.5)
    zeros = 0 if decimals else len(whole) - len(whole.rstrip("0"))
    return max(half, min(half * 10.0**zeros, _ROUND)) if number else half
