"""Parameters of one rank, and the bytes of their weights, gradients and optimizer states."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.step.divisors import Divisors, divided
from steelyard.step.network.placement import expert_replicas
from steelyard.step.stages import Blocks, Stage, head_params
from steelyard.step.sums import added
from steelyard.step.tensors.recipe import frozen_width
from steelyard.strategies.recipe import PERSISTENT
from steelyard.tables import Job, Layout, Part, Recipe, Workload
from steelyard.units import Bytes, Count, Share


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

    weights_bytes: Bytes  # from step to step
    copies_bytes: Bytes  # working copies that are made in the forward pass and gone after the backward pass
    gradients_bytes: Bytes  # all of them
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

    A table that embedding and head share stands on both, and once on a lone stage. A schedule that runs both ways gives
    each rank two stages.

    Args:
        workload: the model's blocks and ends
        layout: tensor and ZeRO shard ranks
        by: the number of each divisor of the layout
        found: the layout's stages (`stages`)

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (blocks); Megatron-core,
        `share_embeddings_and_output_weights` (first and last stage each hold a shared table); DeepSeek-V3, arXiv
        2412.19437, table 2 (two copies of the parameters).
    Limits: the embedding's positions are counted as divided by tensor ranks (below 0.1 %).
    """
    each = tuple(held_params(one.params, by) for one in workload.blocks)
    held = tuple(_with_ends(workload, by, one, on_stage(each, one.blocks)) for one in found)
    return ModelParams(each, held, tuple(rank_params(one, layout, by) for one in held))


def _with_ends(workload: Workload, by: Divisors, stage: Stage, held: HeldParams) -> HeldParams:
    if np.ndim(stage.copies) or stage.copies != 1:
        held = HeldParams(held.dense * stage.copies, held.routed * stage.copies)
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


def quantised(recipe: Recipe) -> NDArray[np.bool_]:
    """Tell where frozen weights are stored packed (nf4, int4, int8), so that each pass over them unpacks them first.

    Args:
        recipe: bytes of a quantised parameter

    Source: Dettmers et al. 2023, arXiv 2305.14314, section 3: storage in 4 bits, products in 16.
    """
    return np.asarray(np.greater(recipe.packed_bytes, 0))


def weight_bytes(job: Job, recipe: Recipe) -> Bytes:
    r"""Bytes of one parameter's weight from step to step, frozen share included, fp32 master copy apart.

    .. math:: \tau\,\max(w (1 - c),\; e - m) + \tau\,k\,g + (1 - \tau)\,\max(f, F)

    Args:
        job: trainable share (τ), bytes of an element (e), of an element inside a matrix product (g), of the master
            copy (m) and of a frozen parameter (f).
        recipe: bytes of a working copy (w), whether it is only cast (c), 8-bit copies (k), least bytes of a
            frozen parameter that is not quantised (F), bytes of one that is (q).

    Source: Micikevicius et al. 2018, arXiv 1710.03740 (master copy); Hu et al. 2021, arXiv 2106.09685 (frozen share).
    Limits: without a master copy the working copy has the element's bytes.
    """
    copy: Bytes = np.maximum(recipe.weight_bytes * (1 - recipe.cast), job.element_bytes - job.master_bytes)
    if np.any(np.less(job.gemm_bytes, job.element_bytes)):
        copy = copy + np.asarray(recipe.fp8_copies * job.gemm_bytes * (job.gemm_bytes < job.element_bytes))
    if np.all(np.equal(job.trainable_share, 1)):
        return copy
    trained = job.trainable_share
    return trained * copy + (1 - trained) * frozen_width(job, recipe)


def copy_bytes(job: Job, recipe: Recipe) -> Bytes:
    r"""Bytes of one parameter's working copy that lives from forward to backward pass.

    .. math:: \tau\,\max(c\,w\,[m > 0],\; o\,e) + (1 - \tau)\,\max(c\,w\,[F > e],\; o\,\min(f, e))

    Args:
        job: trainable share (τ), bytes of an element (e), master copy (m) and frozen parameter (f).
        recipe: whether copies are cast (c), their bytes (w), of a frozen parameter (F), parameters on the host (o).

    Source: PyTorch documentation, torch.amp, autocast `cache_enabled`: 16-bit copies of fp32 weights, cached inside a
        region, which autograd keeps until the backward pass; fully_shard, `reshard_after_forward=False`: parameters
        stay gathered from forward to backward pass.
    """
    cast = recipe.cast * recipe.weight_bytes
    trained = np.maximum(cast * np.greater(job.master_bytes, 0), recipe.weights_on_host * job.element_bytes)
    gathered = recipe.weights_on_host * np.minimum(job.frozen_bytes, job.element_bytes)
    frozen = np.maximum(cast * np.greater(frozen_width(job, recipe), job.element_bytes), gathered)
    return job.trainable_share * trained + (1 - job.trainable_share) * frozen


