"""Time, money, energy and CO2e where settings that they follow from are open: over the settings that exist.

A configuration is shown with one value of each setting that nobody states. What the answer's intervals are of is all of
them: each possible run has the share with which published runs of its stack have its settings (`catalog.usual`), and
must fit in memory.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.catalog import load
from steelyard.catalog.usual.rows import ADAPTED, WHOLE
from steelyard.catalog.usual.shares import stack_share, usual_shares
from steelyard.errors import BadLayout
from steelyard.job import JobSpec
from steelyard.job.job_spec import job_on
from steelyard.job.training import ADAPTERS
from steelyard.job.unstated.choices import open_states
from steelyard.layout import check_layout
from steelyard.layout.axes import divisors_of
from steelyard.market.options import StackOption
from steelyard.planner.engine import ENGINE
from steelyard.planner.measured.answer import current_step
from steelyard.planner.measured.exact import measured_row
from steelyard.reasons.draws import HIGH, LOW, Setting, central_predictions, drawn_objectives
from steelyard.strategies.settings import setting_name
from steelyard.tables import Job, Layout, join
from steelyard.units import Array, Share

LEAST_SHARE = 0.01
"""Share of a possible run below which it is left out: it moves no end of a 90 % interval."""


@dataclass(frozen=True, slots=True)
class PossibleRun:
    """One way in which a configuration may be run where it is not stated, and how often it is met."""

    share: Share  # of all of them; they need not add up to 1
    setting: Setting
    changed: tuple[str, ...] = ()  # what of it is not as shown, in words

    def with_layout(self, share: Share, word: str, **degrees: float) -> "PossibleRun":
        """Return the run with some degrees of its layout changed."""
        laid = replace(self.setting.layout, **degrees)
        if laid == self.setting.layout:
            return replace(self, share=self.share * share)
        changed = (*self.changed, word)
        return replace(self, share=self.share * share, setting=replace(self.setting, layout=laid), changed=changed)


def possible_runs(
    shown: Setting, others: Sequence[tuple[StackOption, Layout]], spec: JobSpec, unstated: Sequence[str]
) -> tuple[PossibleRun, ...]:
    """Return the ways in which a configuration may be run; the one that is shown is the first.

    Args:
        shown: the configuration.
        others: other stacks that the job may be run on, each with its layout.
        spec: the job.
        unstated: settings that nobody stated, as `job.unstated` calls them.
    """
    catalog, trained = load(), ADAPTED if spec.task in ADAPTERS else WHOLE
    stacks = (shown.stack.name, *(stack.name for stack, _ in others))
    first = PossibleRun(stack_share(shown.stack.name, stacks, trained, catalog), shown)
    if current_step() is not None or measured_row(shown, catalog) is not None:  # its settings are the measured run's
        return (first,)
    rest = [
        PossibleRun(
            stack_share(stack.name, stacks, trained, catalog),
            replace(shown, stack=stack, layout=laid, job=_job_of(shown, spec, stack)),
            (f"stack {stack.name}",),
        )
        for stack, laid in others
    ]
    found = [first, *rest]
    for name in unstated:
        if name in _CHANGED:
            found = [made for one in found for made in _CHANGED[name](one, trained)]
    itself = next((one for one in found if not one.changed), first)
    return (itself, *_fitting([one for one in found if one.changed and _is_met(one, first)], spec))


def _is_met(one: PossibleRun, shown: PossibleRun) -> bool:
    """Tell whether a run is met often enough to move an end: of all, and of the stack that is shown as if it were told.

    So a stack that nobody names leaves nothing out that it has where it is named.
    """
    alike = one.setting.stack.name == shown.setting.stack.name
    return bool(one.share >= LEAST_SHARE * (shown.share if alike else 1.0))


def _job_of(shown: Setting, spec: JobSpec, stack: StackOption) -> Job:
    """Return the numbers of a job on another stack than the shown one, at the same batch."""
    other = job_on(spec, stack.name)
    return replace(other, batch_samples=shown.job.batch_samples, samples=shown.job.samples)


def _fitting(some: Sequence[PossibleRun], spec: JobSpec) -> list[PossibleRun]:
    """Return the runs that their stacks can run, and whose median peak is within the device's memory.

    Where scripts decide how wide states are, each as often as those have it with which it is.
    """
    able = [one for one in some if _runs(one.setting)]
    if not able:
        return []
    return [
        replace(one, share=one.share * float(fit))
        for alike in _of_one_job(able)
        for one, fit in zip(alike, _fit(alike, spec), strict=True)
        if fit > 0
    ]


def _of_one_job(some: Sequence[PossibleRun]) -> list[list[PossibleRun]]:
    """Return runs by the numbers of their job, which stacks may keep otherwise: those of one are predicted at once."""
    found: dict[int, list[PossibleRun]] = {}
    for one in some:
        found.setdefault(id(one.setting.job), []).append(one)
    return list(found.values())


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


def _runs(one: Setting) -> bool:
    machine = one.hardware.machine
    try:
        check_layout(one.layout, one.job, int(machine.domain_devices), machine.nic_bytes_per_s, one.stack.capability)
    except BadLayout:
        return False
    return True


def _recomputes(one: PossibleRun, trained: str) -> Iterator[PossibleRun]:
    able, taken = one.setting.stack.capability.recompute, float(one.setting.layout.recompute)
    shares = usual_shares("recompute", one.setting.stack.name, trained, load(), taken)
    yield from _each(one, "recompute", {value: share for value, share in shares.items() if value in {taken, *able}})


def _sequence_parallels(one: PossibleRun, trained: str) -> Iterator[PossibleRun]:
    laid = one.setting.layout
    if laid.tp <= 1 or not one.setting.stack.capability.sp:
        yield one
        return
    shares = usual_shares("sequence parallelism", one.setting.stack.name, trained, load(), float(laid.sp))
    yield from _each(one, "sp", shares)


def _micro_batches(one: PossibleRun, trained: str) -> Iterator[PossibleRun]:
    """Yield a run with each micro-batch that shares the batch evenly, the nearest to each that is usual."""
    laid, job = one.setting.layout, one.setting.job
    tokens = float(np.max(job.workload.divisible.sequence))
    if not tokens > 0:
        yield one
        return
    taken, each = float(laid.micro_batch), int(laid.micro_batch * laid.micro_batches)
    able = [float(size) for size in divisors_of(each) if laid.pp <= 1 or each // size >= laid.pp]
    shares: dict[float, Share] = {}
    usual = usual_shares("micro-batch", one.setting.stack.name, trained, load(), taken * tokens)
    for held, share in usual.items():
        size = min(able or [taken], key=lambda size: abs(math.log(size * tokens / held)))
        shares[size] = shares.get(size, 0.0) + share
    for size, share in shares.items():
        yield one.with_layout(share, f"micro-batch {size:g}", micro_batch=size, micro_batches=each / size)


def _each(one: PossibleRun, field: str, shares: Mapping[float, Share]) -> Iterator[PossibleRun]:
    total = sum(shares.values())
    for value, share in shares.items():
        yield one.with_layout(share / total, _word(field, value), **{field: value})


def _word(field: str, value: float) -> str:
    if field == "recompute":
        return f"recompute {setting_name(field, int(value))}"
    return "sequence parallelism" if value else "no sequence parallelism"


_CHANGED = {
    "recompute": _recomputes,
    "sequence parallelism": _sequence_parallels,
    "micro-batch": _micro_batches,
}
"""How the settings that a step's time follows from may be, by the words of `job.unstated`."""


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
        for alike in _of_one_job([runs[0], *alone])
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
    alike = _of_one_job(runs)
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
