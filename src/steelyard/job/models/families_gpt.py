"""GPT-like decoders of Hugging Face: LayerNorm, biases, learned or ALiBi positions, plain MLPs."""

from steelyard.job.models.config_values import Config
from steelyard.job.models.families import Fields, Reader


def gpt2(config: Config) -> Fields:
    """GPT-2: everything biased, tied, learned positions; a missing `n_inner` is four times the width."""
    hidden = config.integer("n_embd", "hidden_size")
    heads = config.integer("n_head", "num_attention_heads")
    return {
        "layers": config.integer("n_layer", "num_hidden_layers"),
        "hidden": hidden,
        "ffn": config.integer("n_inner", "intermediate_size", default=4 * hidden),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": hidden // max(heads, 1),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("n_positions", "n_ctx", "max_position_embeddings"),
        "norm": "layernorm",
        "mlp": "gelu",
        "position": "learned",
        "tied": config.flag("tie_word_embeddings", default=True),
        "attention_bias": "all",
        "mlp_bias": True,
        "dropout": config.dropped("resid_pdrop", default=0.1),
    }


def gpt_bigcode(config: Config) -> Fields:
    """StarCoder: GPT-2 with one key-value head."""
    one = config.flag("multi_query", default=True)
    return gpt2(config) | ({"kv_heads": 1} if one else {})


def gptj(config: Config) -> Fields:
    """GPT-J: attention and MLP in parallel behind one norm, rotary, a biased head of its own."""
    return gpt2(config) | {
        "norms_per_block": 1,
        "position": "rope",
        "attention_bias": "no",
        "tied": config.flag("tie_word_embeddings", default=False),
        "head_bias": True,
        "dropout": config.dropped("resid_pdrop", default=0.0),
    }


def gpt_neo(config: Config) -> Fields:
    """GPT-Neo: only the output projection of attention is biased; every other layer sees a window."""
    hidden = config.integer("hidden_size")
    heads = config.integer("num_heads")
    layers = config.integer("num_layers")
    renamed = {
        "n_embd": hidden,
        "n_head": heads,
        "n_layer": layers,
        "resid_pdrop": config.values.get("resid_dropout", 0.0),
    }
    local = config.items("attention_layers").count("local") or layers // 2
    return gpt2(Config(dict(config.values) | renamed, config.where)) | {
        "attention_bias": "o",
        "windowed_layers": local,
        "window_tokens": config.integer("window_size", default=256),
    }


def gpt_neox(config: Config) -> Fields:
    """GPT-NeoX and Pythia: two norms in parallel, everything biased, rotary, a head of its own."""
    hidden = config.integer("hidden_size")
    heads = config.integer("num_attention_heads")
    biased = config.flag("attention_bias", default=True)
    return {
        "layers": config.integer("num_hidden_layers"),
        "hidden": hidden,
        "ffn": config.integer("intermediate_size"),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": hidden // max(heads, 1),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("max_position_embeddings"),
        "norm": "layernorm",
        "mlp": "gelu",
        "tied": config.flag("tie_word_embeddings", default=False),
        "attention_bias": "all" if biased else "no",
        "mlp_bias": True,
        "dropout": config.dropped("hidden_dropout", default=0.0),
    }


def opt(config: Config) -> Fields:
    """OPT: two position rows more than positions; the 350M has a narrow table and, norms after, no final norm."""
    hidden = config.integer("hidden_size")
    width = config.integer("word_embed_proj_dim", default=hidden)
    before = config.flag("do_layer_norm_before", default=True)
    biased = config.flag("enable_bias", default=True)
    shape = gpt_neox(Config({"intermediate_size": config.integer("ffn_dim")} | dict(config.values), config.where))
    return shape | {
        "embedding_width": width if width != hidden else 0,
        "mlp": "relu" if config.word("activation_function", default="relu") == "relu" else "gelu",
        "position": "learned",
        "tied": config.flag("tie_word_embeddings", default=True),
        "attention_bias": "all" if biased else "no",
        "mlp_bias": biased,
        "extra_params": 2 * hidden if before else 0,
        "dropout": config.dropped("dropout", default=0.1),
    }


def bloom(config: Config) -> Fields:
    """BLOOM: ALiBi, and one more LayerNorm behind the embedding."""
    hidden = config.integer("hidden_size", "n_embed")
    renamed = {
        "n_embd": hidden,
        "n_inner": None,
        "n_positions": config.integer("seq_length", default=2048),
        "resid_pdrop": config.values.get("hidden_dropout", 0.0),
    }
    return gpt2(Config(dict(config.values) | renamed, config.where)) | {"position": "alibi", "extra_params": 2 * hidden}


def falcon(config: Config) -> Fields:
    """Falcon: key-value heads by generation (multi-query 7B, grouped 40B and 180B), norms likewise; tied."""
    hidden = config.integer("hidden_size", "n_embed")
    heads = config.integer("num_attention_heads", "n_head")
    grouped = config.flag("new_decoder_architecture", default=False)
    single = config.flag("multi_query", default=True)
    parallel = config.flag("parallel_attn", default=True)
    biased = config.flag("bias", default=False)
    norms = config.integer("num_ln_in_parallel_attn", default=2) if grouped else 1 if parallel else 2
    kv_heads = config.integer("num_kv_heads", "n_head_kv", default=heads) if grouped else 1 if single else heads
    return {
        "layers": config.integer("num_hidden_layers", "n_layer"),
        "hidden": hidden,
        "ffn": config.integer("ffn_hidden_size", default=4 * hidden),
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": hidden // max(heads, 1),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("max_position_embeddings", default=2048),
        "norm": "layernorm",
        "norms_per_block": norms,
        "mlp": "gelu",
        "position": "alibi" if config.flag("alibi", default=False) else "rope",
        "tied": config.flag("tie_word_embeddings", default=True),
        "attention_bias": "all" if biased else "no",
        "mlp_bias": biased,
    }


def mpt(config: Config) -> Fields:
    """MPT: no biases, LayerNorm without shift, ALiBi."""
    hidden = config.integer("d_model", "hidden_size")
    heads = config.integer("n_heads", "num_attention_heads")
    attention = config.inner("attn_config")
    bare = config.flag("no_bias", default=True)
    return {
        "layers": config.integer("n_layers", "num_hidden_layers"),
        "hidden": hidden,
        "ffn": int(hidden * config.positive("expansion_ratio", default=4)),
        "heads": heads,
        "kv_heads": attention.integer("kv_n_heads", default=heads),
        "head_dim": hidden // max(heads, 1),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("max_seq_len"),
        "norm": "layernorm_nobias" if bare else "layernorm",
        "mlp": "gelu",
        "position": "alibi" if attention.flag("alibi", default=True) else "learned",
        "tied": config.flag("tie_word_embeddings", default=True),
        "attention_bias": "no" if bare else "all",
        "mlp_bias": not bare,
    }


GPT_FAMILIES: dict[str, Reader] = {
    "gpt2": gpt2,
    "gpt_bigcode": gpt_bigcode,
    "gptj": gptj,
    "gpt_neo": gpt_neo,
    "gpt_neox": gpt_neox,
    "opt": opt,
    "bloom": bloom,
    "falcon": falcon,
    "mpt": mpt,
}
