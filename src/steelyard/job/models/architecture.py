"""From a model in words to `workload.Architecture`: the only place where words become numbers."""

from functools import lru_cache
from types import MappingProxyType

from steelyard.catalog.stack_names import StackRule
from steelyard.errors import BadInput
from steelyard.job.kept.dropouts import model_dropout
from steelyard.job.models import count
from steelyard.job.models.spec import MOST_PARAMS, ModelSpec
from steelyard.units import Share
from steelyard.workload import Architecture

_NORM_VECTORS = MappingProxyType({"layernorm": 2, "layernorm_nobias": 1, "rmsnorm": 1, "nonparametric": 0})
_BIASED = MappingProxyType(
    {
        word: {f"{name}_bias": int(name in biased) for name in "qkvo"}
        for word, biased in {"no": "", "qkv": "qkv", "qvo": "qvo", "o": "o", "all": "qkvo"}.items()
    }
)
_MATRICES = MappingProxyType({"gelu": 2, "relu": 2, "relu2": 2, "swiglu": 3, "geglu": 3})
_T5_BUCKETS = 32  # relative-position buckets of T5, arXiv 1910.10683, section 2.1


SPAN_TARGETS = 114 / 512
"""Target tokens for an input token when corrupted spans are predicted: arXiv 1910.10683, section 3.1.4."""


@lru_cache(maxsize=4096)
def architecture(spec: ModelSpec) -> Architecture:
    """Return the numbers of a model.

    The parts add up to the unit: embedding + head + attention_layers · attention + (layers - attention_layers) · mixer
    + layers · norm + (layers - moe_layers) · mlp + moe_layers · (router + routed + shared) + decoder blocks · cross
    + extra = total. `layers` counts both stacks of an encoder-decoder; final norms and relative positions are in
    `extra_params`. Where the dense MLP and the experts differ in kind (GLaM), `ffn` is the width at which a dense MLP
    of the experts' kind has equally many weights.

    Source: the counting rules are in `count`; each is checked against published counts in `tests/job`.

    >>> from steelyard.job.models.presets import find_model
    >>> numbers = architecture(find_model("llama-3-8b"))
    >>> numbers.total_params, numbers.active_params, numbers.attention_params
    (8030261248, 8030261248, 41943040)
    """
    blocks = spec.layers + spec.encoder_layers
    attention_layers = spec.attention_layers or blocks
    matrices = _MATRICES[spec.expert_mlp or spec.mlp]
    parts = _parts(spec)
    dense = blocks - spec.moe_layers
    total = (
        parts["embedding_params"]
        + parts["head_params"]
        + attention_layers * parts["attention_params"]
        + (blocks - attention_layers) * parts["mixer_params"]
        + dense * parts["mlp_params"]
        + spec.moe_layers * (parts["routed_params"] + parts["shared_params"] + parts["router_params"])
        + blocks * parts["norm_params"]
        + (spec.layers if spec.encoder_layers else 0) * parts["cross_params"]
        + parts["patch_params"]
        + blocks * parts["conditioning_params"]
        + parts["embedder_params"]
        + parts["extra_params"]
    )
    if total > MOST_PARAMS:
        raise BadInput(f"model {spec.name}: it has {total:.3g} parameters; no model is that large")
    expert = parts["routed_params"] // max(spec.experts, 1)
    return Architecture(
        layers=blocks,
        encoder_layers=blocks if spec.kind in {"encoder", "vit", "dit"} else spec.encoder_layers,
        target_share=SPAN_TARGETS if spec.encoder_layers and spec.layers else 1,
        attention_layers=attention_layers,
        moe_layers=spec.moe_layers,
        attention_moe_layers=_attention_moe_layers(spec),
        windowed_layers=spec.windowed_layers,
        window_tokens=spec.window_tokens,
        causal=0 if spec.kind in {"encoder", "vit", "dit"} else 1,
        hidden=spec.hidden,
        heads=spec.heads,
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dim,
        v_head_dim=spec.v_head_dim or spec.head_dim,
        ffn=spec.ffn * _MATRICES[spec.mlp] // matrices,
        ffn_matrices=matrices,
        moe_ffn=spec.expert_ffn,
        experts=spec.experts,
        top_k=spec.top_k,
        expert_groups=spec.expert_groups,
        top_k_groups=spec.top_k_groups,
        shared_ffn=_shared_ffn(spec),
        vocab=spec.classes or spec.vocab,
        patches=spec.max_tokens - 1 if spec.kind == "vit" else spec.max_tokens if spec.kind == "dit" else 0,
        pooled=int(spec.classes > 0),
        mla=int(spec.kv_lora > 0),
        q_lora=spec.q_lora,
        kv_lora=spec.kv_lora,
        rope_dim=spec.rope_dim if spec.kv_lora else 0,
        gelu=int(matrices == 2),
        dropout=int(spec.dropout),
        **parts,
        total_params=total,
        active_params=int(count.active_params(total, spec.moe_layers, spec.experts, spec.top_k, expert)),
    )


