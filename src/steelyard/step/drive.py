"""What rests on the NVMe drives of a host: its bytes there, what passes fetch of it, and what an update moves."""

from dataclasses import dataclass, replace

import numpy as np

from steelyard.step.offload import fetched_bytes, heaviest_shard
from steelyard.step.rank import StagedJob
from steelyard.step.states import weight_bytes
from steelyard.step.tensors.recipe import (
    has_drives,
    resident_weights,
    settled,
    states_on_drives,
    upcast,
    weights_on_drives,
)
from steelyard.tables import DriveMemory, Job, Machine, Recipe, Stack
from steelyard.units import Bytes, BytesPerSecond, Count, Seconds


@dataclass(frozen=True, slots=True)
class OnDrives:
    """What of one rank rests on the drives of its host."""

    weights: Count  # parameters
    trained: Count  # of these, those that are updated
    states: Count  # parameters whose states are there
    recipe: Recipe  # with what decides how wide they are
    ranks: Count  # that share the drives


def drive_memory(staged: StagedJob, machine: Machine, stack: Stack) -> DriveMemory:
    r"""Return what lies on the drives of one host for its devices: as much as the heaviest rank, for each of them.

    .. math:: \min(n, d)\,\big(w\,P_d + (m + o + g)\,\tau\,P_3\big)

    Args:
        staged: a job on layouts: the shard of a rank (:math:`P_3`), of which parameters :math:`P_d` are on drives
        machine: devices of one host (d)
        stack: defaults of the job's recipe: bytes of weights (w); of one trained parameter (τ) the master copy (m),
            moments (o) and a gradient as wide as that copy (g)

    Source: Rajbhandari et al. 2021, arXiv 2104.07857, section 3 (fp32 parameter, momentum, variance and gradient: 16
        bytes); github.com/deepspeedai/DeepSpeed runtime/swap_tensor/optimizer_utils.py (a file of each, one of each
        gradient).
    Limits: files of checkpoints and of data come on top, and what a file system rounds up.
    """
    found = _on_drives(staged, machine, stack)
    if found is None:
        nothing = np.float64(0)
        return DriveMemory(nothing, nothing, nothing, nothing)
    job = staged.job
    weights = found.ranks * found.weights * weight_bytes(job, found.recipe)
    states = found.ranks * found.states
    gradients, optimizer = states * master_width(job), states * (job.master_bytes + job.moment_bytes)
    return DriveMemory(weights, gradients, optimizer, weights + gradients + optimizer)


def _on_drives(staged: StagedJob, machine: Machine, stack: Stack) -> OnDrives | None:
    """Return what of the heaviest rank rests on drives; None where nothing does, of any layout."""
    job, layout = staged.job, staged.layout
    if not has_drives(job.recipe, stack):
        return None
    weights, states = (at(job.recipe, stack, layout) for at in (weights_on_drives, states_on_drives))
    shard = heaviest_shard(staged)
    kept = kept_weights(job.trainable_share * shard, stack.nvme_weights_kept)
    made = replace(settled(job.recipe, stack), weights_on_host=resident_weights(job.recipe, stack, layout))
    return OnDrives(
        weights=weights * (shard - kept),
        trained=weights * (job.trainable_share * shard - kept),
        states=states * job.trainable_share * shard,
        recipe=upcast(made, layout),
        ranks=np.minimum(machine.node_devices, layout.devices),
    )


def kept_weights(trained: Count, most: Count) -> Count:
    r"""Return the trained parameters of a rank that stay in the memory of its host though they are sent to its drives.

    .. math:: P\,[P \le k]

    Args:
        trained: parameters of the rank, P
        most: parameters that a buffer in memory takes, k

    Source: github.com/deepspeedai/DeepSpeed runtime/zero/stage3.py, _create_fp16_partitions_with_defragmentation: a
        group moves into the buffer of max_in_cpu elements where all of it has room; groups are of sub_group_size.
    Limits: as both are 1e9 by default, the groups of a rank that has more of them are all too large.

    >>> float(kept_weights(9e8, 1e9)), float(kept_weights(8.8e9, 1e9))
    (900000000.0, 0.0)
    """
    return trained * np.less_equal(trained, most)