def gradient_bytes(job: Job, recipe: Recipe) -> Bytes:
    """Return the bytes of one trained parameter's gradient: as wide as its parameter where autograd makes it.

    Args:
        job: bytes of an element and of the master copy, which is what autograd differentiates where there is one.
        recipe: bytes of gradients, and which life they have.

    Source: PyTorch documentation, torch.Tensor.grad: of the type of its tensor.
    """
    made = np.greater(recipe.grad_life, PERSISTENT) & np.equal(job.master_bytes, 0)
    return np.where(made, job.element_bytes, np.maximum(recipe.grad_bytes, job.element_bytes))


def by_unit(layout: Layout, recipe: Recipe) -> NDArray[np.bool_]:
    """Return where weights come block by block: from ZeRO stage 3 on, of several ranks or from the host."""
    apart = (np.asarray(layout.shard_devices) > 1) | np.greater(recipe.weights_on_host, 0)
    return np.asarray((np.asarray(layout.zero) >= 3) & apart)


@dataclass(frozen=True, slots=True)
class StateWidths:
    """Bytes of one parameter's states on a layout, and from which of a rank's parameters each is made."""

    weights_bytes: Bytes
    copies_bytes: Bytes  # 0 where blocks are gathered one by one
    gradients_bytes: Bytes
    kept_gradients: Share  # of sharded gradients, on the device
    reduce_bytes: Bytes  # of the whole, where replicas reduce a second gradient
    optimizer_bytes: Bytes
    weights_sharded: NDArray[np.bool_]
    gradients_sharded: NDArray[np.bool_]
    optimizer_sharded: NDArray[np.bool_]


def state_widths(job: Job, layout: Layout, recipe: Recipe) -> StateWidths:
    """Return the bytes of one parameter's states on some layouts, once for all of their stages.

    Args:
        job: optimizer moments, master copy and trainable share.
        layout: ZeRO stage, replicas, offload.
        recipe: bytes of gradients, updates and copies; the stage from which gradients are sharded.

    Source: as `states`.
    """
    trained, zero, copies = job.trainable_share, np.asarray(layout.zero), copy_bytes(job, recipe)
    update = np.where(np.asarray(job.master_bytes) > 0, recipe.update_bytes, 0.0)
    master = job.master_bytes * (1 - recipe.cast * recipe.weights_on_host)  # a weight that is only cast is this copy
    return StateWidths(
        weights_bytes=weight_bytes(job, recipe) * (1 - recipe.weights_on_host),
        copies_bytes=np.where(by_unit(layout, recipe), 0.0, copies) if np.any(copies) else 0.0,
        gradients_bytes=gradient_bytes(job, recipe) * trained,
        kept_gradients=1 - layout.offload,
        reduce_bytes=_second_gradient(job, layout, recipe),
        optimizer_bytes=(master + job.moment_bytes + update) * trained * (1 - layout.offload),
        weights_sharded=np.asarray(zero >= 3),
        gradients_sharded=np.asarray(zero >= recipe.grad_sharded_from),
        optimizer_sharded=np.asarray(zero >= 1),
    )


def _second_gradient(job: Job, layout: Layout, recipe: Recipe) -> Bytes:
    again = recipe.reduce_bytes
    return again * job.trainable_share * np.greater(layout.dp * layout.cp, 1) if np.any(again) else 0.0


def states(job: Job, layout: Layout, recipe: Recipe, params: RankParams) -> States:
    r"""Bytes of one rank's model states under ZeRO.

    .. math:: w\,(P | P_3), \quad \tau\,g\,(P | P_2) + \tau\,r\,P\,[d > 1], \quad \tau\,(m + o + u)\,(P | P_1)

    where :math:`P_k` is the shard from ZeRO stage k on and the whole below it.

    Args:
        job: optimizer moments (o), master copy (m) and trainable share (τ).
        layout: ZeRO stage; replicas (d); offload keeps optimizer states, and the gradients sharded with them, on the
            host.
        recipe: bytes of gradients (g), of a second one where replicas reduce it (r) and of updates (u) of one
            parameter; the stage from which gradients are sharded.
        params: parameters P of the rank.

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, figure 1.
    Limits: gradients are at least as wide as an element; without a master copy there is nothing to update from.
    """
    return states_of(state_widths(job, layout, recipe), params)


def states_of(widths: StateWidths, params: RankParams) -> States:
    """Return the bytes of one rank's states, given those of a parameter.

    Args:
        widths: bytes of one parameter, by kind
        params: parameters of the rank, whole and sharded

    Source: as `states`.
    """
    whole, shard = params.whole, params.shard
    gradients = widths.gradients_bytes * np.where(widths.gradients_sharded, shard * widths.kept_gradients, whole)
    if np.any(widths.reduce_bytes):
        gradients = gradients + widths.reduce_bytes * whole
    return States(
        weights_bytes=widths.weights_bytes * np.where(widths.weights_sharded, shard, whole),
        copies_bytes=widths.copies_bytes * whole,
        gradients_bytes=gradients,
        optimizer_bytes=widths.optimizer_bytes * np.where(widths.optimizer_sharded, shard, whole),
    )
