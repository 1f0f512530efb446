"""Rows of what follows attention: a dense MLP, or a router with shared and routed experts."""

from collections.abc import Iterator
from functools import partial

from steelyard.units import Count
from steelyard.workload.architecture import Architecture
from steelyard.workload.row import EXPERT, EXPERT_RANKS, EXPERT_SEQUENCE, EXPERT_TENSOR, SEQUENCE, TENSOR, WHOLE, Row


def mlp(arch: Architecture, s: Count, kind: str) -> Iterator[Row]:
    """Yield the rows of a dense MLP, gated or not.

    Args:
        arch: the shape of the model [-]
        s: tokens of one sample [-]
        kind: the kind of block

    Source: Shazeer 2020, arXiv 2002.05202; Korthikanti et al. 2022, arXiv 2205.05198, section 4.1.
    Limits: what a gated activation that is not one kernel keeps besides is a kind of its own (`activation input`).
    """
    row = partial(Row, block=kind)
    gates = arch.ffn_matrices - 1
    yield row(name="MLP in", m=s, k=arch.hidden, n=arch.ffn * gates, split_n=TENSOR)
    yield row(name="MLP out", m=s, k=arch.ffn, n=arch.hidden, split_k=TENSOR)
    yield row(
        name="MLP",
        params=arch.mlp_params,
        kept=arch.ffn_matrices * arch.ffn * s,
        kept_kind="mlp",
        split_kept=TENSOR,
        narrowed=arch.ffn * s,
        moved=arch.ffn_matrices * arch.ffn * s,
        moved_kind="inside",
        split_moved=TENSOR,
        exchange="all_reduce",
        sent=arch.hidden * s,
    )
    yield _activation_input(row, (gates - 1) * arch.ffn * s)


def _activation_input(row: partial[Row], elements: Count) -> Row:
    """What a gated activation that is not one kernel keeps beside its output."""
    return row(name="activation input", kept=elements, kept_kind="activation input", split_kept=TENSOR)


def experts(arch: Architecture, s: Count, kind: str) -> Iterator[Row]:
    """Router, shared and routed experts; of each copy its dispatched input, intermediate tensors and output are kept.

    Source: derived from Shazeer et al. 2017, arXiv 1701.06538, equation 1; router logits and probabilities in fp32.
    """
    row = partial(Row, block=kind)
    gates = arch.ffn_matrices - 1
    also = arch.hidden * s if arch.shared_ffn else 0.0  # beside the router
    shared = partial(row, doubled=also, split_kept=SEQUENCE)
    yield shared(name="shared in", m=s, k=arch.hidden, n=arch.shared_ffn * gates, split_n=TENSOR)
    yield row(name="shared out", m=s, k=arch.shared_ffn, n=arch.hidden, split_k=TENSOR)
    yield row(
        name="shared experts",
        params=arch.shared_params,
        kept=arch.ffn_matrices * arch.shared_ffn * s,
        kept_kind="mlp",
        split_kept=TENSOR,
        narrowed=arch.shared_ffn * s,
        moved=arch.ffn_matrices * arch.shared_ffn * s,
        moved_kind="inside",
        split_moved=TENSOR,
    )
    yield _activation_input(row, (gates - 1) * (arch.shared_ffn + arch.top_k * arch.moe_ffn) * s)
    yield row(
        name="router",
        params=arch.router_params,
        split_params=WHOLE,
        kept=2 * arch.experts * s,
        kept_kind="router",
        kept_width="fp32",
        split_kept=TENSOR,
    )
    yield from _routed(arch, s, row)
    yield row(
        name="copies of dispatched tokens",
        kept=arch.top_k * arch.hidden * s,
        kept_kind="dispatched",
        kept_width="byte",
        split_kept=TENSOR,
    )


def _routed(arch: Architecture, s: Count, row: partial[Row]) -> Iterator[Row]:
    gates, copies = arch.ffn_matrices - 1, arch.top_k
    expert = partial(
        row,
        m=s * copies,
        groups=max(arch.experts, 1),
        split_m=EXPERT_SEQUENCE,
        split_groups=EXPERT,
    )
    yield expert(name="experts in", k=arch.hidden, n=arch.moe_ffn * gates, split_n=EXPERT_TENSOR)
    yield expert(name="experts out", k=arch.moe_ffn, n=arch.hidden, split_k=EXPERT_TENSOR)
    yield row(
        name="experts",
        params=arch.routed_params,
        split_params=EXPERT_RANKS,
        active=copies / arch.experts,
        kept=copies * (2 * arch.hidden + arch.ffn_matrices * arch.moe_ffn) * s,
        kept_kind="expert",
        split_kept=TENSOR,
        narrowed=copies * (arch.hidden + arch.moe_ffn) * s,
        moved=arch.ffn_matrices * copies * arch.moe_ffn * s,
        moved_kind="inside",
        split_moved=TENSOR,
        exchange="expert_all_reduce",
        sent=arch.hidden * s,
    )
    for name in ("dispatch", "combine"):
        yield row(
            name=name,
            moved=2 * copies * arch.hidden * s,
            moved_kind="dispatch",
            split_moved=SEQUENCE,
            exchange="dispatch",
            sent=arch.hidden * s,
        )
