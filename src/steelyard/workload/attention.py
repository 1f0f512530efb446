"""Rows of attention: its products, its core, and what they leave behind."""

from collections.abc import Iterator
from functools import partial

from steelyard.units import Count
from steelyard.workload.architecture import Architecture
from steelyard.workload.flops import attention_pairs
from steelyard.workload.row import SEQUENCE, TENSOR, WHOLE, Row


def one_way_pairs(arch: Architecture, s: Count, document: Count) -> Count:
    """Return the query-key pairs of one causal head and sample, the mean over blocks with a window and without.

    Args:
        arch: blocks with a window, its length [-]
        s: tokens of one sample [-]
        document: mean tokens of its documents, which are masked from each other (0: they are not) [-]

    Source: `attention_pairs`.
    """
    share, window = arch.windowed_layers / max(arch.attention_layers, 1), arch.window_tokens
    return share * attention_pairs(s, window, document, 1) + (1 - share) * attention_pairs(s, 0, document, 1)


def attention(arch: Architecture, s: Count, kind: str, pairs: Count, document: Count) -> Iterator[Row]:
    """Yield the rows of softmax attention in one kind of block.

    Args:
        arch: the shape of the model [-]
        s: tokens of one sample [-]
        kind: the kind of block
        pairs: queries and keys of one head whose score is computed [-]
        document: mean tokens of a sample's documents, which are masked from each other (0: they are not) [-]

    Source: DeepSeek-V2, arXiv 2405.04434, section 2.1 (MLA: it expands keys and values to every head, and keeps its
        compressed queries, keys and values too, before and after their norm).
    """
    row = partial(Row, block=kind)
    queries, values = arch.heads * arch.head_dim, arch.heads * arch.v_head_dim
    plain = queries + arch.kv_heads * (arch.head_dim + arch.v_head_dim)
    down = arch.q_lora + arch.kv_lora + arch.rope_dim
    yield row(
        name="queries, keys, values",
        m=s,
        k=arch.hidden,
        n=down if arch.mla else plain,
        split_n=WHOLE if arch.mla else TENSOR,
    )
    if arch.mla:
        rank = arch.q_lora or arch.kv_lora
        latent_q = (arch.q_lora or arch.hidden) * queries
        latent_kv = arch.kv_lora * arch.heads * (arch.head_dim - arch.rope_dim + arch.v_head_dim)
        yield row(name="latents", m=s, k=rank, n=(latent_q + latent_kv) / rank, split_n=TENSOR)
    kept = 2 * (arch.q_lora + arch.kv_lora) + arch.rope_dim if arch.mla else 0
    seen = 2 * attention_pairs(s, 0, document, 1) / s
    normed = (arch.q_lora + arch.kv_lora) * s if arch.mla else 0.0
    yield from _core(arch, partial(row, keys=seen), "attention", pairs, s, s, kept * s, normed)
    yield row(name="attention output", m=s, k=values, n=arch.hidden, split_k=TENSOR)
    yield row(name="attention", params=arch.attention_params, exchange="all_reduce", sent=arch.hidden * s)
    yield row(
        name="keys and values to the ring",
        exchange="ring",
        sent=arch.kv_heads * (arch.head_dim + arch.v_head_dim) * s,
    )


def cross_attention(arch: Architecture, targets: Count, s: Count, kind: str) -> Iterator[Row]:
    """Yield the rows of a decoder's attention to its encoder: queries of the targets, keys and values of the inputs.

    Args:
        arch: the shape of the model [-]
        targets: tokens of one sample in the decoder [-]
        s: tokens of one sample in the encoder [-]
        kind: the kind of block

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2.3.
    """
    row = partial(Row, block=kind)
    keys_values = arch.kv_heads * (arch.head_dim + arch.v_head_dim)
    yield row(name="cross queries", m=targets, k=arch.hidden, n=arch.heads * arch.head_dim, split_n=TENSOR)
    yield row(name="cross keys and values", m=s, k=arch.hidden, n=keys_values, split_n=TENSOR)
    yield from _core(arch, partial(row, keys=s), "cross-attention", targets * s, targets, s, 0, 0)
    yield row(name="cross output", m=targets, k=arch.heads * arch.v_head_dim, n=arch.hidden, split_k=TENSOR)
    yield row(
        name="cross-attention",
        params=arch.cross_params,
        kept=2 * arch.hidden * targets,
        kept_kind="stream",
        split_kept=SEQUENCE,
        narrowed=arch.hidden * targets,
        moved=arch.hidden * targets / 2,  # a third part of a block beside attention and MLP
        moved_kind="stream",
        split_moved=SEQUENCE,
        exchange="all_reduce",
        sent=arch.hidden * targets,
    )


def _core(
    arch: Architecture,
    row: partial[Row],
    name: str,
    pairs: Count,
    s: Count,
    keys: Count,
    more: Count,
    normed: Count,
) -> Iterator[Row]:
    """Scores and values, and what they leave: queries, keys, values, output; unfused, the scores and their dropout.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1 (8sbh of the 24, with a·d = h; 2as²b + as²b +
    2as²b of scores).
    """
    widths = arch.head_dim + arch.v_head_dim
    kv_heads = arch.heads if arch.mla else arch.kv_heads
    yield row(
        name=f"{name} core",
        flop=2 * pairs * arch.heads * widths,
        unfused_flop=2 * arch.heads * s * keys * widths,
        scores=arch.heads * s * keys,
        head_dim=arch.head_dim,
        kept=arch.heads * widths * s + kv_heads * widths * keys + more,
        kept_kind="attention",
        split_kept=TENSOR,
        narrowed=normed,
        doubled=arch.heads * arch.v_head_dim * s,
        moved=2 * arch.head_dim * (arch.heads * s + arch.kv_heads * keys),
        moved_kind="inside",
        split_moved=TENSOR,
    )
    rotated = arch.heads * arch.head_dim * s + kv_heads * arch.head_dim * keys
    yield row(name="queries and keys before rotation", kept=rotated, kept_kind="rotated", split_kept=TENSOR)
    yield row(
        name="keys and values of all heads",
        kept=(arch.heads - kv_heads) * widths * keys,
        kept_kind="expanded heads",
        split_kept=TENSOR,
    )
    scores = partial(row, kept_kind="scores", split_kept=TENSOR)
    yield scores(name="scores", kept=(1 + arch.dropout) * arch.heads * s * keys)
    yield scores(name="dropout of scores", kept=arch.dropout * arch.heads * s * keys, kept_width="byte")
