"""The pipeline's schedule of each layout: ticks that it idles, messages that it sends, micro-batches in flight."""

from collections.abc import Callable

import numpy as np

from steelyard.strategies.registry import SCHEDULES
from steelyard.strategies.schedule import PipelineSchedule
from steelyard.tables import Layout
from steelyard.units import Count


def bubble_ticks(layout: Layout) -> Count:
    """Return the ticks that a stage idles while the pipeline fills and drains.

    Args:
        layout: stages, chunks, micro-batches, schedule [-]
    """
    return _of_each(layout, lambda one: one.bubble_ticks(layout.pp, layout.vpp, layout.micro_batches))


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
    return all(one.falls or not np.any(np.equal(layout.schedule, one.code)) for one in SCHEDULES.values())


def _of_each(layout: Layout, asked: Callable[[PipelineSchedule], Count]) -> Count:
    """What each layout's own schedule says; NaN where no schedule has its number."""
    found: Count = np.float64(np.nan)
    for one in SCHEDULES.values():
        mine = np.equal(layout.schedule, one.code)
        if np.all(mine):
            return asked(one)
        if np.any(mine):
            found = np.where(mine, asked(one), found)
    return found
