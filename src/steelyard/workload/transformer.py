"""Rows of a transformer: language models, encoders, encoder-decoders, mixtures of experts."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from steelyard.tables import Divisible
from steelyard.units import Count
from steelyard.workload.architecture import Architecture
from steelyard.workload.attention import attention, cross_attention, one_way_pairs
from steelyard.workload.flops import attention_pairs
from steelyard.workload.mixer import mixer
from steelyard.workload.mlp import experts, mlp
from steelyard.workload.row import EMBEDDING, HEAD, SEQUENCE, TENSOR, WHOLE, Kind, Model, Row

DENSE, MOE = "dense", "moe"
ATTENTION, MIXER = "attention", "mixer"


def model(architecture: Architecture, sequence_tokens: Count, document_tokens: Count) -> Model:
    """Return a transformer as rows, for samples of so many tokens.

    Without MLA one product makes queries, keys and values; with MLA `qkv` holds the down-projections (each rank
    computes all of them) and `latent` the up-projections (divided by heads). Gate and up-projection are one product.

    Args:
        architecture: the shape of the model [-]
        sequence_tokens: tokens of one sample [-]
        document_tokens: mean tokens of the documents that it is packed with, masked from each other (0: tokens see all
            of the sample) [-]

    Source: Shazeer 2020, arXiv 2002.05202 (gated MLP); DeepSeek-V2, arXiv 2405.04434, section 2.1 (MLA); Switch,
        arXiv 2101.03961 (routed experts); what each leaves behind: Korthikanti et al. 2022, arXiv 2205.05198,
        section 4.1. Router products (d·E) are below 0.1 % and left out.
    Limits: a decoder sees the whole sample of its encoder, whatever documents this is packed with.
    """
    arch, s = architecture, sequence_tokens
    some = tuple(_parts_of(arch, s, document_tokens))
    last = some[-1].tokens
    return Model(
        kinds=tuple(_kind(arch, one) for one in some),
        rows=(*_embedding(arch, s), *(row for one in some for row in _rows(arch, one)), *_head(arch, last)),
        divisible=Divisible(
            blocks=arch.layers,
            stages=arch.layers,
            heads=arch.heads,
            kv_heads=arch.kv_heads,
            ffn=arch.ffn if arch.layers > arch.moe_layers else 0,
            experts=arch.experts,
            sequence=s,
            projection=arch.vocab * arch.hidden / np.maximum(_block_params(arch), 1.0),
        ),
        hidden=arch.hidden * s,
        ring=arch.kv_heads * (arch.head_dim + arch.v_head_dim) * s,
        copies=arch.top_k,
        expert_groups=arch.expert_groups,
        top_k_groups=arch.top_k_groups,
        tokens=s,
    )


def _block_params(arch: Architecture) -> Count:
    return arch.attention_params + arch.norm_params + arch.mlp_params


@dataclass(frozen=True, slots=True)
class Some:
    """Blocks of one kind: of which stack, how they mix tokens, and what follows."""

    stack: str  # encoder, decoder; empty: the only one
    mixes: str
    follows: str
    count: Count
    tokens: Count  # of one sample that pass
    length: Count  # of one sample
    pairs: Count  # of queries and keys whose score is computed
    document: Count  # mean tokens of what is masked from each other (0: nothing is)

    @property
    def name(self) -> str:
        """Return the name of the kind.

        >>> Some("decoder", ATTENTION, DENSE, 6, 57, 256, 0, 0).name
        'decoder dense'
        """
        return " ".join(filter(None, (self.stack, self.mixes if self.mixes == MIXER else "", self.follows)))


def _parts_of(arch: Architecture, s: Count, document: Count) -> Iterator[Some]:
    """Yield the kinds of blocks: of each stack, attention or another mixer, a dense MLP or routed experts.

    The decoder of an encoder-decoder sees its targets, which are fewer; an encoder sees every pair of tokens. Both of
    its stacks have their share of each kind.
    """
    decoders, both_ways = arch.layers - arch.encoder_layers, attention_pairs(s, 0, document, 0)
    if not arch.encoder_layers or not decoders:
        stacks = [("", arch.layers, s, one_way_pairs(arch, s, document) if arch.causal else both_ways, document)]
    else:
        t, part = arch.target_share * s, arch.target_share * document
        stacks = [
            ("encoder", arch.encoder_layers, s, both_ways, document),
            ("decoder", decoders, t, one_way_pairs(arch, t, part), part),
        ]
    both = arch.attention_moe_layers
    kinds = (
        (ATTENTION, DENSE, arch.attention_layers - both),
        (ATTENTION, MOE, both),
        (MIXER, DENSE, arch.layers - arch.attention_layers - (arch.moe_layers - both)),
        (MIXER, MOE, arch.moe_layers - both),
    )
    for stack, blocks, tokens, pairs, part in stacks:
        for mixes, follows, those in kinds:
            if count := blocks * those / arch.layers:
                yield Some(stack, mixes, follows, count, tokens, s, pairs, part)


def _kind(arch: Architecture, some: Some) -> Kind:
    dense = arch.layers - arch.moe_layers
    copy = 2 * arch.hidden + arch.ffn_matrices * arch.moe_ffn
    dense_mlp, shared = arch.ffn_matrices * arch.ffn, arch.ffn_matrices * arch.shared_ffn
    inside = dense_mlp if some.follows == DENSE else max(arch.top_k * copy, shared)
    leads = some.stack == "encoder" or (not some.stack and some.follows == DENSE and dense < arch.moe_layers)
    queries = arch.heads * arch.head_dim + arch.kv_heads * (arch.head_dim + arch.v_head_dim)
    mixed = queries if some.mixes == ATTENTION else arch.mixer_params / arch.hidden
    return Kind(
        name=some.name,
        count=some.count,
        leading=float(leads),
        hidden=arch.hidden * some.tokens,
        gathered=(2 if some.follows == DENSE else 1) * arch.hidden * some.tokens,
        widest=max(mixed, inside) * some.tokens,
        scores=arch.heads * some.tokens**2 if some.mixes == ATTENTION else 0,
        experts=arch.experts if some.follows == MOE else 0,
    )


def _rows(arch: Architecture, some: Some) -> Iterator[Row]:
    kind, tokens = some.name, some.tokens
    yield from _stream(arch, tokens, kind, 1 if some.follows == MOE else 2)
    mixed = mixer(arch, tokens, kind), attention(arch, tokens, kind, some.pairs, some.document)
    yield from mixed[some.mixes == ATTENTION]
    if some.stack == "decoder":
        yield from cross_attention(arch, tokens, some.length, kind)
    yield from experts(arch, tokens, kind) if some.follows == MOE else mlp(arch, tokens, kind)


def _embedding(arch: Architecture, s: Count) -> Iterator[Row]:
    """Token table and positions; what each patch of an image, or one vector of a sample, is multiplied with first."""
    yield Row(
        name="embedding",
        block=EMBEDDING,
        params=arch.embedding_params,
        kept=arch.dropout * arch.hidden * s,
        kept_kind="mask",
        kept_width="byte",
        split_kept=SEQUENCE,
    )
    first = partial(Row, block=EMBEDDING, k=arch.patch_params / arch.hidden, n=arch.hidden, split_params=WHOLE)
    yield first(name="patch embedding", m=arch.patches, params=arch.patch_params)
    embedders = arch.embedder_params
    yield first(name="embedders", m=1, k=arch.hidden, n=embedders / arch.hidden, params=embedders)


def _head(arch: Architecture, s: Count) -> Iterator[Row]:
    """Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.3: inputs of norm and projection, and the logits."""
    yield Row(
        name="output projection",
        block=HEAD,
        m=1 if arch.pooled else s,
        k=arch.hidden,
        n=arch.vocab,
        split_n=TENSOR,
        params=arch.head_params,
        kept=2 * arch.hidden * s,
        kept_kind="stream",
        split_kept=SEQUENCE,
    )
    yield Row(
        name="logits", block=HEAD, kept=arch.vocab * (1 if arch.pooled else s), kept_kind="logits", split_kept=TENSOR
    )


def _stream(arch: Architecture, s: Count, kind: str, fed: int) -> Iterator[Row]:
    """What a block does to the hidden state itself: norms, residuals, dropout.

    Of two norms a router reads the one before it too: `fed` go to products alone.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equation 2: the 10 of sbh(10 + 24/t + 5as/ht); with dropout
    two masks of one byte an element. A norm that is not one kernel keeps its input in fp32 as well
    (github.com/huggingface/transformers models/llama/modeling_llama.py, LlamaRMSNorm).
    """
    row = partial(Row, block=kind)
    yield row(
        name="norms and residuals",
        params=arch.norm_params,
        split_params=WHOLE,
        kept=4 * arch.hidden * s,
        kept_kind="stream",
        split_kept=SEQUENCE,
        narrowed=fed * arch.hidden * s,
        moved=arch.hidden * s,
        moved_kind="stream",
        split_moved=SEQUENCE,
    )
    yield row(
        name="fp32 copies of norms",
        kept=2 * arch.hidden * s,
        kept_kind="fp32 norm",
        kept_width="fp32",
        split_kept=SEQUENCE,
    )
    yield row(
        name="dropout",
        kept=2 * arch.dropout * arch.hidden * s,
        kept_kind="mask",
        kept_width="byte",
        split_kept=SEQUENCE,
    )
    yield row(
        name="conditioning",
        m=1,
        k=arch.hidden,
        n=arch.conditioning_params / arch.hidden,
        params=arch.conditioning_params,
        split_params=WHOLE,
    )
    yield row(name="other parameters", params=arch.extra_params / arch.layers, split_params=WHOLE)
