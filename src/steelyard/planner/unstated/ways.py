"""The ways in which a configuration may be run where it is not stated, as often as published runs have each.

Nothing here asks whether a run fits in memory: what time is of leaves out what does not (`possible`), what memory is of
holds it (`mixtures`).
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
from steelyard.layout import check_layout
from steelyard.layout.axes import divisors_of
from steelyard.market.options import StackOption
from steelyard.planner.measured.answer import current_step
from steelyard.planner.measured.exact import measured_row
from steelyard.reasons.draws import Setting
from steelyard.strategies.interleaving import chunk_partition, usual_chunks
from steelyard.strategies.registry import SCHEDULES, usual_code
from steelyard.strategies.settings import setting_name
from steelyard.tables import Job, Layout
from steelyard.units import GB_BYTES, Share

LEAST_SHARE = 0.01
"""Share of a possible run below which it is left out: it moves no end of a 90 % interval."""


NETWORK, NETWORK_SHARES = "network", (0.25, 0.5, 0.25)
"""The word for an unknown network, and how often it is the lowest, median and highest of its family: chosen."""

LARGE_BUBBLE = 0.1
"""Share of the ideal time of a step from which on its bubble is large: chosen."""

SCHEDULES_BY_CODE = {one.code: one for one in SCHEDULES.values()}


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


def trained_of(spec: JobSpec) -> str:
    """Return what a job trains, as `usual_settings.csv` calls it."""
    return ADAPTED if spec.task in ADAPTERS else WHOLE


def ways_to_run(
    shown: Setting, others: Sequence[tuple[StackOption, Layout]], spec: JobSpec, unstated: Sequence[str]
) -> tuple[PossibleRun, ...]:
    """Return the ways in which a configuration may be run, whether they fit or not; the one that is shown is the first.

    Args:
        shown: the configuration.
        others: other stacks that the job may be run on, each with its layout.
        spec: the job.
        unstated: settings that nobody stated, as `job.unstated` calls them; others than `CHANGED` are passed over.
    """
    catalog, trained = load(), trained_of(spec)
    stacks = (shown.stack.name, *(stack.name for stack, _ in others))
    pipelined = bool(all(laid.pp > 1 for laid in (shown.layout, *(laid for _, laid in others))))
    first = PossibleRun(stack_share(shown.stack.name, stacks, trained, catalog, pipelined), shown)
    if current_step() is not None or measured_row(shown, catalog) is not None:  # its settings are the measured run's
        return (first,)
    rest = [
        PossibleRun(
            stack_share(stack.name, stacks, trained, catalog, pipelined),
            replace(shown, stack=stack, layout=laid, job=_job_of(shown, spec, stack)),
            (f"stack {stack.name}",),
        )
        for stack, laid in others
    ]
    found = [first, *rest]
    for name in unstated:
        if name in CHANGED:
            found = [made for one in found for made in CHANGED[name](one, trained)]
    itself = next((one for one in found if not one.changed), first)
    return (itself, *(one for one in found if one.changed and _is_met(one, first) and _runs(one.setting)))


def of_one_job(some: Sequence[PossibleRun]) -> list[list[PossibleRun]]:
    """Return runs by the numbers of their job, which stacks may keep otherwise: those of one are predicted at once."""
    found: dict[int, list[PossibleRun]] = {}
    for one in some:
        found.setdefault(id(one.setting.job), []).append(one)
    return list(found.values())


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


def _chunks(one: PossibleRun, trained: str) -> Iterator[PossibleRun]:
    """Yield a run with stages of one chunk, and of as many as recipes have where its bubble is large without them."""
    laid, can = one.setting.layout, one.setting.stack.capability
    waits = laid.pp > 1 and laid.pp - 1 >= LARGE_BUBBLE * laid.micro_batches
    if not (waits and laid.vpp == 1 and laid.schedule == usual_code(can.schedules, 1) and can.vpp):
        yield one
        return
    blocks = int(np.max(one.setting.job.workload.divisible.blocks))
    count = usual_chunks(can.partitions, blocks, int(laid.pp))
    code = usual_code(can.schedules, count)
    if count == 1 or not SCHEDULES_BY_CODE[code].takes(laid.pp, laid.micro_batches):
        yield one
        return
    shares = usual_shares("interleaving", one.setting.stack.name, trained, load(), 0.0)
    whole, cut = sum(shares.values()), float(chunk_partition(can.partitions, blocks, int(laid.pp), count))
    yield one.with_layout(shares.get(0.0, 0.0) / whole, "")
    word = f"{count} chunks a stage"
    yield one.with_layout(shares.get(1.0, 0.0) / whole, word, vpp=float(count), schedule=float(code), partition=cut)


def _networks(one: PossibleRun, trained: str) -> Iterator[PossibleRun]:
    """Yield a run over each network that its family has where its own is unknown: half of all over the middle one."""
    hardware = one.setting.hardware
    if not hardware.networks:
        yield one
        return
    for rate, share in zip(hardware.networks, NETWORK_SHARES, strict=True):
        machine = replace(hardware.machine, nic_bytes_per_s=rate)
        other = () if rate == hardware.machine.nic_bytes_per_s else (f"network {rate / GB_BYTES:.3g} GB/s",)
        setting = replace(one.setting, hardware=replace(hardware, machine=machine))
        yield replace(one, share=one.share * share, setting=setting, changed=(*one.changed, *other))


def _each(one: PossibleRun, field: str, shares: Mapping[float, Share]) -> Iterator[PossibleRun]:
    total = sum(shares.values())
    for value, share in shares.items():
        yield one.with_layout(share / total, _word(field, value), **{field: value})


def _word(field: str, value: float) -> str:
    if field == "recompute":
        return f"recompute {setting_name(field, int(value))}"
    return "sequence parallelism" if value else "no sequence parallelism"


CHANGED = {
    "recompute": _recomputes,
    "sequence parallelism": _sequence_parallels,
    "micro-batch": _micro_batches,
    "interleaving": _chunks,
    NETWORK: _networks,
}
"""How the settings that a step's time follows from may be, by the words of `job.unstated`."""

OF_MEMORY = ("recompute", "sequence parallelism", "interleaving")
"""Those that are no matter of what fits: one makes a micro-batch as large as memory allows."""
