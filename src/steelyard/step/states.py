"""Parameters of one rank, and the bytes of their weights, gradients and optimizer states."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.divisors import Divisors
from steelyard.tables import Job, Layout, Part, Stack
from steelyard.units import Bytes, Count


@dataclass(frozen=True, slots=True)
class RankParams:
    """Parameters of one rank: `whole` before and `shard` after ZeRO divides them."""

    whole: Count
    shard: Count


@dataclass(frozen=True, slots=True)
class States:
    """Bytes of one rank's weights, gradients and optimizer states."""

    weights_bytes: Bytes
    gradients_bytes: Bytes
    optimizer_bytes: Bytes


def rank_params(parts: tuple[Part, ...], layout: Layout, by: Divisors) -> RankParams:
    r"""Parameters that one rank holds of a stage.

    .. math:: \frac{D}{t} + \frac{R}{e}, \quad \frac{D}{t\,n} + \frac{R}{\max(t\,n, e)}

    Args:
        parts: parameters of the stage, routed experts (R) apart from the others (D)
        layout: ZeRO shard (n) ranks
        by: the number of each divisor: tensor (t) and expert (e) ranks [-]

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 5; experts have their own, smaller data-parallel
        group of t·n/e ranks, so that sharded states of experts end on t·n ranks like the others.
    Limits: the embedding's positions are counted as divided by t (below 0.1 %).
    """
    whole: Count = 0.0
    shard: Count = 0.0
    shards = by.tensor * layout.shard_devices
    for part in parts:
        ranks = getattr(by, part.split)
        apart = np.maximum(shards, ranks) if part.kind == "routed" else ranks * layout.shard_devices
        whole = whole + part.amount / ranks
        shard = shard + part.amount / apart
    return RankParams(whole, shard)


def weight_bytes(job: Job, stack: Stack) -> Bytes:
    r"""Bytes of one parameter's weight in memory, frozen share included, fp32 master copy apart.

    .. math:: \tau\,\max(w (1 - c),\; e - m) + \tau\,k\,g + (1 - \tau)\,\max(f, F)

    Args:
        job: trainable share (τ), bytes of an element (e), of an element inside a matrix product (g), of the master
            copy (m) and of a frozen parameter (f).
        stack: bytes of a working copy (w), whether it is only cast (c), 8-bit copies (k), least bytes of a
            frozen parameter that is not quantised (F).

    Source: Micikevicius et al. 2018, arXiv 1710.03740 (master copy); Hu et al. 2021, arXiv 2106.09685 (frozen share).
    Limits: without a master copy the working copy has the element's bytes.
    """
    copy: Bytes = np.maximum(stack.weight_bytes * (1 - stack.cast), job.element_bytes - job.master_bytes)
    if np.any(np.less(job.gemm_bytes, job.element_bytes)):
        copy = copy + np.asarray(stack.fp8_copies * job.gemm_bytes * (job.gemm_bytes < job.element_bytes))
    if np.all(np.equal(job.trainable_share, 1)):
        return copy
    frozen = np.where(job.frozen_bytes >= 2, np.maximum(job.frozen_bytes, stack.frozen_bytes), job.frozen_bytes)
    trained = job.trainable_share
    return trained * copy + (1 - trained) * frozen


def states(job: Job, layout: Layout, stack: Stack, params: RankParams) -> States:
    r"""Bytes of one rank's model states under ZeRO.

    .. math:: w\,(P | P_3), \quad \tau\,g\,(P | P_2), \quad \tau\,(m + o + u)\,(P | P_1)

    where :math:`P_k` is the shard from ZeRO stage k on and the whole below it.

    Args:
        job: optimizer moments (o), master copy (m) and trainable share (τ).
        layout: ZeRO stage; offload keeps optimizer states, and the gradients sharded with them, on the host.
        stack: bytes of gradients (g) and updates (u) of one parameter; the stage from which gradients are sharded.
        params: parameters P of the rank.

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, figure 1.
    Limits: gradients are at least as wide as an element; without a master copy there is nothing to update from.
    """
    trained = job.trainable_share
    whole, shard, zero = params.whole, params.shard, np.asarray(layout.zero)
    mine = np.where(zero >= stack.grad_sharded_from, shard * (1 - layout.offload), whole)
    update = np.where(np.asarray(job.master_bytes) > 0, stack.update_bytes, 0.0)
    each: Bytes = (job.master_bytes + job.moment_bytes + update) * trained * (1 - layout.offload)
    return States(
        weights_bytes=weight_bytes(job, stack) * np.where(zero >= 3, shard, whole),
        gradients_bytes=np.maximum(stack.grad_bytes, job.element_bytes) * trained * mine,
        optimizer_bytes=each * np.where(zero >= 1, shard, whole),
    )
