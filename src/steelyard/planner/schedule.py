r"""When the slots of a run lie: started now, at the best start, or paused and resumed; each exact on a grid of slots.

Time is cut into slots of equal length, each with one intensity. A run asks for so many working slots; between two
stretches of them it is paused, and each resumption takes restart slots first. Devices that are held while the run waits
or is paused draw their idle energy until it is done; after that they are somebody else's.

:func:`paused` is a dynamic programme over (slot, working slots done, running or not): with :math:`R` and :math:`P` the
least cost of running and of being paused after a slot, :math:`e, e_i, e_r` the joules of a working, an idle and a
restarting slot and :math:`c_t` the cost of a joule,

.. math:: R_t(w+1) = e\,c_t + \min\{R_{t-1}(w),\ O_{t-k}(w) + e_r\!\sum_{u=t-k}^{t-1}\! c_u\},\quad
          P_t(w) = e_i\,c_t + O_t(w),\quad O_t(w) = \min\{P_{t-1}(w), R_{t-1}(w)\}

so that no schedule on the grid is better: the tests compare it with all of them. The unbroken starts are among its
choices, which is why it is never worse than the best of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.units import Array, Joules

Flags = NDArray[np.bool_]
Span = tuple[int, int]
"""First slot, and the one after the last."""

_SAME = 1e-12
"""Costs nearer than this share are equal: then the earlier end, and the fewer pauses, win."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run asks of the slots."""

    work: int  # slots
    restart: int  # slots before each resumption
    work_j: Joules  # one working slot
    restart_j: Joules  # one restarting slot
    idle_j: Joules  # one slot held without work; 0: the devices are given back


@dataclass(frozen=True, slots=True)
class Schedule:
    """Stretches of a run: each from its first slot (restarting included) to the one after its last."""

    spans: tuple[Span, ...]

    @property
    def pauses(self) -> int:
        """How often the run is paused."""
        return len(self.spans) - 1

    @property
    def start(self) -> int:
        """The first slot."""
        return self.spans[0][0]

    @property
    def end(self) -> int:
        """The slot after the last."""
        return self.spans[-1][1]


def joules(schedule: Schedule, load: Load, slots: int) -> Array:
    """Return the energy of each slot: at work, restarting, held, or nothing.

    >>> joules(Schedule(((1, 3), (4, 7))), Load(work=4, restart=1, work_j=10.0, restart_j=5.0, idle_j=1.0), 8)
    array([ 1., 10., 10.,  1.,  5., 10., 10.,  0.])
    """
    drawn = np.zeros(slots)
    drawn[: schedule.end] = load.idle_j
    for number, (first, last) in enumerate(schedule.spans):
        restarted = first + (load.restart if number else 0)
        drawn[first:restarted] = load.restart_j
        drawn[restarted:last] = load.work_j
    return drawn


def cost(schedule: Schedule, load: Load, signal: Array) -> float:
    """Return what a schedule comes to at so much a joule in each slot.

    >>> cost(Schedule(((1, 3),)), Load(2, 0, 10.0, 0.0, 1.0), np.array([1.0, 2.0, 3.0]))
    51.0
    """
    return float(joules(schedule, load, signal.size) @ signal)


def started_now(load: Load) -> Schedule:
    """Return the run started in the first slot."""
    return Schedule(((0, load.work),))


def flexible(load: Load, signal: Array) -> Schedule:
    """Return the best start of an unbroken run that ends within the signal; of equal ones the earliest.

    >>> flexible(Load(2, 0, 1.0, 0.0, 0.0), np.array([5.0, 1.0, 1.0, 9.0])).spans
    ((1, 3),)
    """
    sums = np.concatenate([[0.0], np.cumsum(signal)])
    starts = np.arange(signal.size - load.work + 1)
    found = load.idle_j * sums[starts] + load.work_j * (sums[starts + load.work] - sums[starts])
    start = _first_least(found)
    return Schedule(((start, start + load.work),))


def paused(load: Load, signal: Array) -> Schedule:
    """Return the best schedule of all, pauses allowed, that ends within the signal.

    >>> paused(Load(2, 0, 1.0, 0.0, 0.0), np.array([5.0, 1.0, 9.0, 1.0])).spans
    ((1, 2), (3, 4))
    >>> paused(Load(2, 1, 1.0, 9.0, 0.0), np.array([5.0, 1.0, 9.0, 1.0])).spans
    ((0, 2),)
    """
    slots, width = signal.size, load.work + 1
    sums = np.concatenate([[0.0], np.cumsum(signal)])
    running, held = np.full(width, np.inf), np.full(width, np.inf)
    held[0] = 0.0
    history: list[Array] = []  # least cost of being off before each slot, whether just stopped or held
    resumed, kept = np.zeros((slots, width // 8 + 1), np.uint8), np.zeros((slots, width // 8 + 1), np.uint8)
    finished = np.full(slots + 1, np.inf)
    for slot in range(slots):
        keep = held < running
        kept[slot] = _packed(keep)
        history.append(np.where(keep, held, running))
        back = slot - load.restart
        restarted = np.full(width, np.inf)
        if back >= 0:
            restarted = history[back] + load.restart_j * (sums[slot] - sums[back])
        restarted[0] = held[0]  # the first start is part of the run
        again = restarted < running * (1.0 - _SAME)
        resumed[slot] = _packed(again)
        started = np.where(again, restarted, running)
        held = history[slot] + load.idle_j * signal[slot]
        running = np.concatenate([[np.inf], started[:-1] + load.work_j * signal[slot]])
        finished[slot + 1] = running[load.work]
    return Schedule(_traced(load, _first_least(finished), resumed, kept))


def _traced(load: Load, end: int, resumed: NDArray[np.uint8], kept: NDArray[np.uint8]) -> tuple[Span, ...]:
    """Return the spans of the best schedule that ends before a slot, read backwards from what was decided."""
    spans: list[Span] = []
    slot, done, last = end, load.work, end
    while done:
        slot, done = slot - 1, done - 1
        if not _bit(resumed, slot, done):
            continue
        first = slot - (load.restart if done else 0)
        spans.append((first, last))
        if not done:
            break
        slot = first
        while _bit(kept, slot, done):
            slot -= 1
        last = slot
    return tuple(reversed(spans))


def _packed(flags: Flags) -> NDArray[np.uint8]:
    padded = np.zeros((flags.size // 8 + 1) * 8, dtype=np.bool_)
    padded[: flags.size] = flags
    return np.packbits(padded)


def _bit(packed: NDArray[np.uint8], row: int, column: int) -> bool:
    return bool(packed[row, column // 8] >> (7 - column % 8) & 1)


def _first_least(values: Array) -> int:
    """Return the first place whose value is the least, rounding apart."""
    least = values.min()
    return int(np.flatnonzero(values <= least + _SAME * abs(least))[0])
