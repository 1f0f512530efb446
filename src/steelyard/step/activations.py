"""Bytes that one token of one block leaves behind for the backward pass, tensor by tensor."""

import numpy as np

from steelyard.tables import Architecture, Job, Layout
from steelyard.units import Bytes, Count, Share


def score_bytes(heads: Count, keys: Count, element_bytes: Bytes, dropout: Share) -> Bytes:
    r"""Bytes of materialised attention scores that one token keeps in one block.

    .. math:: a\,s\,(e + D\,(e + 1))

    The softmax output, and under dropout its mask (one byte) and the dropped output. Fused attention keeps none.

    Args:
        heads: attention heads a (of the model; tensor parallelism divides the result).
        keys: tokens s that a query sees.
        element_bytes: bytes e of one activation.
        dropout: 1 with dropout masks D, 0 without.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1: 2as²b + as²b + 2as²b.
    Limits: the scores before the softmax are taken to be overwritten by it.

    >>> score_bytes(96, 2048, 2, 1) / (96 * 2048)
    5.0
    """
    return heads * keys * (element_bytes + dropout * (element_bytes + 1))


def whole_bytes(hidden: Count, element_bytes: Bytes, dropout: Share) -> Bytes:
    r"""Bytes of one token of one block that tensor parallelism leaves whole and sequence parallelism divides.

    .. math:: h\,(4e + 2D)

    Inputs of both norms, of the attention and of the MLP; two dropout masks of one byte an element.

    Args:
        hidden: hidden width h.
        element_bytes: bytes e of one activation.
        dropout: 1 with dropout masks D, 0 without.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equation 2: the 10 of sbh(10 + 24/t + 5as/ht).
    Limits: two norms a block; a norm that keeps its statistics adds less than 1 %.

    >>> whole_bytes(1, 2, 1)
    10
    """
    return hidden * (4 * element_bytes + 2 * dropout)


def attention_bytes(architecture: Architecture, element_bytes: Bytes) -> Bytes:
    r"""Bytes of one token of one attention that tensor parallelism divides, scores apart.

    .. math:: e\,(a\,d_k + a_{kv}(d_k + d_v) + a\,d_v)

    Queries, keys, values and the attention's output. MLA expands keys and values to every head and keeps its
    compressed queries, keys and values too, before and after their norm.

    Args:
        architecture: the model.
        element_bytes: bytes e of one activation.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1 (8sbh of the 24, with a·d = h); DeepSeek-AI 2024,
        arXiv 2405.04434, section 2.1 (MLA).
    Limits: rotary embedding in place; the fused kernel's log-sum-exp (4 bytes a head) is left out.
    """
    arch = architecture
    kv_heads = arch.kv_heads + arch.mla * (arch.heads - arch.kv_heads)
    compressed = arch.mla * (2 * (arch.q_lora + arch.kv_lora) + arch.rope_dim)
    return element_bytes * ((arch.heads + kv_heads) * (arch.head_dim + arch.v_head_dim) + compressed)


def mlp_bytes(width: Count, matrices: Count, element_bytes: Bytes) -> Bytes:
    r"""Bytes of one token of one MLP that tensor parallelism divides, its input apart.

    .. math:: e\,n\,f

    Not gated (n = 2): input and output of the activation function. Gated (n = 3): gate, up and their product.

    Args:
        width: intermediate width f.
        matrices: 3 gated, 2 not (n).
        element_bytes: bytes e of one activation.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.1 (8sbh + 8sbh with f = 4h).
    Limits: an unfused gated activation keeps one more tensor; the stack's `activation_scale` carries it.

    >>> mlp_bytes(4, 2, 2)
    16
    """
    return element_bytes * matrices * width


def expert_bytes(architecture: Architecture, element_bytes: Bytes) -> Bytes:
    r"""Bytes of one token of one block's routed experts that tensor parallelism divides.

    .. math:: k\,(e\,(2h + n\,f_e)) + 8E

    Each of k copies: its dispatched input, the expert's intermediate tensors and its output before it is weighted;
    router logits and probabilities of E experts in fp32.

    Args:
        architecture: the model.
        element_bytes: bytes e of one activation.

    Source: derived from Shazeer et al. 2017, arXiv 1701.06538, equation 1, and the tensors of `mlp_bytes`.
    Limits: balanced experts, no capacity factor.
    """
    arch = architecture
    copy = 2 * arch.hidden * element_bytes + mlp_bytes(arch.moe_ffn, arch.ffn_matrices, element_bytes)
    return arch.top_k * copy + 8 * arch.experts


