"""Seconds that ranks which hold the same parameters take to reduce gradients and to gather weights."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.network.collectives import Collective
from steelyard.step.network.communication import ring, wires
from steelyard.step.network.placement import expert_replicas, ranks_in_domain
from steelyard.step.rank import Rank
from steelyard.step.states import HeldParams, by_unit, quantised
from steelyard.step.tensors.recipe import settled
from steelyard.tables import Layout
from steelyard.units import Bytes, Count, Seconds


@dataclass(frozen=True, slots=True)
class Replicas:
    """How ranks that hold the same parameters exchange them: all reduce gradients, those that share states gather."""

    reduce: Collective
    gather: Collective
    experts: tuple[Collective, ...]  # how experts are reduced and gathered; none where no model has any
    grad_bytes: Bytes  # that cross of one parameter
    weight_bytes: Bytes

    def reduce_s(self, held: HeldParams) -> Seconds:
        """Return the seconds to reduce all gradients of a rank once."""
        return self._both(held, self.grad_bytes, self.reduce, self.experts[:1])

    def gather_s(self, held: HeldParams) -> Seconds:
        """Return the seconds to gather all parameters of a rank once."""
        return self._both(held, self.weight_bytes, self.gather, self.experts[1:])

    def _both(self, held: HeldParams, each: Bytes, dense: Collective, routed: tuple[Collective, ...]) -> Seconds:
        taken = dense.takes_s(held.dense * each)
        if not routed or not np.any(held.routed):
            return taken
        return taken + np.greater(held.routed, 0) * routed[0].takes_s(held.routed * each)  # without experts none starts


def replicas(rank: Rank, layout: Layout) -> Replicas:
    """Return how data parallelism and ZeRO exchange parameters, those of experts among the ranks that hold the same."""
    lines, domain = wires(rank.machine, rank.kernels, layout), rank.machine.domain_devices

    def rings(everyone: Count, sharing: Count, stride: Count) -> tuple[Collective, Collective]:
        return (
            ring(2, everyone, ranks_in_domain(everyone, stride, domain), lines),
            ring(1, sharing, ranks_in_domain(sharing, stride, domain), lines),
        )

    copies = rank.staged.stages[0].copies  # a stage lies on two devices of a pipeline that runs both ways
    ranks, over = (layout.dp * layout.cp * copies, layout.shard_devices), rank.by.expert_ranks
    reduce, gather = rings(*ranks, layout.tp)
    experts: tuple[Collective, ...] = ()
    if any(np.any(one.experts) for one in rank.job.workload.blocks):
        alike, sharing = (expert_replicas(layout.tp, some, over) for some in ranks)
        experts = rings(alike, sharing, over)
    grads = rank.stack.grad_bytes * rank.job.trainable_share
    return Replicas(reduce, gather, experts, grads, _gathered_bytes(rank, layout))


def _gathered_bytes(rank: Rank, layout: Layout) -> Bytes:
    """Bytes that cross of one parameter: of those that an update changed, under ZeRO-3 of all, packed ones as stored.

    Source: Rajbhandari et al. 2020, arXiv 1910.02054, section 7 (what an update changed; stage 3: all); packed ones:
        huggingface.co/docs/bitsandbytes/fsdp_qlora.
    Limits: FSDP that keeps parameters from forward to backward pass gathers frozen ones, too; here it counts as ZeRO-2.
    """
    job, each = rank.job, rank.stack.gather_bytes
    if np.all(np.equal(job.trainable_share, 1)):
        return each
    gathered = by_unit(layout, settled(job.recipe, rank.stack))
    frozen = np.where(quantised(job.recipe), job.frozen_bytes, each) * gathered
    both: Bytes = job.trainable_share * each + (1 - job.trainable_share) * frozen
    return both
