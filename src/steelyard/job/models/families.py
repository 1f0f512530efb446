"""Dense decoders of Hugging Face: how each family spells its shape, and what it leaves to its class's defaults.

Every reader returns the fields of a `ModelSpec`. Source: the configuration class of the family in
github.com/huggingface/transformers (`models/*/configuration_*.py`, read at 5.23.0), for values that files leave out.
"""

from collections.abc import Callable
from typing import Any

from steelyard.job.models.config_values import Config

Fields = dict[str, Any]
Reader = Callable[[Config], Fields]

_GATED = {"silu": "swiglu", "swish": "swiglu", "swiglu": "swiglu"}
_PLAIN = {"relu": "relu", "relu2": "relu2", "squared_relu": "relu2"}


def llama(config: Config, *, tied: bool = False) -> Fields:
    """Read what Llama-like families share: grouped queries, RMSNorm, a gated MLP, rotary positions."""
    hidden = config.integer("hidden_size")
    heads = config.integer("num_attention_heads")
    biased = config.flag("attention_bias", default=False)
    act = config.word("hidden_act", "hidden_activation", default="silu")
    return {
        "layers": config.integer("num_hidden_layers"),
        "hidden": hidden,
        "ffn": config.integer("intermediate_size"),
        "heads": heads,
        "kv_heads": config.integer("num_key_value_heads", default=heads),
        "head_dim": config.integer("head_dim", default=hidden // max(heads, 1)),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("max_position_embeddings", "model_max_length", default=2048),
        "mlp": _GATED.get(act, "geglu" if "gelu" in act else "swiglu"),
        "tied": config.flag("tie_word_embeddings", default=tied),
        "attention_bias": "all" if biased else "no",
        "mlp_bias": config.flag("mlp_bias", default=False),
        "dropout": config.dropped("attention_dropout", default=0.0),
    }


def windowed(config: Config, layers: int, *, every: int = 1) -> Fields:
    """Read a sliding window: the layers listed in `layer_types`, else all but every n-th (1: all)."""
    window = config.integer("sliding_window", default=0)
    types = config.items("layer_types")
    local = sum(kind in {"sliding_attention", "chunked_attention"} for kind in types)
    count = local if types else layers - (layers // every if every > 1 else 0)
    return {"windowed_layers": count, "window_tokens": window} if window and count else {}


def mistral(config: Config) -> Fields:
    """Mistral: a window on every layer, unless it is null."""
    shape = llama(config)
    return shape | windowed(config, shape["layers"])


def qwen2(config: Config) -> Fields:
    """Qwen2 and 2.5: biases on queries, keys and values always; the window only if it is switched on."""
    shape = llama(config) | {"attention_bias": "qkv"}
    on = config.flag("use_sliding_window", default=False)
    return shape | (windowed(config, shape["layers"]) if on else {})


def qwen1(config: Config) -> Fields:
    """Qwen (the first): `intermediate_size` counts both branches of the MLP."""
    shape = llama(config)
    return shape | {
        "ffn": shape["ffn"] // 2,
        "attention_bias": "qkv",
        "max_tokens": config.integer("seq_length", "max_position_embeddings", default=8192),
    }


def qwen3(config: Config) -> Fields:
    """Qwen3: a norm per head on queries and keys; heads of 128 whatever the width."""
    shape = llama(config) | {"qk_norm": "head", "head_dim": config.integer("head_dim", default=128)}
    on = config.flag("use_sliding_window", default=False)
    return shape | (windowed(config, shape["layers"]) if on else {})


def gemma(config: Config) -> Fields:
    """Gemma: tied by default, heads of 256, GeGLU whatever `hidden_act` says."""
    return llama(config, tied=True) | {"mlp": "geglu", "head_dim": config.integer("head_dim", default=256)}


def gemma2(config: Config) -> Fields:
    """Gemma 2: norms before and after; every other layer sees a window of 4096."""
    shape = gemma(config) | {"norms_per_block": 4}
    values = Config({"sliding_window": 4096} | dict(config.values), config.where)
    return shape | windowed(values, shape["layers"], every=2)


def gemma3(config: Config) -> Fields:
    """Gemma 3: files leave out what equals the class's defaults; five local layers to one global."""
    defaults = {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
    }
    values = Config(defaults | dict(config.values), config.where)
    shape = gemma(values) | {"norms_per_block": 4, "qk_norm": "head"}
    pattern = values.integer("sliding_window_pattern", "_sliding_window_pattern", default=6)
    return shape | windowed(values, shape["layers"], every=pattern)


def phi(config: Config) -> Fields:
    """Phi 1 to 2: attention and MLP in parallel behind one LayerNorm; every product biased, the head too."""
    return llama(config) | {
        "norm": "layernorm",
        "norms_per_block": 1,
        "mlp": "gelu",
        "attention_bias": "all",
        "mlp_bias": True,
        "head_bias": True,
    }


def olmo(config: Config) -> Fields:
    """OLMo: LayerNorm without parameters."""
    return llama(config) | {"norm": "nonparametric"}


def olmo2(config: Config) -> Fields:
    """OLMo 2 and 3: norms after, and over whole queries and keys; in 3, windows on the layers listed."""
    shape = llama(config) | {"qk_norm": "full"}
    return shape | (windowed(config, shape["layers"]) if config.items("layer_types") else {})


def starcoder2(config: Config) -> Fields:
    """StarCoder2: LayerNorm, a plain GeLU MLP, biases everywhere, tied by default."""
    shape = llama(config, tied=True)
    biased = config.flag("use_bias", default=True)
    plain = {"norm": "layernorm", "mlp": "gelu", "attention_bias": "all" if biased else "no", "mlp_bias": biased}
    return shape | plain | windowed(config, shape["layers"])


def nemotron(config: Config) -> Fields:
    """Nemotron-4 and Minitron: LayerNorm, squared ReLU, no gate."""
    act = config.word("hidden_act", default="relu2")
    return llama(config) | {"norm": "layernorm", "mlp": _PLAIN.get(act, "relu2")}


def cohere(config: Config) -> Fields:
    """Command-R: one LayerNorm without shift before attention and MLP in parallel; tied."""
    shape = llama(config, tied=True)
    normed = config.flag("use_qk_norm", default=False)
    return shape | {"norm": "layernorm_nobias", "norms_per_block": 1, "qk_norm": "full" if normed else "no"}


def stablelm(config: Config) -> Fields:
    """StableLM: LayerNorm with shift, a gated MLP, biases on queries, keys and values if asked for."""
    biased = config.flag("use_qkv_bias", default=False)
    parallel = config.flag("use_parallel_residual", default=False)
    return llama(config) | {
        "norm": "layernorm",
        "norms_per_block": 1 if parallel else 2,
        "attention_bias": "qkv" if biased else "no",
    }


def glm(config: Config) -> Fields:
    """GLM-4 9B: queries, keys and values biased if attention is."""
    shape = llama(config)
    return shape | {"attention_bias": "qkv" if shape["attention_bias"] == "all" else "no"}


def glm4(config: Config) -> Fields:
    """GLM-4 0414: as GLM, with norms before and after."""
    return glm(config) | {"norms_per_block": 4}


def tied_llama(config: Config) -> Fields:
    """SmolLM3: a Llama, tied by default."""
    return llama(config, tied=True)


DENSE_FAMILIES: dict[str, Reader] = {
    **dict.fromkeys(("llama", "granite", "internlm2", "baichuan", "yi"), llama),
    "mistral": mistral,
    "phi3": mistral,
    "qwen": qwen1,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3_text": gemma3,
    "phi": phi,
    "olmo": olmo,
    "olmo2": olmo2,
    "olmo3": olmo2,
    "starcoder2": starcoder2,
    "nemotron": nemotron,
    "cohere": cohere,
    "stablelm": stablelm,
    "glm": glm,
    "glm4": glm4,
    "smollm3": tied_llama,
}
