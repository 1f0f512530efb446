"""Rows of attention: its products, its core, and what they leave behind."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from steelyard.units import Count, Flop
from steelyard.workload.architecture import Architecture
from steelyard.workload.flops import attention_pairs
from steelyard.workload.row import TENSOR, WHOLE, Row
from steelyard.workload.visits import targets, visited


def attention(arch: Architecture, s: Count, kind: str) -> Iterator[Row]:
    """Yield the rows of softmax attention in one kind of block.

    Args:
        arch: the shape of the model [-]
        s: tokens of one sample [-]
        kind: the kind of block

    Source: DeepSeek-V2, arXiv 2405.04434, section 2.1 (MLA); cross-attention: Vaswani et al. 2017, arXiv 1706.03762.
    """
    row = partial(Row, block=kind)
    passed = visited(arch)
    queries, values = arch.heads * arch.head_dim, arch.heads * arch.v_head_dim
    plain = queries + arch.kv_heads * (arch.head_dim + arch.v_head_dim)
    down = arch.q_lora + arch.kv_lora + arch.rope_dim
    yield row(
        name="queries, keys, values",
        repeats=passed,
        m=s,
        k=arch.hidden,
        n=down if arch.mla else plain,
        split_n=WHOLE if arch.mla else TENSOR,
    )
    if arch.mla:
        rank = arch.q_lora or arch.kv_lora
        latent_q = (arch.q_lora or arch.hidden) * queries
        latent_kv = arch.kv_lora * arch.heads * (arch.head_dim - arch.rope_dim + arch.v_head_dim)
        yield row(name="latents", repeats=passed, m=s, k=rank, n=(latent_q + latent_kv) / rank, split_n=TENSOR)
    yield from _core(arch, s, row)
    yield row(
        name="attention output",
        repeats=passed,
        m=s,
        k=values,
        n=arch.hidden,
        split_k=TENSOR,
    )
    yield row(name="attention", params=arch.attention_params, exchange="all_reduce", sent=arch.hidden * s)
    crossed = arch.layers - arch.encoder_layers if arch.encoder_layers else 0
    yield row(
        name="cross-attention",
        repeats=crossed / arch.layers,
        m=s,
        k=arch.hidden,
        n=plain - queries + (queries + values) * targets(arch),
        split_n=TENSOR,
    )


def _core(arch: Architecture, s: Count, row: partial[Row]) -> Iterator[Row]:
    """Scores and values, and what they leave: queries, keys, values, output; unfused, the scores and their dropout.

    MLA expands keys and values to every head and keeps its compressed queries, keys and values too, before and after
    their norm.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1 (8sbh of the 24, with a·d = h; 2as²b + as²b +
    2as²b of scores); DeepSeek-AI 2024, arXiv 2405.04434, section 2.1 (MLA).
    """
    kv_heads = arch.heads if arch.mla else arch.kv_heads
    compressed = 2 * (arch.q_lora + arch.kv_lora) + arch.rope_dim if arch.mla else 0
    yield row(
        name="attention core",
        flop=_scores_flop(arch, s),
        scores=arch.heads * s * s,
        keys=s,
        head_dim=arch.head_dim,
        exchange="ring",
        sent=arch.kv_heads * (arch.head_dim + arch.v_head_dim) * s,
    )
    yield row(
        name="queries, keys, values, output",
        kept=((arch.heads + kv_heads) * (arch.head_dim + arch.v_head_dim) + compressed) * s,
        kept_kind="attention",
        split_kept=TENSOR,
        moved=2 * (arch.heads + arch.kv_heads) * arch.head_dim * s,
        moved_kind="inside",
        split_moved=TENSOR,
    )
    scores = partial(row, kept_kind="scores", split_kept=TENSOR)
    yield scores(name="scores", kept=(1 + arch.dropout) * arch.heads * s * s)
    yield scores(name="dropout of scores", kept=arch.dropout * arch.heads * s * s, kept_width="byte")


def _scores_flop(arch: Architecture, sequence: Count) -> Flop:
    """FLOPs of scores and values in an average attention block, one sequence: 2 for each multiply-add of either."""
    share = arch.windowed_layers / np.maximum(arch.attention_layers, 1)
    encoder = arch.encoder_layers / arch.layers
    full = attention_pairs(sequence, 0, 1)
    both_ways = attention_pairs(sequence, 0, 0)
    shorter = targets(arch)
    crossed = (1 - encoder) * both_ways * shorter if arch.encoder_layers else 0.0
    one_way = share * attention_pairs(sequence, arch.window_tokens, 1) + (1 - share) * full
    seen = one_way if arch.causal else both_ways
    pairs = encoder * both_ways + (1 - encoder) * seen * shorter**2 + crossed
    flop: Flop = 2 * pairs * arch.heads * (arch.head_dim + arch.v_head_dim)
    return flop
