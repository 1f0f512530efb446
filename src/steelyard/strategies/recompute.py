"""Policies of recomputation, a row each: what stays of a block's forward pass, and what of it runs again."""

from dataclasses import dataclass

from steelyard.units import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class RecomputePolicy:
    """What the blocks under one policy keep from forward to backward pass, and repeat of the forward pass."""

    name: str  # as people write it
    input_alone: bool = False  # nothing stays but the input of a block
    dropped: frozenset[str] = frozenset()  # else: kinds of kept tensors (`workload.row.Row.kept_kind`) that do not stay
    kept_share: str = ""  # constant of `tables.Stack`: how much of what stays a stack does keep; empty: all of it
    products: Share = 0.0  # shares of the forward pass that run again
    unfused_core: Share = 0.0  # attention as two batched products
    fused_core: Share = 0.0
    pointwise: Share = 0.0
    exchanges: Share = 0.0
    source: str


CHEAP_SHARE = 0.5
"""Of a block's element-wise work, what selective recomputation repeats beside unfused scores: chosen."""

POLICIES = (
    RecomputePolicy(name="none", source="arXiv 2205.05198, section 4.1: all activations are stored"),
    RecomputePolicy(
        name="selective",
        dropped=frozenset({"scores"}),
        kept_share="selective_scale",
        unfused_core=1.0,
        pointwise=CHEAP_SHARE,
        source="arXiv 2205.05198, section 5: the scores, softmax and dropout of attention; a fused core does so itself",
    ),
    RecomputePolicy(
        name="full",
        input_alone=True,
        products=1.0,
        unfused_core=1.0,
        fused_core=1.0,
        pointwise=1.0,
        exchanges=1.0,
        source="arXiv 2205.05198, section 5: a second forward pass of each block from its input",
    ),
)
"""By their number in `tables.Layout`, in the order of what runs again.

A number between two is a share of the blocks under the later one, the others under none: 1.25 is full recomputation of
a quarter of the blocks.
"""

RECOMPUTE = tuple(policy.name for policy in POLICIES)