def spread_text(spec: ModelSpec) -> str:
    """Return what is assumed of a hybrid whose description leaves open which blocks have both attention and experts.

    >>> from steelyard.job.models.presets import find_model
    >>> spread_text(find_model("jamba-v0.1"))
    ''
    """
    fewest, most = spec.attention_moe_bounds
    if spec.attention_moe_layers is not None or fewest == most:
        return ""
    return (
        f"attention_moe_layers of {spec.name} unknown, {fewest} to {most}: experts are spread evenly over blocks with "
        "attention and without"
    )


def _attention_moe_layers(spec: ModelSpec) -> float:
    """Blocks with both attention and experts; where nothing tells, in proportion to the numbers of each."""
    fewest, most = spec.attention_moe_bounds
    if spec.attention_moe_layers is not None or fewest == most:
        return most if spec.attention_moe_layers is None else spec.attention_moe_layers
    return spec.attention_layers * spec.moe_layers / (spec.layers + spec.encoder_layers)


def _parts(spec: ModelSpec) -> dict[str, int]:
    blocks = spec.layers + spec.encoder_layers
    norm = count.norm_params(spec.hidden, _NORM_VECTORS[spec.norm])
    others = blocks - (spec.attention_layers or blocks)  # blocks that mix tokens otherwise
    mixer, rest = divmod(spec.mixer_params, max(others, 1))
    width = spec.embedding_width or spec.hidden
    expert_matrices = _MATRICES[spec.expert_mlp or spec.mlp]
    mlp = count.mlp_params(spec.hidden, spec.ffn, _MATRICES[spec.mlp], spec.mlp_bias)
    expert = count.mlp_params(spec.hidden, spec.expert_ffn, expert_matrices, spec.mlp_bias) if spec.experts else 0
    shared = count.mlp_params(spec.hidden, _shared_ffn(spec), expert_matrices, 0)
    router = spec.hidden * spec.experts
    positions = spec.max_tokens if spec.position == "learned" else 0
    return {
        "embedding_params": int(
            count.embedding_params(spec.vocab, width, spec.hidden, positions, int(width != spec.hidden))
        ),
        "head_params": _head(spec, width),
        "attention_params": _attention(spec),
        "mixer_params": mixer if others else 0,
        "norm_params": int(spec.norms_per_block * norm),
        "mlp_params": int(mlp),
        "routed_params": int(spec.experts * expert),
        "router_params": router,
        "shared_params": int(shared),
        "cross_params": int(_attention(spec) + norm) if spec.encoder_layers else 0,
        **_image(spec, int(rest + _outside(spec, int(norm)))),
    }


def _head(spec: ModelSpec, width: int) -> int:
    if spec.classes:
        return spec.classes * (spec.hidden + 1)
    return 0 if spec.tied else int(spec.vocab * width + spec.head_bias * spec.vocab)


