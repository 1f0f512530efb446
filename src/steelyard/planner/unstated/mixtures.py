"""Peak memory of a configuration where settings that it follows from are open: under each of them that exists."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.catalog import load
from steelyard.catalog.peaks import device_ends, unseen_kind
from steelyard.catalog.stack_names import rule_of_name
from steelyard.catalog.stacks import LOGIT_BYTES
from steelyard.catalog.usual.shares import usual_shares
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec
from steelyard.job.job_spec import job_on
from steelyard.job.unstated.choices import open_states, upcast_share_of
from steelyard.job.unstated.mixture import mixture_interval
from steelyard.job.unstated.taken import bytes_each
from steelyard.pipeline import drives, host
from steelyard.planner.engine import ENGINE
from steelyard.planner.unstated.ways import PossibleRun, of_one_job, trained_of
from steelyard.reasons.draws import Setting
from steelyard.strategies.recipe_settings import UNQUANTISED
from steelyard.tables import Job, Recipe, StepMemory, each, join, take
from steelyard.units import GIB_BYTES, Bytes, Share

LEAST_BRANCH = 0.002
"""Share of all of a peak's settings below which one is left out: so few move no end of a 90 % interval."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Settings that exist, how often they are met, the peak that they make, what they put on a host and its drives."""

    share: Share
    setting: Setting
    memory: StepMemory
    host_bytes: Bytes = 0.0
    nvme_bytes: Bytes = 0.0
    states: str = ""  # how wide they are, where the script decides it
    changed: tuple[str, ...] = ()  # what else is not as the configuration is shown

    @property
    def interval(self) -> Interval:
        """What the device shows under these settings, with the ends of its 90 % interval."""
        one = self.setting
        limit, unseen = one.hardware.machine.memory_bytes, unseen_kind(one.layout.schedule)
        low, high = device_ends(self.memory, one.stack.peaks, limit, unseen=unseen)
        return Interval(float(self.memory.device_bytes), float(low), float(high))


@dataclass(frozen=True, slots=True)
class _Kept:
    """One width of states, one loss and one base of a stack, the job with them, and how often they are met."""

    share: Share
    job: Job
    states: str
    changed: tuple[str, ...]


def memory_branches(ways: Sequence[PossibleRun], spec: JobSpec, unstated: Sequence[str]) -> tuple[Branch, ...]:
    """Return the peak of a configuration in every way in which it may be run; the first are of the one that is shown.

    Nothing is left out for being too large: whether it fits is what is asked. The micro-batch of what is shown is that
    of all: one takes what fits.

    Args:
        ways: to run it, the one that is shown first, which differ in what a peak follows from (`ways.OF_MEMORY`).
        spec: its job.
        unstated: settings that nobody stated, as `job.unstated` calls them.
    """
    found: list[Branch] = []
    for alike in of_one_job(ways):
        for kept in _kept(alike[0].setting, spec, loss_open="loss" in unstated):
            found.extend(_branches(alike, kept))
    least = LEAST_BRANCH * sum(one.share for one in found)
    return tuple(one for one in found if one.share >= least or not one.changed)


def _branches(alike: Sequence[PossibleRun], kept: _Kept) -> Iterator[Branch]:
    """Yield the peak of each of some runs of one job, of one width of its states and one loss."""
    machine = alike[0].setting.hardware.machine
    layouts = join([one.setting.layout for one in alike])
    stacks = join([one.setting.stack.stack for one in alike])
    tables = (kept.job, layouts, machine, stacks)
    held = each(ENGINE.memory(*tables), lambda value: np.broadcast_to(np.asarray(value, dtype=float), len(alike)))
    on_host, on_drives = (np.broadcast_to(np.asarray(of(*tables).total_bytes), len(alike)) for of in (host, drives))
    for row, one in enumerate(alike):
        setting, moved = replace(one.setting, job=kept.job), (float(on_host[row]), float(on_drives[row]))
        changed = (*one.changed, *kept.changed)
        yield Branch(one.share * kept.share, setting, each(take(held, row), float), *moved, kept.states, changed)


def _kept(setting: Setting, spec: JobSpec, *, loss_open: bool) -> Iterator[_Kept]:
    """Yield the states, losses and bases that a job may have on its stack, what is shown with the first of the last."""
    for states, share, job in _states(setting, spec):
        for logit_bytes, often, changed in _losses(setting, spec, loss_open=loss_open):
            recipe = replace(job.recipe, logit_bytes=logit_bytes) if changed else job.recipe
            for around, met, other in _bases(setting, spec, recipe):
                yield _Kept(share * often * met, replace(job, recipe=around), states, (*changed, *other))


