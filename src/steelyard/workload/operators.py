"""From an architecture to the operators of its forward pass."""

import numpy as np

from steelyard.tables import Architecture, Job, Operator, Workload
from steelyard.units import Count, Flop, Share
from steelyard.workload.flops import attention_pairs, product_flop, training_flop


def workload(job: Job) -> Workload:
    """Return the operators of one forward pass and the FLOPs of one sequence.

    Without MLA one product makes queries, keys and values; with MLA `qkv` holds the down-projections (each rank
    computes all of them) and `latent` the up-projections (divided by heads). Gate and up-projection are one product.

    Source: Shazeer 2020, arXiv 2002.05202 (gated MLP); DeepSeek-V2, arXiv 2405.04434, section 2.1 (MLA); Switch,
        arXiv 2101.03961 (routed experts). Router products (d·E) are below 0.1 % and left out of the operators.
    """
    arch = job.architecture
    parts = {**_attention(arch), **_mlp(arch), **_experts(arch)}
    vocab = _operator(blocks=1, rows=_targets(arch), inner=arch.hidden, outer=arch.vocab, split_outer=1)
    scores = _scores_flop(job)
    sequence = job.sequence_tokens
    gemm = sum((_flop(operator, sequence) for operator in parts.values()), start=np.float64(0))
    attention = arch.attention_layers * scores
    head = _flop(vocab, sequence)
    total = training_flop(gemm + attention + head)
    return Workload(
        **parts,
        vocab=vocab,
        scores_flop=scores,
        gemm_flop=gemm,
        attention_flop=attention,
        vocab_flop=head,
        model_flop=total,
    )


def _operator(
    *,
    blocks: Count,
    inner: Count,
    outer: Count,
    rows: Count = 1,
    groups: Count = 1,
    split_inner: Share = 0,
    split_outer: Share = 0,
) -> Operator:
    return Operator(blocks, rows, groups, inner, outer, split_inner, split_outer)


def _flop(operator: Operator, tokens: Count) -> Flop:
    return operator.blocks * product_flop(tokens * operator.rows, operator.inner, operator.outer)


def _targets(arch: Architecture) -> Share:
    """Decoder tokens for each token of the sequence: fewer than 1 in an encoder-decoder."""
    return np.where(arch.encoder_layers, arch.target_share, 1.0)


def _visited(arch: Architecture) -> Share:
    """Share of its blocks that a token of the sequence passes, when the decoder sees fewer tokens."""
    encoder = arch.encoder_layers / arch.layers
    return encoder + (1 - encoder) * _targets(arch)


def _attention(arch: Architecture) -> dict[str, Operator]:
    blocks = arch.attention_layers * _visited(arch)
    plain = arch.heads * arch.head_dim + arch.kv_heads * (arch.head_dim + arch.v_head_dim)
    down = arch.q_lora + arch.kv_lora + arch.rope_dim
    latent_q = np.where(arch.q_lora, arch.q_lora, arch.hidden) * arch.heads * arch.head_dim
    latent_kv = arch.kv_lora * arch.heads * (arch.head_dim - arch.rope_dim + arch.v_head_dim)
    rank = np.maximum(np.where(arch.q_lora, arch.q_lora, arch.kv_lora), 1)
    crossed = np.where(arch.encoder_layers, arch.layers - arch.encoder_layers, 0)
    values, queries = arch.heads * arch.v_head_dim, arch.heads * arch.head_dim
    return {
        "qkv": _operator(
            blocks=blocks, inner=arch.hidden, outer=np.where(arch.mla, down, plain), split_outer=1 - arch.mla
        ),
        "latent": _operator(
            blocks=blocks * arch.mla, inner=rank, outer=(latent_q + latent_kv) / rank * arch.mla, split_outer=1
        ),
        "projection": _operator(blocks=blocks, inner=values, outer=arch.hidden, split_inner=1),
        "cross": _operator(
            blocks=crossed,
            inner=arch.hidden,
            outer=plain - queries + (queries + values) * _targets(arch),
            split_outer=1,
        ),
    }


def _mlp(arch: Architecture) -> dict[str, Operator]:
    dense = (arch.layers - arch.moe_layers) * _visited(arch)
    gates = arch.ffn_matrices - 1
    shared = arch.moe_layers * (np.asarray(arch.shared_ffn) > 0)  # without shared experts there is no product to launch
    return {
        "mlp_in": _operator(blocks=dense, inner=arch.hidden, outer=arch.ffn * gates, split_outer=1),
        "mlp_out": _operator(blocks=dense, inner=arch.ffn, outer=arch.hidden, split_inner=1),
        "shared_in": _operator(blocks=shared, inner=arch.hidden, outer=arch.shared_ffn * gates, split_outer=1),
        "shared_out": _operator(blocks=shared, inner=arch.shared_ffn, outer=arch.hidden, split_inner=1),
    }


def _experts(arch: Architecture) -> dict[str, Operator]:
    routed = {"blocks": arch.moe_layers * _visited(arch), "rows": arch.top_k, "groups": np.maximum(arch.experts, 1)}
    width = arch.moe_ffn * (arch.ffn_matrices - 1)
    return {
        "expert_in": _operator(**routed, inner=arch.hidden, outer=width, split_outer=1),
        "expert_out": _operator(**routed, inner=arch.moe_ffn, outer=arch.hidden, split_inner=1),
    }


def _scores_flop(job: Job) -> Flop:
    """FLOPs of scores and values in an average attention block, one sequence."""
    arch, sequence = job.architecture, job.sequence_tokens
    share = arch.windowed_layers / np.maximum(arch.attention_layers, 1)
    encoder = arch.encoder_layers / arch.layers
    full = attention_pairs(sequence, 0, 1)
    both_ways = attention_pairs(sequence, 0, 0)
    targets = _targets(arch)
    crossed = np.where(arch.encoder_layers, (1 - encoder) * both_ways * targets, 0)
    one_way = share * attention_pairs(sequence, arch.window_tokens, 1) + (1 - share) * full
    seen = np.where(arch.causal, one_way, both_ways)
    pairs = encoder * both_ways + (1 - encoder) * seen * targets**2 + crossed
    flop: Flop = 2 * pairs * arch.heads * (arch.head_dim + arch.v_head_dim)
    return flop
