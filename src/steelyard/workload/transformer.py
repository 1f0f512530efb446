"""Rows of a transformer: language models, encoders, encoder-decoders, mixtures of experts."""

from collections.abc import Iterator
from functools import partial

from steelyard.tables import Divisible
from steelyard.units import Count
from steelyard.workload.architecture import Architecture
from steelyard.workload.attention import attention
from steelyard.workload.mixer import mixer
from steelyard.workload.mlp import experts, mlp
from steelyard.workload.row import EMBEDDING, HEAD, SEQUENCE, TENSOR, Kind, Model, Row
from steelyard.workload.visits import targets

DENSE, MOE = "dense", "moe"
ATTENTION, MIXER = "attention", "mixer"


def model(architecture: Architecture, sequence_tokens: Count) -> Model:
    """Return a transformer as rows, for samples of so many tokens.

    Without MLA one product makes queries, keys and values; with MLA `qkv` holds the down-projections (each rank
    computes all of them) and `latent` the up-projections (divided by heads). Gate and up-projection are one product.

    Args:
        architecture: the shape of the model [-]
        sequence_tokens: tokens of one sample [-]

    Source: Shazeer 2020, arXiv 2002.05202 (gated MLP); DeepSeek-V2, arXiv 2405.04434, section 2.1 (MLA); Switch,
        arXiv 2101.03961 (routed experts); what each leaves behind: Korthikanti et al. 2022, arXiv 2205.05198,
        section 4.1. Router products (d·E) are below 0.1 % and left out.
    """
    arch, s = architecture, sequence_tokens
    kinds = tuple(_kinds(arch, s))
    blocks = (row for kind in kinds for row in _block(arch, s, kind.name))
    return Model(
        kinds=kinds,
        rows=(*_embedding(arch, s), *blocks, *_head(arch, s)),
        divisible=Divisible(
            blocks=arch.layers,
            heads=arch.heads,
            kv_heads=arch.kv_heads,
            ffn=arch.ffn if arch.layers > arch.moe_layers else 0,
            experts=arch.experts,
            sequence=s,
        ),
        hidden=arch.hidden * s,
        ring=arch.kv_heads * (arch.head_dim + arch.v_head_dim) * s,
        copies=arch.top_k,
        tokens=s,
    )


def _kinds(arch: Architecture, s: Count) -> Iterator[Kind]:
    """Yield the kinds of blocks: attention or another token mixer, each with a dense MLP or with routed experts."""
    for mixing, mixers in ((ATTENTION, arch.attention_layers), (MIXER, arch.layers - arch.attention_layers)):
        for follows, blocks in ((DENSE, arch.layers - arch.moe_layers), (MOE, arch.moe_layers)):
            if mixers and blocks:
                yield _kind(arch, s, mixing, follows, mixers * blocks / arch.layers)


def _kind(arch: Architecture, s: Count, mixing: str, follows: str, count: Count) -> Kind:
    dense = arch.layers - arch.moe_layers
    copy = 2 * arch.hidden + arch.ffn_matrices * arch.moe_ffn
    dense_mlp, shared = arch.ffn_matrices * arch.ffn, arch.ffn_matrices * arch.shared_ffn
    inside = dense_mlp if follows == DENSE else max(arch.top_k * copy, shared)
    queries = arch.heads * arch.head_dim + arch.kv_heads * (arch.head_dim + arch.v_head_dim)
    mixed = queries if mixing == ATTENTION else arch.mixer_params / arch.hidden
    return Kind(
        name=follows if mixing == ATTENTION else f"{mixing} {follows}",
        count=count,
        leading=float(follows == DENSE and dense < arch.moe_layers),
        gathered=(2 if follows == DENSE else 1) * arch.hidden * s,
        widest=max(mixed, inside) * s,
        scores=arch.heads * s * s if mixing == ATTENTION else 0,
        experts=arch.experts if follows == MOE else 0,
    )


def _block(arch: Architecture, s: Count, kind: str) -> Iterator[Row]:
    yield from _stream(arch, s, kind)
    yield from mixer(arch, s, kind) if kind.startswith(MIXER) else attention(arch, s, kind)
    yield from experts(arch, s, kind) if kind.endswith(MOE) else mlp(arch, s, kind)


def _embedding(arch: Architecture, s: Count) -> Iterator[Row]:
    yield Row(
        name="embedding",
        block=EMBEDDING,
        params=arch.embedding_params,
        kept=arch.dropout * arch.hidden * s,
        kept_kind="mask",
        kept_width="byte",
        split_kept=SEQUENCE,
    )


def _head(arch: Architecture, s: Count) -> Iterator[Row]:
    """Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.3: inputs of norm and projection, and the logits."""
    yield Row(
        name="output projection",
        block=HEAD,
        m=targets(arch) * s,
        k=arch.hidden,
        n=arch.vocab,
        split_n=TENSOR,
        params=arch.head_params,
        kept=2 * arch.hidden * s,
        kept_kind="stream",
        split_kept=SEQUENCE,
    )
    yield Row(name="logits", block=HEAD, kept=arch.vocab * s, kept_kind="logits", split_kept=TENSOR)


def _stream(arch: Architecture, s: Count, kind: str) -> Iterator[Row]:
    """What a block does to the hidden state itself: norms, residuals, dropout.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equation 2: the 10 of sbh(10 + 24/t + 5as/ht); with dropout
    two masks of one byte an element.
    """
    row = partial(Row, block=kind)
    yield row(
        name="norms and residuals",
        kept=4 * arch.hidden * s,
        kept_kind="stream",
        split_kept=SEQUENCE,
        moved=arch.hidden * s,
        moved_kind="stream",
        split_moved=SEQUENCE,
    )
    yield row(
        name="dropout",
        kept=2 * arch.dropout * arch.hidden * s,
        kept_kind="mask",
        kept_width="byte",
        split_kept=SEQUENCE,
    )
    yield row(name="other parameters", params=arch.extra_params / arch.layers)
