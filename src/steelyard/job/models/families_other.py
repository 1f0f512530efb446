"""Encoders, encoder-decoders, vision and speech models of Hugging Face."""

from steelyard.job.models.config_values import Config
from steelyard.job.models.families import Fields, Reader

_BUCKETS = 32
"""Relative positions that T5 tells apart (`relative_attention_num_buckets`), each with a number a head."""


def t5(config: Config) -> Fields:
    """T5: v1.0 has a plain ReLU MLP and is tied, v1.1 is gated and not; both say so in the file.

    Its encoder alone (T5EncoderModel, which image models read texts with) says so as well, and has no head.
    """
    layers, heads = config.integer("num_layers"), config.integer("num_heads")
    act = config.word("feed_forward_proj", default="relu")
    alone = any(str(name).endswith("T5EncoderModel") for name in config.items("architectures"))
    shape: Fields = {
        "kind": "encdec",
        "layers": config.integer("num_decoder_layers", default=layers),
        "encoder_layers": layers,
        "hidden": config.integer("d_model"),
        "ffn": config.integer("d_ff"),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": config.integer("d_kv"),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("n_positions", default=512),
        "mlp": ("geglu" if "gelu" in act else "swiglu") if act.startswith("gated") else act.removesuffix("_new"),
        "position": "relative",
        "tied": config.flag("tie_word_embeddings", default=True),
        "dropout": config.dropped("dropout_rate", default=0.1),
    }
    encoder = {"kind": "encoder", "layers": layers, "encoder_layers": 0, "tied": True}
    return shape | encoder | {"extra_params": _BUCKETS * heads} if alone else shape


def mt5(config: Config) -> Fields:
    """mT5: T5 v1.1, not tied by default."""
    gated = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    return t5(Config(gated | dict(config.values), config.where))


def switch(config: Config) -> Fields:
    """Switch: T5 with one of many experts in every n-th layer of both stacks."""
    shape = t5(config)
    layers = config.integer("num_layers")
    sparse = config.integer("num_sparse_encoder_layers", default=3)
    return shape | {
        "experts": config.integer("num_experts"),
        "top_k": 1,
        "expert_ffn": shape["ffn"],
        "moe_every": max(1, layers // max(sparse, 1)),
    }


def bert(config: Config) -> Fields:
    """BERT: learned positions and segments, a norm behind them, and the pooler; without a head for masked words."""
    hidden, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    segments = config.integer("type_vocab_size", default=2)
    return {
        "kind": "encoder",
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
        "position": "learned",
        "tied": True,
        "attention_bias": "all",
        "mlp_bias": True,
        "extra_params": segments * hidden + hidden * hidden + hidden,
        "dropout": config.dropped("hidden_dropout_prob", default=0.1),
    }


def vit(config: Config) -> Fields:
    """ViT: patches and a class token; without a classifier or pooler."""
    hidden, patch = config.integer("hidden_size"), config.integer("patch_size", default=16)
    channels, side = config.integer("num_channels", default=3), config.integer("image_size", default=224)
    positions = (side // max(patch, 1)) ** 2 + 1
    defaults = {"vocab_size": 0, "max_position_embeddings": positions, "type_vocab_size": 0}
    return bert(Config(dict(config.values) | defaults, config.where)) | {
        "kind": "vit",
        "extra_params": channels * patch * patch * hidden + 2 * hidden,
        "dropout": config.dropped("hidden_dropout_prob", default=0.0),
    }


def whisper(config: Config) -> Fields:
    """Whisper: two convolutions and fixed positions before the encoder; keys without bias."""
    hidden, heads = config.integer("d_model"), config.integer("decoder_attention_heads")
    mel, heard = config.integer("num_mel_bins", default=80), config.integer("max_source_positions", default=1500)
    return {
        "kind": "speech",
        "layers": config.integer("decoder_layers"),
        "encoder_layers": config.integer("encoder_layers"),
        "hidden": hidden,
        "ffn": config.integer("decoder_ffn_dim"),
        "heads": heads,
        "kv_heads": heads,
        "head_dim": hidden // max(heads, 1),
        "vocab": config.integer("vocab_size"),
        "max_tokens": config.integer("max_target_positions", default=448),
        "norm": "layernorm",
        "mlp": "gelu",
        "position": "learned",
        "tied": True,
        "attention_bias": "qvo",
        "mlp_bias": True,
        "extra_params": 3 * hidden * (mel + hidden) + 2 * hidden + heard * hidden,
        "dropout": config.dropped("dropout", default=0.0),
    }


OTHER_FAMILIES: dict[str, Reader] = {
    "t5": t5,
    "mt5": mt5,
    "switch_transformers": switch,
    "bert": bert,
    "roberta": bert,
    "vit": vit,
    "whisper": whisper,
}
