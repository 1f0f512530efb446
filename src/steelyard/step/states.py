"""Parameters of one rank, and the bytes of their weights, gradients and optimizer states."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.step.divisors import Divisors, divided
from steelyard.step.network.placement import expert_replicas
from steelyard.step.stages import Blocks, Stage, head_params
from steelyard.step.sums import added
from steelyard.tables import Job, Layout, Part, Stack, Workload
from steelyard.units import Bytes, Count


@dataclass(frozen=True, slots=True)
class HeldParams:
    """What one rank holds before ZeRO divides it: of routed experts, and of all else."""

    dense: Count
    routed: Count


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


def held_params(parts: tuple[Part, ...], by: Divisors) -> HeldParams:
    """Return what one rank holds of some parts, routed experts apart from all else.

    Args:
        parts: parameters, or what goes with them, by kind and divisor
        by: the number of each divisor

    Source: as `divisors`.

    >>> fourfold = Divisors(1.0, 4.0, 1.0, 8.0, 1.0, 8.0, 1.0)
    >>> held_params((Part("dense", "tensor", 8.0), Part("routed", "expert_ranks", 64.0)), fourfold)
    HeldParams(dense=2.0, routed=8.0)
    """
    return HeldParams(
        dense=divided([part for part in parts if part.kind != "routed"], by),
        routed=divided([part for part in parts if part.kind == "routed"], by),
    )


def on_stage(each: tuple[HeldParams, ...], blocks: Blocks) -> HeldParams:
    """Return what one rank holds of all blocks of a stage.

    Args:
        each: of one block of each kind
        blocks: of the stage

    Source: a stage is its blocks (`stages`).
    """
    pairs = list(zip(each, blocks, strict=True))
    return HeldParams(
        dense=added(held.count * one.dense for one, held in pairs),
        routed=added(held.count * one.routed for one, held in pairs if np.any(one.routed)),
    )


@dataclass(frozen=True, slots=True)
class ModelParams:
    """What one rank holds of a block of each kind, and of each stage in the order of `stages`, whole and sharded."""

    blocks: tuple[HeldParams, ...]
    stages: tuple[HeldParams, ...]
    ranks: tuple[RankParams, ...]


def model_params(workload: Workload, layout: Layout, by: Divisors, found: tuple[Stage, ...]) -> ModelParams:
    """Return the parameters of one rank of each stage: its blocks, the embedding on the first, the head on the last.

    A table that embedding and head share stands on both, and once on a lone stage.

    Args:
        workload: the model's blocks and ends
        layout: tensor and ZeRO shard ranks
        by: the number of each divisor of the layout
        found: the layout's stages (`stages`)

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (blocks); Megatron-core,
        `share_embeddings_and_output_weights` (first and last stage each hold a shared table).
    Limits: the embedding's positions are counted as divided by tensor ranks (below 0.1 %).
    """
    each = tuple(held_params(one.params, by) for one in workload.blocks)
    held = tuple(_with_ends(workload, by, one, on_stage(each, one.blocks)) for one in found)
    return ModelParams(each, held, tuple(rank_params(one, layout, by) for one in held))


def _with_ends(workload: Workload, by: Divisors, stage: Stage, held: HeldParams) -> HeldParams:
    once = np.where(workload.head.params, 1.0, 1 - stage.first)
    ends = stage.first * workload.embedding.params + stage.last * once * head_params(workload)
    each = stage.first * workload.embedding.whole_params + stage.last * workload.head.whole_params
    return HeldParams(held.dense + (ends / by.tensor + each), held.routed)


def rank_params(held: HeldParams, layout: Layout, by: Divisors) -> RankParams:
    r"""Parameters that one rank holds of a stage, and its shard of them.

    .. math:: D + R, \quad \frac{D}{n} + \frac{R}{\max(t\,n / e,\; 1)}

    Args:
        held: parameters of the rank, routed experts (R) apart from the others (D)
        layout: tensor (t) and ZeRO shard (n) ranks
        by: the number of each divisor: ranks that experts lie over (e) [-]

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 5; experts have their own, smaller data-parallel
        group of t·n/e ranks, so that sharded states of experts end on t·n ranks like the others.
    """
    shard = held.dense / layout.shard_devices
    if not np.any(held.routed):
        return RankParams(held.dense, shard)
    replicas = expert_replicas(by.tensor, layout.shard_devices, by.expert_ranks)
    return RankParams(held.dense + held.routed, shard + held.routed / replicas)


UNPACKED_BYTES = 2.0
"""Bytes of a frozen parameter that a product takes as it is stored; a mean below it has packed ones in it."""


def quantised(job: Job) -> NDArray[np.bool_]:
    """Tell where frozen weights are stored packed (nf4, int4, int8), so that each pass over them unpacks them first.

    Args:
        job: bytes of a frozen parameter, trainable share

    Source: Dettmers et al. 2023, arXiv 2305.14314, section 3: storage in 4 bits, products in 16.
    """
    return np.asarray(np.less(job.frozen_bytes, UNPACKED_BYTES) & np.less(job.trainable_share, 1))


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
