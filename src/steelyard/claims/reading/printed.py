"""What people write of a run's size, in the unit of the house, with what its printed digits leave open.

`7.0M GPU hours` is 2.52e10 device-seconds, give or take half of its last digit: 0.7 %. Two stated numbers may differ
by their rounding and no auditor should mind; beyond it they contradict each other.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from steelyard.claims.reading.kinds import ENERGY_UNITS, NUMBER_SCALES, ONE_DEVICE, QUANTITY_KINDS, QuantityKind
from steelyard.errors import BadInput
from steelyard.units import KWH_J

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
class PrintedNumber:
    """One number as stated: its value in SI, what its digits leave open (relative), and the words themselves."""

    value: float
    rounding: float
    text: str

    def times(self, factor: float) -> "PrintedNumber":
        """Return the same statement of a quantity that many times as large."""
        return replace(self, value=self.value * factor)


_TEN = r"\s*(?:[eE][+-]?\d+|[x×*·]\s*10\s*(?:\^|\*\*)\s*[+-]?\d+)"
_NUMBER = rf"[+-]?(?:[1-9]\d{{0,2}}(?:,\d{{3}})+(?:\.\d*)?|\d+(?:_\d{{3}})*(?:\.\d*)?|\.\d+)(?:{_TEN})?"


def parse_quantity(value: Any, kind: str) -> PrintedNumber:
    """Return what was written as a number in SI with its rounding, or raise `BadInput` with the accepted forms.

    >>> round(parse_quantity("626,155 lbs", "mass").value), parse_quantity("7.0M GPU hours", "device_time").value / 3600
    (284019, 7000000.0)
    >>> hours = parse_quantity("7.0M GPU hours", "device_time")
    >>> round(hours.rounding, 4), parse_quantity("40 MkWh", "energy").value / 3.6e12
    (0.0071, 40.0)
    >>> parse_quantity("12 parsecs", "energy")
    Traceback (most recent call last):
    steelyard.errors.BadInput: '12 parsecs' is not an energy; write 1,287 MWh, 316 kWh or 4.12 MJ
    """
    form = QUANTITY_KINDS[kind]
    text = _plain(value)
    found = _one(text, form, kind) or _range(text, form, kind) if len(text) <= _LONGEST else None
    if found is None or not 0 <= found.value < math.inf:
        reject_quantity(value, form)
    return PrintedNumber(found.value, max(found.rounding, looseness(value)), str(value).strip())


def _one(text: str, form: QuantityKind, kind: str) -> PrintedNumber | None:
    match = re.fullmatch(rf"({_NUMBER})\s*(.*)", text)
    scale = None if match is None else _scale(match[2], form)
    if match is None or scale is None:
        return None
    number = _number(match[1])
    exact = kind == "count" and number * scale < _COUNTED and number == int(number)
    return PrintedNumber(number * scale, 0.0 if exact else _rounding(match[1], number, form), text)


def _range(text: str, form: QuantityKind, kind: str) -> PrintedNumber | None:
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
    return PrintedNumber(middle, (high.value - low.value) / 2 / middle, text)


def looseness(value: Any) -> float:
    """Return what words leave open: "about" a little, "up to" and "more than" a lot.

    >>> looseness("about 24 days"), looseness("up to 4096 A100"), looseness("24 days")
    (0.05, 0.3, 0.0)
    """
    text = str(value).strip().lower()
    bounded = any(text.startswith(word) for word in _BOUNDS)
    return 0.3 if bounded else 0.05 if any(text.startswith(word) for word in _ABOUT) else 0.0


def parse_intensity(value: Any) -> PrintedNumber:
    """Return a carbon intensity in kg/J: a mass for each unit of energy; a bare number is kg/kWh.

    >>> round(parse_intensity("0.954 lb/kWh").value * 3.6e6, 4), round(parse_intensity("429 g/kWh").value * 3.6e6, 3)
    (0.4327, 0.429)
    """
    text = _plain(value)
    match = re.fullmatch(rf"({_NUMBER})\s*(.*?)\s*(?:/|\bper\b)\s*([A-Za-z]+)", text) if len(text) < _LONGEST else None
    if match:
        mass, energy = (
            _scale(match[2], QUANTITY_KINDS["mass"]),
            ENERGY_UNITS.get(match[3]) or ENERGY_UNITS.get(_cased(match[3], ENERGY_UNITS)),
        )
        if mass and energy:
            return PrintedNumber(_number(match[1]) * mass / energy, _rounding(match[1], 0.0, None), str(value).strip())
    elif re.fullmatch(_NUMBER, text) and _number(text) <= 3:
        return PrintedNumber(_number(text) / KWH_J, _rounding(text, 0.0, None), f"{text} kg/kWh")
    shown = str(value)[:60]
    raise BadInput(f"{shown!r} is not a carbon intensity; write 0.429 kg/kWh, 429 g/kWh or 0.954 lb/kWh")


def parse_water_use(value: Any) -> PrintedNumber:
    """Return water for each unit of energy in m3/J; a bare number is litres a kWh.

    >>> round(parse_water_use("1.29 L/kWh").value * 3.6e9, 2)
    1.29
    """
    text = _plain(value)
    match = re.fullmatch(rf"({_NUMBER})\s*(?:(?:[lL]|liters?|litres?)\s*(?:/|per)\s*kWh)?", text)
    if match is None:
        raise BadInput(f"{str(value)[:60]!r} is not a water usage; write 1.29 L/kWh")
    return PrintedNumber(_number(match[1]) * 1e-3 / KWH_J, _rounding(match[1], 0.0, None), str(value).strip())


def reject_quantity(value: Any, form: QuantityKind) -> NoReturn:
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


def _scale(rest: str, form: QuantityKind) -> float | None:
    """Return how much one of the written unit is in SI; None where it is no unit of this kind."""
    text = rest
    if form.strip:
        text = re.sub(rf"\s*(?:/|\b(?:per|a|an|each)\b)\s*{ONE_DEVICE}", "", rest, flags=re.IGNORECASE)
        text = re.sub(rf"(?<![A-Za-z0-9]){form.strip}(?![A-Za-z0-9])", " ", text, flags=re.IGNORECASE)
        text = re.sub(rf"{form.strip}$", " ", text, flags=re.IGNORECASE) if form is QUANTITY_KINDS["mass"] else text
    text = re.sub(r"\s+", " ", text).strip(" -·./") if form.strip else text.strip()
    return _unit(text, form)


def _unit(text: str, form: QuantityKind) -> float | None:
    if not text:
        return None if form.bare is None else form.units[form.bare]
    if text in form.units and (text or form.bare is not None):
        return form.units[text]
    for prefix in sorted(NUMBER_SCALES, key=len, reverse=True):
        rest = text.removeprefix(prefix).strip(" -") if prefix and text.startswith(prefix) else None
        if rest is not None and (rest in form.units or (not rest and form.bare is not None)):
            return NUMBER_SCALES[prefix] * form.units[rest or str(form.bare)]
    cased = _cased(text, form.units)
    return form.units.get(cased) if cased else None


def _cased(text: str, units: Mapping[str, float]) -> str:
    """Return the unit that is spelt so but for case, where there is only one."""
    found = {unit for unit in units if unit.lower() == text.lower()}
    return found.pop() if len(found) == 1 else ""


def _number(text: str) -> float:
    plain = re.sub(r"\s*[x×*·]\s*10\s*(?:\^|\*\*)\s*", "e", text.replace(",", "").replace("_", ""))
    return float(plain.replace(" ", ""))


def _rounding(text: str, number: float, form: QuantityKind | None) -> float:
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
