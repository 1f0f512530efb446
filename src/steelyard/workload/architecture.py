"""The shape of one transformer as numbers: what its rows are made from (`transformer.model`)."""

from dataclasses import dataclass

from steelyard.units import Count, Share


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of one transformer, as numbers; `job.architecture` makes it from a model's description."""

    layers: Count  # blocks of the stack (both stacks of an encoder-decoder)
    encoder_layers: Count  # of these, blocks of an encoder (0: decoder-only)
    target_share: Share  # decoder tokens for each encoder token (encoder-decoder; else 1)
    attention_layers: Count  # of these, blocks with softmax attention (fewer in a hybrid)
    moe_layers: Count  # of these, blocks with routed experts
    attention_moe_layers: Count  # of these, blocks with both
    windowed_layers: Count  # of these, blocks whose attention sees only a window
    window_tokens: Count  # length of that window (0: none)
    causal: Share  # 1 decoder-only and decoder blocks, 0 encoder-only
    hidden: Count
    heads: Count
    kv_heads: Count
    head_dim: Count  # of queries and keys (MLA: nope + rope)
    v_head_dim: Count
    ffn: Count  # width of the dense MLP
    ffn_matrices: Count  # 3 gated, 2 not
    moe_ffn: Count  # width of one routed expert
    experts: Count  # routed experts of an MoE block (0: dense)
    top_k: Count  # routed experts that each token visits
    expert_groups: Count  # in which they are routed (0: none)
    top_k_groups: Count  # of these, those that a token may visit
    shared_ffn: Count  # summed width of the shared experts (0: none)
    vocab: Count
    mla: Share  # 1: multi-head latent attention
    q_lora: Count  # MLA query compression (0: none)
    kv_lora: Count  # MLA key-value compression
    rope_dim: Count  # MLA decoupled rotary width
    gelu: Share  # 1: the MLP keeps a GeLU/ReLU input, 0: a gated product
    dropout: Share  # 1: trained with dropout masks
    embedding_params: Count  # token table and learned positions
    head_params: Count  # output projection of its own (0: tied)
    attention_params: Count  # of one block with softmax attention
    mixer_params: Count  # of one block with another token mixer (Mamba, lightning attention)
    norm_params: Count  # of one block
    mlp_params: Count  # of one dense block
    routed_params: Count  # all routed experts of one MoE block
    router_params: Count  # of one MoE block
    shared_params: Count  # shared experts of one MoE block
    cross_params: Count  # cross-attention of one decoder block that reads an encoder, with its norm
    patch_params: Count  # weights that each patch of an image is multiplied with (0: tokens are looked up)
    patches: Count  # of one image
    conditioning_params: Count  # of one block: weights that one vector of a sample is multiplied with (DiT)
    embedder_params: Count  # weights that make that vector, and what else is multiplied with one (DiT: time, label)
    pooled: Share  # 1: the head sees one vector of a sample, 0: every token
    extra_params: Count  # whatever the blocks above leave out, in the whole model
    total_params: Count
    active_params: Count  # of a token: total less the experts it does not visit