def master_width(job: Job) -> Bytes:
    """Return the bytes of a gradient on a drive: as wide as the master copy that it updates.

    Args:
        job: bytes of the master copy of one parameter, else of an element

    Source: github.com/deepspeedai/DeepSpeed runtime/zero/stage3.py, partition_grads: gradients are written as fp32.
    """
    return np.where(np.greater(job.master_bytes, 0), job.master_bytes, job.element_bytes)


def fetching_s(staged: StagedJob, machine: Machine, stack: Stack) -> Seconds:
    r"""Return the seconds in which drives give what the passes of a step fetch, and take the gradients that they leave.

    .. math:: n\,\Big(\frac{s\,v\,(1 + b)\,F}{r} + \frac{g\,\tau\,P_3}{q}\Big)

    Every rank reads its own shard, and the drives of all hosts work at once: those of one host serve its n ranks.

    Args:
        staged: a job on layouts: what passes fetch (`fetched_bytes`), of which a share s rests on drives
        machine: devices of one host; bytes a second that its drives read (r) and write (q)
        stack: defaults of the job's recipe

    Source: Rajbhandari et al. 2021, arXiv 2104.07857, sections 4.1 (parameters are loaded for each pass) and 6.1
        (bandwidth-centric partitioning: all drives in parallel); github.com/deepspeedai/DeepSpeed
        runtime/zero/stage3.py, partition_grads: gradients leave in fp32 at the last micro-batch.
    Limits: large requests; reads and writes share the drives without slowing each other further.
    """
    found = _on_drives(staged, machine, stack)
    if found is None:
        return np.float64(0)
    read: Bytes = 0.0
    if np.any(found.weights):
        share = found.weights / heaviest_shard(staged)
        read = share * sum(fetched_bytes(staged, found.recipe))
    written = found.states * master_width(staged.job)
    return drives_s(found.ranks * read, found.ranks * written, machine)


def swapping_s(staged: StagedJob, machine: Machine, stack: Stack) -> Seconds:
    r"""Return the seconds in which drives read and write what an update needs, once a step.

    .. math:: n\,\Big(\frac{(m + o + g)\,\tau\,P_3}{r} + \frac{(m + o)\,\tau\,P_3 + w\,P_t}{q}\Big)

    States and gradients of one group are read, updated and written before those of the next, as DeepSpeed does unless
    `pipeline_read` and `pipeline_write` are set.

    Args:
        staged: a job on layouts: states on drives (:math:`\tau P_3`), parameters there that are updated (:math:`P_t`)
        machine: devices of one host (n); bytes a second that its drives read (r) and write (q)
        stack: defaults of the job's recipe

    Source: Rajbhandari et al. 2021, arXiv 2104.07857, section 4.1 (states are read and written once a step);
        github.com/deepspeedai/DeepSpeed runtime/swap_tensor/partitioned_optimizer_swapper.py (what a swap moves) and
        runtime/zero/offload_config.py (both pipelines are off by default).
    Limits: those of `fetching_s`.
    """
    found = _on_drives(staged, machine, stack)
    if found is None:
        return np.float64(0)
    job = staged.job
    states = found.states * (job.master_bytes + job.moment_bytes)
    read, written = states + found.states * master_width(job), states + found.trained * weight_bytes(job, found.recipe)
    return drives_s(found.ranks * read, found.ranks * written, machine)


def drives_s(read: Bytes, written: Bytes, machine: Machine) -> Seconds:
    r"""Return the seconds that the drives of one host take; nothing asks no drive, known or not.

    .. math:: R / r + W / q

    Args:
        read: bytes of all ranks of the host, R
        written: bytes of all ranks of the host, W
        machine: bytes a second that its drives read (r) and write (q)

    Source: Rajbhandari et al. 2021, arXiv 2104.07857, section 4 (one rate for what crosses).
    """
    return _each(read, machine.nvme_read_bytes_per_s) + _each(written, machine.nvme_write_bytes_per_s)


def _each(amount: Bytes, rate: BytesPerSecond) -> Seconds:
    return np.where(np.greater(amount, 0), amount / rate, 0.0)
