"""Whether a configuration fits: what a device shows under each setting that exists, what its host and drives keep."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.formatting.interval import Interval
from steelyard.job.unstated.mixture import share_within
from steelyard.planner.unstated.mixtures import Branch, mixed_peak
from steelyard.reasons.binds import unknown_host_text
from steelyard.tables import Machine
from steelyard.units import Bytes, Share
from steelyard.vocabulary import DOES_NOT_FIT, FITS, MAY_NOT_FIT

ANSWERS: Mapping[str, bool | None] = MappingProxyType({FITS: True, MAY_NOT_FIT: None, DOES_NOT_FIT: False, "": None})
"""What each word is as a plain answer; None: it is open."""

_WORST_LAST = (FITS, MAY_NOT_FIT, DOES_NOT_FIT)


@dataclass(frozen=True, slots=True)
class Fit:
    """What one configuration takes of the memory of a device, of a host and of its drives, and what is said of it."""

    memory_bytes: Interval  # of one device
    limit_bytes: Bytes
    host_bytes: Bytes  # the most that any width of states that exists puts on one host
    host_limit_bytes: Bytes  # NaN: unknown, which refuses nothing
    nvme_bytes: Bytes  # the most that any puts on the drives of one host
    nvme_limit_bytes: Bytes  # NaN: unknown, which refuses nothing
    word: str  # of `vocabulary`; empty: unknown
    word_shown: str  # the same of the configuration as it is shown, of which no setting but the width of states is open
    share: Share  # of what is possible that fits, as far as the host is known
    unknown_host: str  # what is asked of a host of which nobody says what it has, where that is much

    @property
    def answer(self) -> bool | None:
        """Whether it fits; None where that is open."""
        return ANSWERS[self.word]

    @property
    def rank(self) -> int:
        """Place among the words, what fits first."""
        return _WORST_LAST.index(self.word or MAY_NOT_FIT)


def fit_of(branches: Sequence[Branch]) -> Fit:
    """Return whether a configuration fits, of one or several settings that its memory follows from.

    Args:
        branches: what the device, the host and its drives hold under each, and how often it is met.
    """
    shown, machine = [one for one in branches if not one.changed], branches[0].setting.hardware.machine
    limit, host_limit, drives_limit = _limits(machine)
    held = [
        (one.share * (not (one.host_bytes > host_limit or one.nvme_bytes > drives_limit)), one.interval)
        for one in branches
    ]
    host_bytes = max(float(one.host_bytes) for one in shown)
    return Fit(
        memory_bytes=mixed_peak(branches),
        limit_bytes=limit,
        host_bytes=host_bytes,
        host_limit_bytes=host_limit,
        nvme_bytes=max(float(one.nvme_bytes) for one in shown),
        nvme_limit_bytes=drives_limit,
        word=_worst_word(branches, machine),
        word_shown=_worst_word(shown, machine),
        share=sum(share * share_within(spread, limit) for share, spread in held) / sum(one.share for one in branches),
        unknown_host=unknown_host_text(host_bytes, host_limit),
    )


def _limits(machine: Machine) -> tuple[float, float, float]:
    """Return what a device, a host and its drives have; NaN: unknown."""
    return float(machine.memory_bytes), float(machine.host_memory_bytes), float(machine.nvme_bytes)


def _worst_word(branches: Sequence[Branch], machine: Machine) -> str:
    """Return whether some settings fit on the device, the host and its drives; empty where the device is unknown."""
    limit, host_limit, drives_limit = _limits(machine)
    peak, kept = mixed_peak(branches), [float(one.host_bytes) for one in branches]
    on_drives = [float(one.nvme_bytes) for one in branches]
    unknown = unknown_host_text(max(kept), host_limit)
    host = fit_word(min(kept), max(kept), host_limit) or (MAY_NOT_FIT if unknown else FITS)
    drives = fit_word(min(on_drives), max(on_drives), drives_limit) or FITS
    device = fit_word(peak.low, peak.high, limit)
    return max((device, host, drives), key=_WORST_LAST.index) if device else ""


def fit_word(low: Bytes, high: Bytes, limit: Bytes) -> str:
    """Return whether what has an interval is within a limit, as `validate` counts it; empty where a figure is unknown.

    Args:
        low: end of the interval.
        high: the other end.
        limit: what there is.

    >>> [fit_word(60.0, high, limit) for high, limit in ((70.0, 80.0), (90.0, 80.0), (70.0, 50.0), (70.0, math.nan))]
    ['fits', 'may not fit', 'does not fit', '']
    """
    if math.isnan(low + high + limit):
        return ""
    return FITS if high <= limit else MAY_NOT_FIT if low <= limit else DOES_NOT_FIT
