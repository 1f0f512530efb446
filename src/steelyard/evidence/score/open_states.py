"""Peaks of runs whose scripts decide how wide states are: a mixture over both, as of an estimate that is silent."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog
from steelyard.catalog.stack_names import OPEN_UPCAST
from steelyard.evidence.frames.frame import RunFrame, Texts, frame_subset
from steelyard.evidence.frames.predicted import PEAK_KINDS, peak_bytes
from steelyard.evidence.score.intervals import device_interval, memory_log_sd
from steelyard.formatting.interval import Interval
from steelyard.job.kept.states import SCRIPTS
from steelyard.job.optimizers import published_optimizer
from steelyard.job.training import parse_precision
from steelyard.job.unstated.mixture import mixture_interval
from steelyard.strategies.recipe_settings import UNQUANTISED
from steelyard.units import NORMAL_90, Array

Ends = tuple[Array, Array, Array]
"""Medians of some runs with both ends of their 90 % intervals."""


def open_rows(found: RunFrame) -> NDArray[np.bool_]:
    """Tell of which runs a script decides how wide states are, and nobody says it."""
    return np.array(["states" in assumed for assumed in found.assumed], dtype=bool)


def with_open_states(found: RunFrame, kinds: Texts, peaks: Ends, catalog: Catalog) -> Ends:
    """Return peaks with those of open states as mixtures; the others are as they were.

    The median is that of an estimate of the same job; what else a row leaves open makes its ends wider alone.

    Args:
        found: the runs, whose tables have states beside a master copy where they are open.
        kinds: of the peak of each, of `predicted.PEAK_KINDS`; others are left as they are.
        peaks: medians and ends under the tables of the runs.
        catalog: of the optimizers, and of the spreads of peaks.
    """
    peaks = with_open_bases(found, kinds, peaks, catalog)
    mask = open_rows(found) & np.isin(kinds, PEAK_KINDS)
    if not mask.any():
        return peaks
    part = frame_subset(found, mask)
    plain = replace(part, assumed=tuple(frozenset[str]() for _ in part.assumed))
    middle, spread = (_mixtures(one, kinds[mask], catalog) for one in (plain, part))
    values = ([one.value for one in middle], [one.low for one in spread], [one.high for one in spread])
    made = tuple(column.copy() for column in peaks)
    for column, value in zip(made, values, strict=True):
        column[mask] = value
    return made[0], made[1], made[2]


def with_open_bases(found: RunFrame, kinds: Texts, peaks: Ends, catalog: Catalog) -> Ends:
    """Return peaks whose ends are over both that scripts make of what surrounds a quantised base, where that is open.

    The median is that of fp32, as of an estimate of the same job.

    Args:
        found: the runs, whose tables have fp32 where it is open.
        kinds: of the peak of each, of `predicted.PEAK_KINDS`; others are left as they are.
        peaks: medians and ends under the tables of the runs.
        catalog: of the spreads of peaks.
    """
    mask = np.array(["unquantised" in assumed for assumed in found.assumed], dtype=bool) & np.isin(kinds, PEAK_KINDS)
    if not mask.any():
        return peaks
    part = frame_subset(found, mask)
    plain = {name: np.full(len(part), size) for name, size in UNQUANTISED["16-bit"].items()}
    narrow = replace(part, job=replace(part.job, recipe=replace(part.job.recipe, **plain)))
    branches = [
        (share, _ends(one, kinds[mask], catalog)) for share, one in ((OPEN_UPCAST, part), (1 - OPEN_UPCAST, narrow))
    ]
    spread = [
        mixture_interval([(share, Interval(*(float(column[row]) for column in ends))) for share, ends in branches])
        for row in range(len(part))
    ]
    value, low, high = (column.copy() for column in peaks)
    low[mask] = np.minimum([one.low for one in spread], value[mask])
    high[mask] = np.maximum([one.high for one in spread], value[mask])
    return value, low, high


def _mixtures(part: RunFrame, kinds: Texts, catalog: Catalog) -> list[Interval]:
    """Return the mixture of each run of open states."""
    branches = [(one.share, _ends(_with_states(part, one.precision, catalog), kinds, catalog)) for one in SCRIPTS]
    return [
        mixture_interval([(share, Interval(*(float(column[row]) for column in ends))) for share, ends in branches])
        for row in range(len(part))
    ]


def _with_states(part: RunFrame, precision: str, catalog: Catalog) -> RunFrame:
    """Return some runs with the states of a precision."""
    row, usual = parse_precision(precision, catalog), parse_precision("bf16", catalog)
    follows = np.array([published_optimizer(run.optimizer, catalog).follows for run in part.runs], dtype=float)
    share = np.where(follows, row.state_share / usual.state_share, 1.0)
    master = part.job.master_bytes * (row.master_bytes / usual.master_bytes)
    return replace(part, job=replace(part.job, master_bytes=master, moment_bytes=part.job.moment_bytes * share))


def _ends(part: RunFrame, kinds: Texts, catalog: Catalog) -> Ends:
    """Return the peak of each run of its kind, with both ends."""
    peaks = peak_bytes(part)
    value = np.select([kinds == name for name in peaks], list(peaks.values()))
    width = np.exp(NORMAL_90 * memory_log_sd(part, kinds, catalog))
    on_device = device_interval(part, catalog)
    low, high = (
        np.where(kinds == "device", *pair) for pair in zip(on_device, (value / width, value * width), strict=True)
    )
    return value, low, high
