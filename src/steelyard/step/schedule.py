"""The pipeline's schedule of each layout: ticks that it idles, messages that it sends, micro-batches in flight."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from steelyard.strategies.registry import SCHEDULES
from steelyard.strategies.schedule import Passes, PipelineSchedule
from steelyard.tables import Layout
from steelyard.units import Count, Share


def bubble_ticks(layout: Layout, passes: Passes) -> Count:
    """Return the ticks that a stage idles while the pipeline fills and drains.

    Args:
        layout: stages, chunks, micro-batches, schedule [-]
        passes: what of a tick each pass takes, which matters where gradients of weights may wait [-]
    """
    return _of_each(layout, lambda one: one.bubble_ticks(layout.pp, layout.vpp, layout.micro_batches, passes))


def sends(layout: Layout) -> Count:
    """Return the messages between stages that one stage waits for in a step, forward and backward.

    Args:
        layout: stages, chunks, micro-batches, schedule [-]
    """
    return _of_each(layout, lambda one: one.sends(layout.pp, layout.vpp, layout.micro_batches))


def in_flight(layout: Layout, rank: Count) -> Count:
    """Return the micro-batches whose activations one stage holds at once.

    Args:
        layout: stages, chunks, micro-batches, schedule [-]
        rank: the stage, from 0 [-]
    """
    return _of_each(layout, lambda one: one.in_flight(layout.pp, layout.vpp, rank, layout.micro_batches))


def falling(layout: Layout) -> bool:
    """Return whether no stage holds more micro-batches than the one before it, on every layout."""
    return all(one.falls and not one.mirrored for one in _present(layout))


def backward_splits(layout: Layout) -> bool:
    """Return whether gradients of weights may wait on some layout."""
    return any(one.splits for one in _present(layout))


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the stages of a pipeline lie, and whether they hide exchanges, 1 or 0 on each layout."""

    mirrored: Share  # a device holds two stages, of either direction
    folded: Share  # chunks lie there and back, so that the first stage has both ends of the model
    overlapped: Share  # tokens go to experts while a pass of another micro-batch computes


def placing(layout: Layout) -> Placing:
    """Return where the stages of a pipeline lie, and what goes on behind them.

    Args:
        layout: schedule, stages [-]

    Source: that of each schedule.
    """
    some = _present(layout)
    return Placing(
        mirrored=_flag(layout, [one.code for one in some if one.mirrored]),
        folded=_flag(layout, [one.code for one in some if one.folded]),
        overlapped=_flag(layout, [one.code for one in some if one.overlapped]),
    )


def _flag(layout: Layout, codes: list[int]) -> Share:
    return (np.isin(layout.schedule, codes) & np.greater(layout.pp, 1)).astype(float) if codes else 0.0


def _present(layout: Layout) -> list[PipelineSchedule]:
    """The schedules that some layout may have: those whose numbers are no higher than the highest."""
    most = np.max(layout.schedule, initial=0)
    return [one for one in SCHEDULES.values() if one.code <= most]


def _of_each(layout: Layout, asked: Callable[[PipelineSchedule], Count]) -> Count:
    """What each layout's own schedule says; NaN where no schedule has its number."""
    found: Count = np.float64(np.nan)
    for one in _present(layout):
        mine = np.equal(layout.schedule, one.code)
        if np.all(mine):
            return asked(one)
        if np.any(mine):
            found = np.where(mine, asked(one), found)
    return found
