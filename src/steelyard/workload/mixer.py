"""Rows of a token mixer that is no softmax attention: state space (Mamba), lightning attention."""

from collections.abc import Iterator

from steelyard.units import Count
from steelyard.workload.architecture import Architecture
from steelyard.workload.row import TENSOR, Row


def mixer(arch: Architecture, s: Count, kind: str) -> Iterator[Row]:
    """Yield the rows of a mixer of which no more is known than its parameters.

    Each weight is multiplied with each token once, as in the mixer's projections; what these make is kept and moved.

    Args:
        arch: the shape of the model [-]
        s: tokens of one sample [-]
        kind: the kind of block

    Source: Gu & Dao 2023, arXiv 2312.00752, section 3.4: almost all weights of a Mamba block are linear projections
        (3 E D^2 of them); Kaplan et al. 2020, arXiv 2001.08361, section 2.1: 2 FLOPs a weight and token.
    Limits: the scan's own FLOPs (about 1.6 % of the products in a Mamba-2 hybrid) and its kept states are left out.
    """
    made = arch.mixer_params / arch.hidden
    yield Row(
        name="mixer",
        block=kind,
        m=s,
        k=arch.hidden,
        n=made,
        split_n=TENSOR,
        params=arch.mixer_params,
        kept=made * s,
        kept_kind="mixer",
        split_kept=TENSOR,
        moved=2 * made * s,
        moved_kind="inside",
        split_moved=TENSOR,
        exchange="all_reduce",
        sent=arch.hidden * s,
    )
