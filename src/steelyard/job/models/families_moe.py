"""Mixtures of experts and hybrids of Hugging Face: who is routed, who is shared, and which width is whose."""

import math

from steelyard.job.models.config_values import Config
from steelyard.job.models.families import Fields, Reader, llama, mistral, qwen2, qwen3, windowed


def expert_fields(config: Config, width: int) -> Fields:
    """Read the routed experts, by whatever name."""
    return {
        "experts": config.integer("num_local_experts", "num_experts", "n_routed_experts"),
        "top_k": config.integer("num_experts_per_tok", "num_experts_per_token", "moe_topk"),
        "expert_ffn": width,
        **_groups(config),
    }


def _groups(config: Config) -> Fields:
    """Read the groups in which experts are routed; one group, or all of them visited, is none."""
    groups = config.integer("n_group", "num_expert_group", default=0)
    visited = config.integer("topk_group", default=0)
    return {"expert_groups": groups, "top_k_groups": visited} if 0 < visited < groups else {}


def mixtral(config: Config) -> Fields:
    """Mixtral: `intermediate_size` is the expert's."""
    shape = mistral(config)
    return shape | expert_fields(config, shape["ffn"])


def granitemoe(config: Config) -> Fields:
    """Granite 3 MoE: as Mixtral, tied if it says so."""
    shape = llama(config)
    return shape | expert_fields(config, shape["ffn"])


def olmoe(config: Config) -> Fields:
    """OLMoE: `intermediate_size` is the expert's; norms over whole queries and keys."""
    shape = llama(config) | {"qk_norm": "full"}
    return shape | expert_fields(config, shape["ffn"])


def minimax_m2(config: Config) -> Fields:
    """MiniMax M2: as OLMoE, with heads wider than the model."""
    normed = config.flag("use_qk_norm", default=True)
    shape = llama(config) | {"qk_norm": "full" if normed else "no"}
    return shape | expert_fields(config, shape["ffn"])


def qwen2_moe(config: Config) -> Fields:
    """Qwen1.5 and 2 MoE: one shared expert of its own width, behind a gate of one output."""
    shape = qwen2(config) | {} if config.flag("qkv_bias", default=True) else llama(config)
    sparse = expert_fields(config, config.integer("moe_intermediate_size"))
    shared = config.integer("shared_expert_intermediate_size", default=0)
    spread = _spread(config)
    blocks = (shape["layers"] - spread["dense_layers"]) // spread["moe_every"]
    gates = blocks * shape["hidden"] if shared else 0
    return shape | sparse | spread | {"shared_ffn": shared, "shared_experts": int(shared > 0), "extra_params": gates}


def qwen3_moe(config: Config) -> Fields:
    """Qwen3 MoE: no shared expert; `intermediate_size` belongs to dense layers, if there are any."""
    return qwen3(config) | expert_fields(config, config.integer("moe_intermediate_size")) | _spread(config)


def _spread(config: Config) -> Fields:
    dense = config.items("mlp_only_layers")
    return {"dense_layers": len(dense), "moe_every": config.integer("decoder_sparse_step", default=1, least=1)}


def llama4(config: Config) -> Fields:
    """Llama 4: `intermediate_size` is the expert's, `intermediate_size_mlp` the dense one; chunks on rotary layers."""
    shape = llama(config)
    rotary = config.items("no_rope_layers")  # 1 where a layer is rotary, whatever the name says
    layers = shape["layers"]
    chunked = sum(bool(layer) for layer in rotary) if rotary else layers - layers // 4
    chunk = config.integer("attention_chunk_size", default=8192)
    return (
        shape
        | expert_fields(config, shape["ffn"])
        | {
            "ffn": config.integer("intermediate_size_mlp"),
            "shared_experts": 1,
            "moe_every": config.integer("interleave_moe_layer_step", default=1, least=1),
            "windowed_layers": chunked if chunk else 0,
            "window_tokens": chunk,
        }
    )


def deepseek(config: Config) -> Fields:
    """DeepSeek V2, V3 and Kimi K2: latent attention, shared experts, leading dense layers; without the MTP module."""
    shape = llama(config)
    rope = config.integer("qk_rope_head_dim")
    sparse = expert_fields(config, config.integer("moe_intermediate_size")) if "n_routed_experts" in config else {}
    return shape | {
        "kv_heads": shape["heads"],
        "head_dim": config.integer("qk_nope_head_dim") + rope,
        "v_head_dim": config.integer("v_head_dim"),
        "q_lora": config.integer("q_lora_rank", default=0),
        "kv_lora": config.integer("kv_lora_rank"),
        "rope_dim": rope,
        **sparse,
        "shared_experts": config.integer("n_shared_experts", default=0) if sparse else 0,
        "dense_layers": config.integer("first_k_dense_replace", default=0) if sparse else 0,
        "moe_every": config.integer("moe_layer_freq", default=1, least=1),
    }


def glm4_moe(config: Config) -> Fields:
    """GLM 4.5: queries, keys and values biased if attention is; without the MTP layer."""
    shape = llama(config)
    normed = config.flag("use_qk_norm", default=False)
    return (
        shape
        | expert_fields(config, config.integer("moe_intermediate_size"))
        | {
            "attention_bias": "qkv" if shape["attention_bias"] == "all" else "no",
            "qk_norm": "head" if normed else "no",
            "shared_experts": config.integer("n_shared_experts", default=1),
            "dense_layers": config.integer("first_k_dense_replace", default=1),
        }
    )


