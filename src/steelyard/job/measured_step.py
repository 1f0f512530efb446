"""A step that was measured, as a job file or an option says it: its seconds or its rate, and where it was."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steelyard.errors import BadInput
from steelyard.formatting.unit_sizes import SPANS, spans_s
from steelyard.job import literals
from steelyard.units import Count, Seconds

STEP_TIME_FORMS = "11.2, 350ms or 11.2@H100:8,tp=2,mbs=1 (seconds of a step, and where it was measured)"
RATE_FORMS = (
    "3900, 3900 tokens/s, 1.2 samples/s or 3900@H100:8,tp=2,mbs=1 (of one device; divide that of all by their number)"
)
_SECONDS: Mapping[str, float] = {"": 1.0, **SPANS}
_NUMBER = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z/]*)")
_COUNTED = {"token": "token", "tok": "token", "sample": "sample", "sequence": "sample", "image": "sample"}
_OF_ONE = re.compile(r"(?<=/s)(/|\s+per\s+|\s+a\s+)(gpu|device|chip|card|accelerator)$")
"""What may stand after a rate: it is of one device anyway."""
_MULTIPLES = {"k": 1e3, "m": 1e6}
SHORTEST_S, LONGEST_S = 1e-6, 1e7
"""No step of a training is shorter or longer."""
LEAST_RATE, MOST_RATE = 1e-9, 1e12
"""No device is slower or faster, in tokens or samples a second."""


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """A measured step: its seconds, or the rate of one device; and the devices and the layout that it had."""

    step_s: Seconds | None = None
    per_device_s: Count | None = None  # tokens or samples a second of one device
    counted: str = ""  # what a rate counts: token, sample; empty: tokens of a job on text, else samples
    accelerator: str = ""  # or a system; empty: that of the job or of the pin
    devices: int | None = None
    layout: str = ""  # empty: that of the pin, else the fastest that fits

    @property
    def option(self) -> str:
        """What it is called on the command line."""
        return "--rate" if self.step_s is None else "--step-time"

    def seconds(self, batch_samples: float, sample_tokens: float | None, devices: int) -> Seconds:
        """Return the seconds of a step of a batch on so many devices.

        Args:
            batch_samples: samples of a step, all devices together
            sample_tokens: of one sample; None: it is no text
            devices: of the run

        >>> MeasuredStep(per_device_s=4096.0).seconds(64.0, 8192, 8)
        16.0
        >>> MeasuredStep(per_device_s=2.0, counted="sample").seconds(64.0, 8192, 8)
        4.0
        """
        if self.per_device_s is None:
            return float(self.step_s or 0.0)
        if sample_tokens is None and self.counted == "token":
            raise BadInput("--rate counts tokens, but the job trains on samples that are no text; give samples/s")
        each = 1.0 if sample_tokens is None or self.counted == "sample" else float(sample_tokens)
        return batch_samples * each / (self.per_device_s * devices)


def parse_step_time(value: Any) -> MeasuredStep:
    """Return a measured step time.

    >>> parse_step_time("350ms"), parse_step_time(11.2).step_s
    (MeasuredStep(step_s=0.35, per_device_s=None, counted='', accelerator='', devices=None, layout=''), 11.2)
    >>> parse_step_time("1m30s@H100:8").step_s, parse_step_time("2m").step_s
    (90.0, 120.0)
    >>> found = parse_step_time("11.2s @ H100:8, tp=2,mbs=1")
    >>> found.accelerator, found.devices, found.layout
    ('H100', 8, 'tp=2,mbs=1')
    """
    number, unit, place = _parts(value, STEP_TIME_FORMS)
    if unit not in _SECONDS or not SHORTEST_S <= number * _SECONDS[unit] <= LONGEST_S:
        raise BadInput(f"{str(value)[:60]!r} is no time of a step; write {STEP_TIME_FORMS}")
    return MeasuredStep(step_s=number * _SECONDS[unit], **place)


def parse_rate(value: Any) -> MeasuredStep:
    """Return a measured rate of one device.

    >>> parse_rate("3.9k tokens/s").per_device_s, parse_rate("1.2 samples/s@TPU-v5p:8").counted
    (3900.0, 'sample')
    >>> parse_rate("3900 tokens/s/GPU").per_device_s, parse_rate("3900 tok/s per device").counted
    (3900.0, 'token')
    """
    number, unit, place = _parts(value, RATE_FORMS)
    word = "token" if unit == "tps" else unit.partition("/")[0]
    counted = _COUNTED.get(word.removesuffix("s"), "")
    scale = 1.0 if counted or not word else _MULTIPLES.get(word, 0.0)
    if not LEAST_RATE <= number * scale <= MOST_RATE or unit.partition("/")[2] not in {"", "s", "sec"}:
        raise BadInput(f"{str(value)[:60]!r} is no rate of a device; write {RATE_FORMS}")
    return MeasuredStep(per_device_s=number * scale, counted=counted, **place)


def _parts(value: Any, forms: str) -> tuple[float, str, dict[str, Any]]:
    """Return the number, its unit, and the fields of where it was measured."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInput(f"{str(value)[:60]!r} is no measured step; write {forms}")
    figure, _, where = str(value).strip().partition("@")
    plain = _OF_ONE.sub("", figure.strip().lower())
    scale = 1.0
    if (several := spans_s(plain)) is not None:
        plain = f"{several!r} s"
    if multiple := re.fullmatch(r"([\d.]+)\s*([km])\s+(\D*)", plain):
        plain, scale = f"{multiple[1]} {multiple[3]}", _MULTIPLES[multiple[2]]
    match = _NUMBER.fullmatch(plain)
    if re.match(r"\d+,\d", plain):
        raise BadInput(f"{str(value)[:60]!r} has a comma, which may part thousands or decimals; write {forms}")
    if match is None or ("@" in str(value) and not where.strip()):
        raise BadInput(f"{str(value)[:60]!r} is no measured step; write {forms}")
    return float(match[1]) * scale, match[2], _place(where) if where else {}


def _place(text: str) -> dict[str, Any]:
    """Return the accelerator, how many, and the layout of `H100:8,tp=2,mbs=1`."""
    device, _, layout = text.partition(",")
    ((accelerator, devices),) = literals.parse_accelerators(device)
    return {
        "accelerator": accelerator,
        "devices": devices,
        "layout": ",".join(p.strip() for p in layout.split(",") if p),
    }
