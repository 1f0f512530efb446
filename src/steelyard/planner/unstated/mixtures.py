"""Peak memory of a configuration where a setting that it follows from is open: under each setting that exists."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from steelyard.catalog.peaks import device_ends, unseen_kind
from steelyard.formatting.interval import Interval
from steelyard.job import JobSpec
from steelyard.job.job_spec import job_on
from steelyard.job.unstated.choices import open_states
from steelyard.pipeline import drives, host
from steelyard.planner.engine import ENGINE
from steelyard.reasons.draws import Setting
from steelyard.tables import StepMemory, each
from steelyard.units import GIB_BYTES, Bytes, Share


@dataclass(frozen=True, slots=True)
class Branch:
    """One setting that exists, how often it is met, the peak that it makes, what it puts on a host and its drives."""

    name: str
    share: Share
    memory: StepMemory
    host_bytes: Bytes = 0.0
    nvme_bytes: Bytes = 0.0


def states_branches(setting: Setting, spec: JobSpec) -> tuple[Branch, ...]:
    """Return the peak of a configuration under each width of states that its stack leaves open; none where it is told.

    Args:
        setting: the configuration.
        spec: its job.
    """
    found = []
    for one in open_states(spec, setting.stack.name):
        other = job_on(replace(spec, precision=one.precision), setting.stack.name)
        job = replace(other, batch_samples=setting.job.batch_samples, samples=setting.job.samples)
        held = ENGINE.memory(job, setting.layout, setting.hardware.machine, setting.stack.stack)
        kept = (on_host_bytes(replace(setting, job=job)), on_drives_bytes(replace(setting, job=job)))
        found.append(Branch(one.name, one.share, each(held, lambda value: float(np.asarray(value))), *kept))
    return tuple(found)


def branches_of(setting: Setting, spec: JobSpec) -> tuple[Branch, ...]:
    """Return the peak of a configuration under each width of states, or its own where its stack leaves none open.

    Args:
        setting: the configuration.
        spec: its job.
    """
    if found := states_branches(setting, spec):
        return found
    held = ENGINE.memory(setting.job, setting.layout, setting.hardware.machine, setting.stack.stack)
    return (Branch("", 1.0, each(held, lambda value: float(np.asarray(value))), on_host_bytes(setting)),)


def on_host_bytes(setting: Setting) -> float:
    """Return the bytes that a configuration keeps in the memory of one host."""
    kept = host(setting.job, setting.layout, setting.hardware.machine, setting.stack.stack)
    return float(np.asarray(kept.total_bytes))


def on_drives_bytes(setting: Setting) -> float:
    """Return the bytes that a configuration keeps on the NVMe drives of one host."""
    kept = drives(setting.job, setting.layout, setting.hardware.machine, setting.stack.stack)
    return float(np.asarray(kept.total_bytes))


def branch_interval(branch: Branch, setting: Setting) -> Interval:
    """Return what the device shows under one branch of a configuration, with the ends of its 90 % interval."""
    limit, unseen = setting.hardware.machine.memory_bytes, unseen_kind(setting.layout.schedule)
    low, high = device_ends(branch.memory, setting.stack.peaks, limit, unseen=unseen)
    return Interval(float(branch.memory.device_bytes), float(low), float(high))


def mixture_text(branches: Sequence[Branch]) -> str:
    """Return which settings a mixture is of, and what each takes.

    >>> from dataclasses import fields
    >>> held = StepMemory(**{field.name: 82.0 * GIB_BYTES for field in fields(StepMemory)})
    >>> mixture_text([Branch("all in 16 bits", 0.5, held), Branch("fp32 master copy", 0.5, held)])
    'states all in 16 bits (82 GiB) or fp32 master copy (82 GiB): the script decides, memory is of either (precision:)'
    >>> mixture_text([Branch("one", 0.5, held), Branch("two", 0.5, held, 60.0 * GIB_BYTES)]).partition(":")[0]
    'states one (82 GiB) or two (82 GiB, 60 on a host)'
    """
    each_text = [
        f"{one.name} ({one.memory.device_bytes / GIB_BYTES:.0f} GiB"
        + (f", {one.host_bytes / GIB_BYTES:.0f} on a host)" if one.host_bytes else ")")
        for one in branches
    ]
    if not each_text or math.isnan(sum(float(one.memory.device_bytes) for one in branches)):
        return ""
    return f"states {' or '.join(each_text)}: the script decides, memory is of either (precision:)"