def _image(spec: ModelSpec, outside: int) -> dict[str, int]:
    """Parameters outside the blocks by what they are multiplied with: each patch, one vector of a sample, or nothing.

    ViT: the patch embedding, but not its bias and the class token (arXiv 2010.11929, equation 1). DiT: each block makes
    six vectors of one (arXiv 2212.09748, section 3.2, adaLN-Zero; with bias: facebookresearch/DiT, models.py);
    what is left embeds patches, time and label and makes the output, and is counted as if a vector met it.
    """
    patch = spec.extra_params - 2 * spec.hidden if spec.kind == "vit" else 0
    conditions = max(spec.extra_params, 0) if spec.kind == "dit" else 0
    each = min(6 * spec.hidden * (spec.hidden + 1), conditions // (spec.layers + spec.encoder_layers))
    embedders = conditions - each * (spec.layers + spec.encoder_layers)
    extra = outside + spec.extra_params - patch - conditions
    return {
        "patch_params": patch,
        "conditioning_params": each,
        "embedder_params": embedders,
        "extra_params": extra,
    }


def _attention(spec: ModelSpec) -> int:
    """Token mixing of one softmax attention block, its query and key norms included."""
    shape = {
        "hidden": spec.hidden,
        "heads": spec.heads,
        "head_dim": spec.head_dim,
        "v_head_dim": spec.v_head_dim or spec.head_dim,
    }
    if spec.kv_lora:
        latent = count.latent_attention_params(
            **shape,
            q_lora=spec.q_lora,
            kv_lora=spec.kv_lora,
            rope_dim=spec.rope_dim,
            q_compressed=int(spec.q_lora > 0),
        )
        return int(latent)
    per_head, whole = int(spec.qk_norm == "head"), int(spec.qk_norm == "full")
    plain = count.attention_params(**shape, kv_heads=spec.kv_heads, **_BIASED[spec.attention_bias])
    return int(plain + count.qk_norm_params(spec.heads, spec.kv_heads, spec.head_dim, per_head, whole))


def _outside(spec: ModelSpec, norm: int) -> int:
    """Final norms and relative positions."""
    stacks = 2 if spec.encoder_layers else 1
    buckets = _T5_BUCKETS * spec.heads if spec.position == "relative" and spec.encoder_layers else 0
    return stacks * (norm + buckets)


def _shared_ffn(spec: ModelSpec) -> int:
    return spec.shared_ffn or spec.shared_experts * spec.expert_ffn


CONFIGURED = ("hf-trainer", "deepspeed")
"""Stacks that mostly train the code that Hugging Face has of a model."""


def usual_dropout(rule: StackRule, numbers: Architecture, configured: bool = True) -> Share:
    """Return whether a model is trained with dropout masks where nobody says.

    Hugging Face's code of a model takes the rates of its published configuration (github.com/huggingface/transformers
    models/gpt2/configuration_gpt2.py: resid_pdrop, from memory); other stacks have a default of their own, of causal
    models without a gate whose configuration does not say that there is none.

    Args:
        rule: what the name of the stack implies.
        numbers: of the model, with the dropout of its configuration.
        configured: whether that is known, so that none is none.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> from steelyard.job.models.presets import find_model
    >>> gpt = architecture(find_model("gpt2"))
    >>> [float(usual_dropout(rule_of_name(load().stack_rules, name), gpt)) for name in ("HF Trainer", "nanoGPT")]
    [1.0, 0.0]
    >>> rule = rule_of_name(load().stack_rules, "Megatron-LM")
    >>> [float(usual_dropout(rule, architecture(find_model(name)))) for name in ("gpt2", "gpt-neox-20b", "llama-3-8b")]
    [1.0, 0.0, 0.0]
    """
    if rule.stack in CONFIGURED:
        return numbers.dropout
    return rule.dropout if numbers.gelu and numbers.causal and (numbers.dropout or not configured) else 0.0


def open_dropout(rule: StackRule, text: str) -> bool:
    """Tell whether a model's dropout masks follow from the default of its stack, as nobody says otherwise.

    Args:
        rule: what the name of the stack implies.
        text: its name, and what else is written.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> rule = rule_of_name(load().stack_rules, "megatron-core")
    >>> open_dropout(rule, "megatron-core"), open_dropout(rule, "megatron-core, no dropout")
    (True, False)
    """
    return rule.dropout > 0 and model_dropout(text) is None


def is_gated(numbers: Architecture) -> bool:
    """Tell whether the MLP of a model has a gate.

    >>> from steelyard.job.models.presets import find_model
    >>> [is_gated(architecture(find_model(name))) for name in ("llama-3-8b", "gpt2")]
    [True, False]
    """
    return not numbers.gelu