def gpt_oss(config: Config) -> Fields:
    """GPT-OSS: experts biased, attention sinks, a biased router; every other layer sees a window of 128."""
    shape = llama(Config({"attention_bias": True} | dict(config.values), config.where))
    sparse = expert_fields(config, shape["ffn"])
    layers = shape["layers"]
    values = Config({"sliding_window": 128} | dict(config.values), config.where)
    outside = layers * (shape["heads"] + sparse["experts"])
    return shape | sparse | {"mlp_bias": True, "extra_params": outside} | windowed(values, layers, every=2)


def dbrx(config: Config) -> Fields:
    """DBRX: LayerNorm without shift; everything in nested mappings."""
    feed, attention = config.inner("ffn_config"), config.inner("attn_config")
    hidden, heads = config.integer("d_model"), config.integer("n_heads")
    width = feed.integer("ffn_hidden_size")
    return {
        "layers": config.integer("n_layers"),
        "hidden": hidden,
        "ffn": width,
        "heads": heads,
        "kv_heads": attention.integer("kv_n_heads", default=heads),
        "head_dim": hidden // max(heads, 1),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("max_seq_len"),
        "norm": "layernorm_nobias",
        "tied": config.flag("tie_word_embeddings", default=False),
        "experts": feed.integer("moe_num_experts"),
        "top_k": feed.integer("moe_top_k"),
        "expert_ffn": width,
    }


def jamba(config: Config) -> Fields:
    """Jamba: Mamba in most layers, attention in every eighth, experts in every second; no positions."""
    shape = llama(config)
    layers, hidden = shape["layers"], shape["hidden"]
    mixing, routing = _period(config, "attn_layer", 8, 4), _period(config, "expert_layer", 2, 1)
    attention = layers_at(layers, *mixing)
    both = layers_at(layers, *meeting_layers(mixing, routing))
    state, conv = config.integer("mamba_d_state", default=16), config.integer("mamba_d_conv", default=4)
    inner = hidden * config.integer("mamba_expand", default=2)
    rank = config.integer("mamba_dt_rank", default=-(-hidden // 16))
    projections = hidden * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner + inner * hidden
    mamba = projections + inner * (conv + 1) + inner * state + inner + rank + 2 * state
    return (
        shape
        | expert_fields(config, shape["ffn"])
        | {
            "position": "none",
            "attention_layers": attention,
            "attention_moe_layers": both if attention else None,
            "mixer_params": (layers - attention) * mamba,
            "moe_every": config.integer("expert_layer_period", default=2, least=1),
        }
    )


def _period(config: Config, name: str, period: int, offset: int) -> tuple[int, int]:
    """Return which layers are of a kind: one in every period, at an offset."""
    every = config.integer(f"{name}_period", default=period, least=1)
    return every, config.integer(f"{name}_offset", default=offset)


def layers_at(layers: int, period: int, offset: int) -> int:
    """Return how many layers lie at an offset of every period; none does where it is not within a period.

    >>> layers_at(32, 8, 4), layers_at(5, 8, 4), layers_at(4, 8, 4), layers_at(9, 2, 3)
    (4, 1, 0, 0)
    """
    return max(0, -(-(layers - offset) // period)) if 0 <= offset < period else 0


def meeting_layers(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Return the period and the offset of the layers that are of two kinds; an offset of -1 where none is.

    >>> meeting_layers((8, 4), (2, 1)), meeting_layers((8, 4), (3, 2)), meeting_layers((2, 1), (2, 1))
    ((8, -1), (24, 20), (2, 1))
    """
    (period, offset), (period_2, offset_2) = one, other
    shared, both = math.gcd(period, period_2), math.lcm(period, period_2)
    inside = offset < period and offset_2 < period_2
    if not inside or (offset_2 - offset) % shared:
        return both, -1
    steps = (offset_2 - offset) // shared * pow(period // shared, -1, period_2 // shared)
    return both, offset + period * (steps % (period_2 // shared))


def minimax_text(config: Config) -> Fields:
    """MiniMax-Text-01: lightning attention (with an output gate and a norm) but for every eighth layer."""
    shape = llama(config)
    kinds = config.items("attn_type_list") or [int(kind == "full_attention") for kind in config.items("layer_types")]
    attention = sum(bool(kind) for kind in kinds) or shape["layers"]
    wide = shape["heads"] * shape["head_dim"]
    lightning = 5 * shape["hidden"] * wide + wide
    hybrid = {"attention_layers": attention, "mixer_params": (shape["layers"] - attention) * lightning}
    return shape | expert_fields(config, shape["ffn"]) | hybrid


MOE_FAMILIES: dict[str, Reader] = {
    "mixtral": mixtral,
    "granitemoe": granitemoe,
    "olmoe": olmoe,
    "minimax_m2": minimax_m2,
    "qwen2_moe": qwen2_moe,
    "qwen3_moe": qwen3_moe,
    "llama4_text": llama4,
    "deepseek_v2": deepseek,
    "deepseek_v3": deepseek,
    "kimi_k2": deepseek,
    "glm4_moe": glm4_moe,
    "gpt_oss": gpt_oss,
    "dbrx": dbrx,
    "jamba": jamba,
    "minimax_text_01": minimax_text,
    "minimax": minimax_text,
}