def block_bytes(job: Job, layout: Layout, sparse: Share) -> Bytes:
    r"""Return what one token leaves in a block on one rank, scores apart.

    .. math:: \frac{W}{t^{sp}} + \frac{A + (1-\mu) M + \mu (M_s + X)}{t}

    W, A, M, X: `whole_bytes`, `attention_bytes`, `mlp_bytes` (dense, or shared experts), `expert_bytes`; t: tensor
    parallel degree.

    Args:
        job: the model, the sequence and the bytes of an element.
        layout: tensor and sequence parallel degrees.
        sparse: share of the blocks that have routed experts (μ).

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equations 2 and 4.
    Limits: a hybrid's blocks without attention count like those with it.
    """
    arch, e = job.architecture, job.element_bytes
    dense = mlp_bytes(arch.ffn * (1 - sparse) + arch.shared_ffn * sparse, arch.ffn_matrices, e)
    divided = attention_bytes(arch, e) + dense + sparse * expert_bytes(arch, e)
    return whole_bytes(arch.hidden, e, arch.dropout) / (1 + layout.sp * (layout.tp - 1)) + divided / layout.tp


def block_score_bytes(job: Job, layout: Layout) -> Bytes:
    r"""Return what one token's materialised scores take in a block on one rank; none with fused attention.

    .. math:: (1 - F)\,\frac{S}{t}

    Args:
        job: the model, the sequence and the bytes of an element.
        layout: tensor parallel degree t, fused attention F.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equation 2: S is `score_bytes`.
    """
    arch = job.architecture
    scores = score_bytes(arch.heads, job.sequence_tokens, job.element_bytes, arch.dropout)
    return scores * (1 - layout.flash) / layout.tp


def gathered_input_bytes(job: Job, layout: Layout, sparse: Share) -> Bytes:
    r"""Return what one token's gathered inputs of a block's two column-parallel products add to their shards.

    .. math:: (2 - \mu)\, e\,h\,\Big(1 - \frac{1}{t^{sp}}\Big) \quad [p = 1]

    Sequence parallelism gathers them for the product; a stack that does not gather them again for the gradients of
    the weights keeps them whole.

    Args:
        job: hidden width (h) and the bytes of an element (e).
        layout: tensor, sequence and pipeline parallel degrees (t, sp, p).
        sparse: share of the blocks that have routed experts (μ), which dispatch tokens instead.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.2: kept whole they would not be divided by t.
    Limits: none in a pipeline: the one sweep with such runs (nanotron, 1,018 rows) shows 3.7 h bytes without stages,
        0.0 with stages; why is not documented.
    """
    split = 1 + layout.sp * (layout.tp - 1)
    kept = np.where(np.asarray(layout.pp) > 1, 0.0, 1 - 1 / split)
    return (2 - sparse) * job.element_bytes * job.architecture.hidden * kept


def transient_bytes(job: Job, layout: Layout) -> Bytes:
    r"""Return one token's bytes of gradients alive at once while one block's backward pass runs.

    .. math:: e\,\Big(2h + \frac{\max(a\,d_k + a_{kv}(d_k + d_v),\; n f)}{t}\Big) + \frac{e\,a\,s}{t}

    The gradient that arrives, the one that leaves, and those of the widest operator's inputs; gradients of
    materialised scores.

    Args:
        job: the model, the sequence and the bytes of an element.
        layout: tensor parallel degree, fused attention.

    Source: derived from the tensors of `block_bytes`.
    Limits: of the order of the truth; the stack's `working_scale` carries what its kernels allocate.
    """
    arch, e = job.architecture, job.element_bytes
    attention = arch.heads * arch.head_dim + arch.kv_heads * (arch.head_dim + arch.v_head_dim)
    routed = np.where(arch.moe_layers, arch.top_k * (2 * arch.hidden + arch.ffn_matrices * arch.moe_ffn), 0)
    widest = np.maximum(np.maximum(attention, arch.ffn_matrices * arch.ffn), routed)
    scores = arch.heads * job.sequence_tokens * (1 - layout.flash)
    return e * (2 * arch.hidden + (widest + scores) / layout.tp)
