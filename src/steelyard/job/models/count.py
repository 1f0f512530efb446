"""Exact parameter counts of a block's parts. Whole numbers in, whole numbers out; no names, no rounding."""

from steelyard.units import Count, Share


def attention_params(
    *,
    hidden: Count,
    heads: Count,
    kv_heads: Count,
    head_dim: Count,
    v_head_dim: Count,
    q_bias: Share,
    k_bias: Share,
    v_bias: Share,
    o_bias: Share,
) -> Count:
    r"""Parameters of softmax attention with grouped queries.

    .. math:: d\,h\,e + d\,g\,e + d\,g\,v + h\,v\,d + \text{biases}

    Args:
        hidden: width of the model, :math:`d` [-]
        heads: query heads, :math:`h` [-]
        kv_heads: key-value heads, :math:`g` [-]
        head_dim: width of a query or key, :math:`e` [-]
        v_head_dim: width of a value, :math:`v` [-]
        q_bias: 1 if queries have a bias [-]
        k_bias: 1 if keys have a bias [-]
        v_bias: 1 if values have a bias [-]
        o_bias: 1 if the output projection has a bias [-]

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2; Ainslie et al. 2023, arXiv 2305.13245 (groups).
    Limits: no norms; heads times head_dim need not be the width of the model.

    >>> attention_params(
    ...     hidden=4096, heads=32, kv_heads=8, head_dim=128, v_head_dim=128, q_bias=0, k_bias=0, v_bias=0, o_bias=0
    ... )
    41943040
    """
    weights = hidden * (heads * (head_dim + v_head_dim) + kv_heads * (head_dim + v_head_dim))
    biases = q_bias * heads * head_dim + kv_heads * (k_bias * head_dim + v_bias * v_head_dim) + o_bias * hidden
    return weights + biases


def latent_attention_params(
    *,
    hidden: Count,
    heads: Count,
    head_dim: Count,
    v_head_dim: Count,
    q_lora: Count,
    kv_lora: Count,
    rope_dim: Count,
    q_compressed: Share,
) -> Count:
    r"""Parameters of multi-head latent attention, with the norms of its latents.

    .. math:: d q + q + q h e \;(\text{or } d h e) + d (c + r) + c + c\,h\,(e - r + v) + h v d

    Args:
        hidden: width of the model, :math:`d` [-]
        heads: query heads, :math:`h` [-]
        head_dim: width of a query or key, :math:`e`, rotary part included [-]
        v_head_dim: width of a value, :math:`v` [-]
        q_lora: width of the query latent, :math:`q` [-]
        kv_lora: width of the key-value latent, :math:`c` [-]
        rope_dim: width of the decoupled rotary key, :math:`r` [-]
        q_compressed: 1 if queries pass through a latent, 0 if they are projected at once [-]

    Source: DeepSeek-V2, arXiv 2405.04434, section 2.1 and appendix B.
    Limits: no biases; RMSNorm on the latents.

    >>> latent_attention_params(
    ...     hidden=7168, heads=128, head_dim=192, v_head_dim=128, q_lora=1536, kv_lora=512, rope_dim=64, q_compressed=1
    ... )
    187107328
    """
    wide = heads * head_dim
    queries = q_compressed * (hidden * q_lora + q_lora + q_lora * wide) + (1 - q_compressed) * hidden * wide
    keys_values = hidden * (kv_lora + rope_dim) + kv_lora + kv_lora * heads * (head_dim - rope_dim + v_head_dim)
    return queries + keys_values + heads * v_head_dim * hidden


def mlp_params(hidden: Count, ffn: Count, matrices: Count, bias: Share) -> Count:
    r"""Parameters of one MLP, or of one expert.

    .. math:: n\,d\,f + [(n - 1) f + d]_\text{biased}

    Args:
        hidden: width of the model, :math:`d` [-]
        ffn: inner width of one branch, :math:`f` [-]
        matrices: 3 gated, 2 not, :math:`n` [-]
        bias: 1 if every product has a bias [-]

    Source: Shazeer 2020, arXiv 2002.05202 (gated); Vaswani et al. 2017, arXiv 1706.03762, section 3.3.
    Limits: `ffn` is one branch; some papers (Gemma, OLMo) print both.

    >>> mlp_params(4096, 14336, 3, 0)
    176160768
    """
    return matrices * hidden * ffn + bias * ((matrices - 1) * ffn + hidden)


def norm_params(width: Count, vectors: Count) -> Count:
    r"""Parameters of one normalisation.

    .. math:: k\,w

    Args:
        width: of what is normalised, :math:`w` [-]
        vectors: 2 with scale and shift, 1 with scale alone, 0 without either, :math:`k` [-]

    Source: Ba et al. 2016, arXiv 1607.06450; Zhang and Sennrich 2019, arXiv 1910.07467; OLMo, arXiv 2402.00838 (none).
    Limits: none.

    >>> norm_params(4096, 1)
    4096
    """
    return width * vectors


def qk_norm_params(heads: Count, kv_heads: Count, head_dim: Count, per_head: Share, joint: Share) -> Count:
    r"""Parameters of the norms of queries and keys in one block.

    .. math:: 2\,e \;(\text{one scale for every head}) \quad\text{or}\quad (h + g)\,e \;(\text{whole projection})

    Args:
        heads: query heads, :math:`h` [-]
        kv_heads: key-value heads, :math:`g` [-]
        head_dim: width of a query or key, :math:`e` [-]
        per_head: 1 if each head is normalised with a shared scale [-]
        joint: 1 if the whole projection is normalised [-]

    Source: Qwen3 and Gemma 3 (per head), OLMo 2, arXiv 2501.00656, section 2 (whole), read in their configurations.
    Limits: scale without shift.

    >>> qk_norm_params(32, 8, 128, 1, 0)
    256
    """
    return per_head * 2 * head_dim + joint * (heads + kv_heads) * head_dim


def embedding_params(vocab: Count, width: Count, hidden: Count, positions: Count, projected: Share) -> Count:
    r"""Parameters of the token table, the learned positions and the projections of a narrow table.

    .. math:: V\,w + s\,d + [2\,w\,d]_\text{narrow}

    Args:
        vocab: rows of the token table, padding included, :math:`V` [-]
        width: of the token table, :math:`w` [-]
        hidden: width of the model, :math:`d` [-]
        positions: learned positions, 0 if there are none, :math:`s` [-]
        projected: 1 if the table is narrower than the model and projected in and out [-]

    Source: GPT-2 (learned positions); OPT, arXiv 2205.01068, 350M configuration (`word_embed_proj_dim`).
    Limits: the output projection is counted apart.

    >>> embedding_params(50257, 768, 768, 1024, 0)
    39383808
    """
    return vocab * width + positions * hidden + projected * 2 * width * hidden


def active_params(total: Count, moe_layers: Count, experts: Count, top_k: Count, expert: Count) -> Count:
    r"""Parameters that one token meets: all of them less the experts it does not visit.

    .. math:: P - L_\text{moe}\,(E - k)\,p

    Args:
        total: parameters of the model, :math:`P` [-]
        moe_layers: blocks with routed experts [-]
        experts: routed experts of a block, :math:`E` [-]
        top_k: experts that a token visits, :math:`k` [-]
        expert: parameters of one expert, :math:`p` [-]

    Source: Mixtral, arXiv 2401.04088, section 2 (sparse and active parameters); embeddings are counted.
    Limits: some publishers leave embeddings out of their active figure (`Published.active_basis`).

    >>> active_params(46702792704, 32, 8, 2, 176160768)
    12879925248
    """
    return total - moe_layers * (experts - top_k) * expert
