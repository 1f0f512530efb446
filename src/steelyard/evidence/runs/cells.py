"""Numbers as people write them in the cells of a file of runs: with a unit of the column, or refused with the reason.

A comma parts thousands, where it can be nothing else: `1,024` of devices, `1,234,567`, `1,234.5`. In a column of
measurements `12,900` may be 12.9 or 12900, and `12,9` is no number anywhere: each is refused, with the way out.
"""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

from steelyard.errors import BadInput
from steelyard.formatting.unit_sizes import BYTES, FLOP_PER_S, ONES, SPANS, Sizes, spans_s, spelled
from steelyard.job.spelled.lengths import parse_sequence, sequence_taken

UNSAID = frozenset({"", "-", "–", "—", "?", "n/a", "na", "nan", "null", "unknown"})
"""Cells that say nothing; where a number belongs, `none` says no more."""

LARGEST_NUMBER = 1e30
"""No number of a run is as large: neither seconds nor bytes nor FLOPs."""

_SCALED = spelled(ONES, {"k": "k", "M": "m", "B": "b,bn,g", "T": "t"})
_EACH = r"(?:/|\s*per\s*|\s*a\s*)(?:gpu|device|chip|card|accelerator|core|npu|hpu|tpu)s?"
_PER_S = r"(?:/|\s*per\s*)(?:s|sec|second)"


def _counted(*nouns: str) -> re.Pattern[str]:
    return re.compile("|".join(nouns), re.IGNORECASE)


_DEVICES = _counted(r"x|×|(?:x|×)?\s*(?:gpu|device|chip|card|accelerator|core|npu|hpu|tpu|rank)s?")
_RATE = rf"{_PER_S}(?:{_EACH})?|{_EACH}{_PER_S}"
NOUNS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "devices": _DEVICES,
        "node_devices": _DEVICES,
        "sequence_tokens": _counted(r"tok(?:en)?s?"),
        "batch_samples": _counted(r"(?:sample|sequence|seq|image)s?"),
        "micro_batch": _counted(r"(?:sample|sequence|seq|image)s?"),
        "layers": _counted(r"(?:layer|block)s?"),
        "params": _counted(r"param(?:eter)?s?"),
        "tokens_per_s_per_device": _counted(rf"(?:tok(?:en)?s?|t)(?:{_RATE})", r"tps(?:" + _EACH + ")?", r"tgs"),
        "steps_per_second": _counted(rf"(?:it|iter|iteration|step)s?{_PER_S}"),
        "samples_per_second": _counted(rf"(?:sample|sequence|seq|image|img)s?{_PER_S}"),
    }
)
"""Words of a column that say what is counted, and change nothing."""

UNITS: Mapping[str, Sizes] = MappingProxyType(
    {
        "step_time_s": SPANS,
        "peak_memory_bytes": {name.lower(): size for name, size in BYTES.items()} | {"b": 1.0, "byte": 1.0},
        "tflops_per_device": {
            f"{unit[:1].lower()}{end}": size / FLOP_PER_S["TFLOP/s"]
            for unit, size in FLOP_PER_S.items()
            for end in ("flop/s", "flops/s", "flops", "flop", "f/s")
        },
        "mfu": {"%": 0.01, "percent": 0.01},
        "hfu": {"%": 0.01, "percent": 0.01},
        "params": _SCALED,
        "tokens_per_s_per_device": {"k": 1e3, "m": 1e6},
        "samples_per_second": {"k": 1e3, "m": 1e6},
    }
)
"""Units of a column besides its own, and what one of each is in that."""

SHARES = frozenset({"mfu", "hfu"})
"""Columns that cannot be above 1."""

MEASUREMENTS = frozenset(
    {"step_time_s", "tokens_per_s_per_device", "samples_per_second", "tflops_per_device", "mfu", "hfu"}
    | {"steps_per_second"}
)
"""Columns that need be no whole number, so that one comma in them may be a decimal one."""

LEAST_PEAK_BYTES = 1e6
"""No training holds less: a smaller number has lost its unit."""

REAL = MEASUREMENTS | {"params", "n_params_b", "peak_memory_bytes", "peak_mem_gb"}
"""Columns that are no counts."""

_GROUPED = r"[1-9]\d{0,2}(?:(?P<mark>[,_'\u00a0\u2009\u202f ])\d{3})(?:(?P=mark)\d{3})*(?:\.\d+)?"
_NUMBER = re.compile(
    rf"(?P<number>{_GROUPED}|\d+(?:\.\d*)?|\.\d+)(?P<power>e[+-]?\d+)?\s*(?P<unit>\D.*)?", re.IGNORECASE | re.DOTALL
)
_ONE_COMMA = re.compile(r"\d+,\d{3}")
_COMMA = re.compile(r"\d*,\d+(?!\d*,)")