def _states(setting: Setting, spec: JobSpec) -> Iterator[tuple[str, Share, Job]]:
    """Yield the name, the share and the job of each width of states; the job alone where they are told."""
    choices = open_states(spec, setting.stack.name)
    if not choices:
        yield "", 1.0, setting.job
    for one in choices:
        other = job_on(replace(spec, precision=one.precision), setting.stack.name)
        yield one.name, one.share, replace(other, batch_samples=setting.job.batch_samples, samples=setting.job.samples)


def _bases(setting: Setting, spec: JobSpec, recipe: Recipe) -> Iterator[tuple[Recipe, Share, tuple[str, ...]]]:
    """Yield the recipes of what surrounds a quantised base where scripts differ, fp32 as it is shown first."""
    share = upcast_share_of(spec, setting.stack.name)
    if not 0 < share < 1:
        yield recipe, 1.0, ()
        return
    yield recipe, share, ()
    yield replace(recipe, **UNQUANTISED["16-bit"]), 1 - share, ("16 bits around the quantised base",)


def _losses(setting: Setting, spec: JobSpec, *, loss_open: bool) -> Iterator[tuple[Bytes, Share, tuple[str, ...]]]:
    """Yield the bytes of a logit under each loss that published runs of a stack have, the one that is shown first.

    A name of a library that brings a loss of its own says which it is.
    """
    _, logits = bytes_each(setting.job, setting.layout, setting.stack.stack)
    taken, rule = float(logits), rule_of_name(load().stack_rules, spec.stack or setting.stack.name)
    if not loss_open or math.isnan(taken) or LOGIT_BYTES in dict(rule.recipe):
        yield taken, 1.0, ()
        return
    shares = usual_shares("loss", setting.stack.name, trained_of(spec), load(), taken)
    yield taken, shares[taken], ()
    yield from ((size, share, (f"loss {size:g} B a logit",)) for size, share in shares.items() if size != taken)


def on_host_bytes(setting: Setting) -> float:
    """Return the bytes that a configuration keeps in the memory of one host."""
    kept = host(setting.job, setting.layout, setting.hardware.machine, setting.stack.stack)
    return float(np.asarray(kept.total_bytes))


def on_drives_bytes(setting: Setting) -> float:
    """Return the bytes that a configuration keeps on the NVMe drives of one host."""
    kept = drives(setting.job, setting.layout, setting.hardware.machine, setting.stack.stack)
    return float(np.asarray(kept.total_bytes))


def branch_of(setting: Setting, memory: StepMemory) -> Branch:
    """Return a configuration of which nothing is open as the one way to run it, with its peak."""
    return Branch(1.0, setting, memory, on_host_bytes(setting), on_drives_bytes(setting))


def mixed_peak(branches: Sequence[Branch]) -> Interval:
    """Return the peak over some settings: its median over widths of states as it is shown, its ends over all of them.

    >>> from steelyard.planner.estimating import configure
    >>> from steelyard.planner.questions import job_of
    >>> job = job_of("llama-3-8b", tokens="1M", task="lora", sequence=2048, global_batch=8)
    >>> found = mixed_peak(configure(job, "RTX-4090", 1).branches)
    >>> found.low < found.value < found.high
    True
    """
    each_one = [(one.share, one.interval) for one in branches]
    shown = [(one.share, one.interval) for one in branches if not one.changed]
    middle = shown[0][1] if len(shown) == 1 else mixture_interval(shown)
    if len(each_one) == len(shown):
        return middle
    spread = mixture_interval(each_one)
    return Interval(middle.value, min(spread.low, middle.value), max(spread.high, middle.value))


def states_text(branches: Sequence[Branch]) -> str:
    """Return which widths of states a peak is a mixture of, and what each takes; empty where they are told."""
    shown = [one for one in branches if one.states and not one.changed]
    texts = [
        f"{one.states} ({one.memory.device_bytes / GIB_BYTES:.0f} GiB"
        + (f", {one.host_bytes / GIB_BYTES:.0f} on a host)" if one.host_bytes else ")")
        for one in shown
    ]
    if not texts or math.isnan(sum(float(one.memory.device_bytes) for one in shown)):
        return ""
    return f"states {' or '.join(texts)}: the script decides, memory is of either (precision:)"


def changes_text(branches: Sequence[Branch]) -> str:
    """Return what else a peak's interval is over: each change alone, what it takes, how often it is met."""
    whole = sum(one.share for one in branches)
    often = Counter[str]()
    for one in branches:
        often.update(dict.fromkeys(one.changed, one.share))
    widest = branches[0].states if branches else ""
    alone = [one for one in branches if len(one.changed) == 1 and one.states == widest]
    if not alone or math.isnan(sum(float(one.memory.device_bytes) for one in alone)):
        return ""
    texts = (
        f"{one.changed[0]} {one.memory.device_bytes / GIB_BYTES:.0f} GiB ({often[one.changed[0]] / whole:.0%})"
        for one in alone
    )
    return f"memory is over what nobody states: {', '.join(texts)}"
