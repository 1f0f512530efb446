"""Time, money, energy and CO2e where settings that they follow from are open: over the settings that exist.

A configuration is shown with one value of each setting that nobody states. What the answer's intervals are of is all of
them: each possible run has the share with which published runs of its stack have its settings (`catalog.usual`), and
must fit in memory.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from steelyard.job import JobSpec
from steelyard.job.job_spec import job_on
from steelyard.job.unstated.choices import open_states
from steelyard.planner.engine import ENGINE
from steelyard.planner.unstated.ways import PossibleRun, of_one_job
from steelyard.reasons.draws import HIGH, LOW, central_predictions, drawn_objectives
from steelyard.tables import join
from steelyard.units import Array, Share


def possible_runs(ways: Sequence[PossibleRun], spec: JobSpec) -> tuple[PossibleRun, ...]:
    """Return the ways in which a configuration may be run that fit; the one that is shown stays the first.

    Args:
        ways: to run it, the one that is shown first.
        spec: the job.
    """
    return (ways[0], *_fitting(ways[1:], spec))


def _fitting(some: Sequence[PossibleRun], spec: JobSpec) -> list[PossibleRun]:
    """Return the runs whose median peak is within the device's memory.

    Where scripts decide how wide states are, each as often as those have it with which it is.
    """
    return [
        replace(one, share=one.share * float(fit))
        for alike in of_one_job(some)
        for one, fit in zip(alike, _fit(alike, spec), strict=True)
        if fit > 0
    ]


def _fit(alike: Sequence[PossibleRun], spec: JobSpec) -> Array:
    """Return how often the median peak of each run of one job is within the device's memory: 0 or 1 where told."""
    settings = [one.setting for one in alike]
    job, machine = settings[0].job, settings[0].hardware.machine
    layouts, stacks = join([one.layout for one in settings]), join([one.stack.stack for one in settings])
    name = settings[0].stack.name
    widths = [(one.share, job_on(replace(spec, precision=one.precision), name)) for one in open_states(spec, name)]
    jobs = [
        (share, replace(job, master_bytes=one.master_bytes, moment_bytes=one.moment_bytes)) for share, one in widths
    ]
    share: Array = np.zeros(len(settings))
    for met, one in jobs or [(1.0, job)]:
        held = ENGINE.memory(one, layouts, machine, stacks)
        share = share + met * np.less_equal(held.device_bytes, machine.memory_bytes)
    return share / sum(met for met, _ in jobs or [(1.0, job)])


def possible_text(runs: Sequence[PossibleRun]) -> str:
    """Return what the intervals of an answer are of beside what it shows: each change alone, its time, its share.

    Args:
        runs: of a configuration, the one that is shown first; empty where there is no other.
    """
    if len(runs) <= 1:
        return ""
    alone = [one for one in runs[1:] if len(one.changed) == 1]
    seconds = {
        id(one): float(took)
        for alike in of_one_job([runs[0], *alone])
        for one, took in zip(alike, _step_s(alike), strict=True)
    }
    if math.isnan(seconds[id(runs[0])]):  # some part of a step has no rate: nothing is known to be slower
        return ""
    whole = sum(one.share for one in runs)
    told = [
        (one.changed[0], seconds[id(one)] / seconds[id(runs[0])], _share_of(one.changed[0], runs) / whole)
        for one in alone
    ]
    each = ", ".join(f"{word} {factor:.2f}x ({share:.0%})" for word, factor, share in told)
    return f"intervals are over what nobody states, as often as published runs have it: time with {each}"


def _step_s(alike: Sequence[PossibleRun]) -> Array:
    found = central_predictions([one.setting for one in alike], ENGINE).time.total_s
    return np.broadcast_to(np.asarray(found), len(alike))


def _share_of(word: str, runs: Sequence[PossibleRun]) -> Share:
    return sum(one.share for one in runs if word in one.changed)


def possible_ends(runs: Sequence[PossibleRun], carbon: str) -> Array:
    """Return low and high of each objective over all runs: two rows, a column an objective; NaN where unknown.

    They hold those of the stack that is shown, as if it were told: not to name it makes nothing surer.
    """
    alike = of_one_job(runs)
    drawn = np.concatenate([drawn_objectives([one.setting for one in some], ENGINE, carbon) for some in alike], axis=1)
    ordered = [one for some in alike for one in some]
    shares = np.array([one.share for one in ordered])
    own = np.array([one.setting.stack.name == runs[0].setting.stack.name for one in ordered])
    (low, high), (low_own, high_own) = weighted_ends(drawn, shares), weighted_ends(drawn[:, own], shares[own])
    return np.stack([np.minimum(low, low_own), np.maximum(high, high_own)])


def weighted_ends(drawn: Array, shares: Array) -> Array:
    r"""Return the 5th and 95th percentile of a mixture of drawn distributions, a column a quantity.

    .. math:: F(x) = \sum_i w_i F_i(x) / \sum_i w_i

    Args:
        drawn: draws x distributions x quantities; NaN: unknown, and then so is the mixture of that quantity.
        shares: of each distribution.

    Source: the law of total probability.

    >>> one, other = np.linspace(1.0, 2.0, 101), np.linspace(10.0, 20.0, 101)
    >>> drawn = np.stack([one, other], axis=1)[..., None]
    >>> weighted_ends(drawn, np.array([1.0, 0.0]))[:, 0].round(2)
    array([1.05, 1.95])
    >>> weighted_ends(drawn, np.array([1.0, 1.0]))[:, 0].round(1)
    array([ 1.1, 19. ])
    """
    draws, _, quantities = drawn.shape
    values = drawn.reshape(-1, quantities)
    weight = np.tile(shares / (shares.sum() * draws), draws)
    order = np.argsort(values, axis=0)
    ends = np.empty((2, quantities))
    for column in range(quantities):
        ordered = order[:, column]
        reached = np.cumsum(weight[ordered]) - weight[ordered] / 2
        ends[:, column] = np.interp([LOW / 100, HIGH / 100], reached, values[ordered, column])
    unknown = np.isnan(drawn[:, shares > 0]).any(axis=(0, 1))
    return np.where(unknown, np.nan, ends)