def read_number(text: str, column: str) -> float:
    """Return the number of a cell in the unit of its column; NaN where the cell says nothing.

    Args:
        text: what the cell holds.
        column: a column of `run.COLUMNS`, which says the units that it may be written in.

    Raises:
        BadInput: it says something that is no number of that column, or may be two; with the way out.

    >>> read_number("12900 ms", "step_time_s"), read_number("8x", "devices"), read_number("38 %", "mfu")
    (12.9, 8.0, 0.38)
    >>> read_number("1,234,567", "params"), read_number("1,024", "devices"), read_number("n/a", "tp")
    (1234567.0, 1024.0, nan)
    >>> [read_number(text, "step_time_s") for text in ("1h", "1m", "1m30s")]
    [3600.0, 60.0, 90.0]
    >>> read_number("4k", "sequence_tokens"), read_number("4000", "sequence_tokens")
    (4096.0, 4000.0)
    >>> read_number("70 GiB", "peak_memory_bytes") / 2**30, read_number("3.9k tokens/s", "tokens_per_s_per_device")
    (70.0, 3900.0)
    >>> read_number("12,9", "step_time_s")
    Traceback (most recent call last):
    steelyard.errors.BadInput: step_time_s is '12,9': a comma is no decimal point; write 12.9
    >>> read_number("12,900", "step_time_s")
    Traceback (most recent call last):
    steelyard.errors.BadInput: step_time_s is '12,900', which may be 12.9 or 12900; write one of the two
    """
    plain = text.strip()
    if plain.lower() in UNSAID | {"none"}:
        return math.nan
    if column == "step_time_s" and (several := spans_s(plain)) is not None:
        return _checked(several, text, column)
    if column == "sequence_tokens" and sequence_taken(plain):
        return _checked(float(parse_sequence(plain)), text, column)
    found = _NUMBER.fullmatch(plain)
    if found is None or plain.startswith(","):
        raise _unreadable(plain, column)
    digits = found["number"]
    if found["mark"] == "," and column in MEASUREMENTS and _ONE_COMMA.fullmatch(digits):
        raise BadInput(
            f"{column} is {_shown(text)}, which may be {digits.replace(',', '.').rstrip('0').rstrip('.')} or "
            f"{digits.replace(',', '')}; write one of the two"
        )
    whole = re.sub(r"[,_'\s]", "", digits) + (found["power"] or "")
    value = float(whole) * _size(found["unit"] or "", plain, column)
    if column == "peak_memory_bytes" and not found["unit"] and 0 < value < LEAST_PEAK_BYTES:
        raise BadInput(f"{column} is {_shown(text)}, too few bytes for any run; write its unit: 38 GiB or 41 GB")
    return _checked(value, text, column)


def _size(unit: str, text: str, column: str) -> float:
    """Return what one of a unit is in that of its column."""
    plain = unit.strip()
    sizes, nouns = UNITS.get(column, {}), NOUNS.get(column)
    if not plain or (nouns and nouns.fullmatch(plain)):
        return 1.0
    scale, _, rest = plain.partition(" ")
    if (size := sizes.get(plain.lower())) is not None:
        return size
    if nouns and rest and (size := sizes.get(scale.lower())) is not None and nouns.fullmatch(rest.strip()):
        return size
    if re.fullmatch(r"[,.\d]+.*", plain):
        raise _unreadable(text, column)
    raise BadInput(f"{column} is {_shown(text)}: {plain[:30]!r} is no unit of it; write {_forms(column)}")


def _checked(value: float, text: str, column: str) -> float:
    if not value < LARGEST_NUMBER:
        raise BadInput(f"{column} is {_shown(text)}, which no run has; correct it, or leave it blank")
    if column in SHARES and value > 1:
        raise BadInput(f"{column} is {_shown(text)}, a share above 1; write 0.38 or 38 %")
    if column not in REAL and value != math.floor(value):
        raise BadInput(f"{column} is {_shown(text)}, but it is a whole number; correct it, or leave it blank")
    return value


def _unreadable(text: str, column: str) -> BadInput:
    """Return why a text is no number, and the way out."""
    if re.match(r"[-−]\s*[\d.]", text):
        return BadInput(f"{column} is {_shown(text)}, below zero; correct it, or leave it blank")
    if comma := _COMMA.match(text):
        meant = comma[0].replace(",", ".")
        return BadInput(
            f"{column} is {_shown(text)}: a comma is no decimal point; write {'0' * meant.startswith('.')}{meant}"
        )
    blank = "" if re.match(r"\d", text) else ", or leave it blank"
    return BadInput(f"{column} is {_shown(text)}, which is no number; write {_forms(column)}{blank}")


_EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "step_time_s": "12.9, 12.9 s or 12900 ms",
        "peak_memory_bytes": "7.5e10, 75 GB or 70 GiB",
        "mfu": "0.38 or 38 %",
        "hfu": "0.38 or 38 %",
        "tflops_per_device": "410 or 410 TFLOP/s",
        "params": "8030000000, 8.03e9 or 8.03B",
        "tokens_per_s_per_device": "3900, 3.9k or 3900 tokens/s (of one device)",
        "samples_per_second": "12.5 or 12.5 samples/s (of all devices)",
        "devices": "8 or 1024",
        "sequence_tokens": "4096 or 4k",
    }
)


def _forms(column: str) -> str:
    """Return how a column may be written."""
    return _EXAMPLES.get(column, "a number such as 8")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
