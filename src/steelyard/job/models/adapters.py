"""LoRA: which matrices get adapters, how many parameters these have, and what the frozen ones weigh."""

import re
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.errors import BadInput, nearest
from steelyard.job.models.architecture import architecture
from steelyard.job.models.spec import ModelSpec
from steelyard.strategies.denial import Patterns, named
from steelyard.strategies.recipe_settings import QUANTISED_BYTES
from steelyard.units import Bytes

_GROUPS = MappingProxyType(
    {
        "all-linear": ("q", "k", "v", "o", "gate", "up", "down"),
        "attention": ("q", "k", "v", "o"),
        "mlp": ("gate", "up", "down"),
        "qkv": ("q", "k", "v"),
    }
)
_ALIASES = MappingProxyType(
    {"wq": "q", "wk": "k", "wv": "v", "wo": "o", "w1": "gate", "w3": "up", "w2": "down", "fc1": "up", "fc2": "down"}
    | {"output": "o", "out": "o", "all": "all-linear", "attn": "attention"}
    | dict.fromkeys(("qkv", "c_attn", "query_key_value", "wqkv"), "qkv")
)
USUAL_RANK = 8
USUAL_TARGETS = MappingProxyType(
    {
        "attention": ("q", "v"),
        "qkv": ("q", "k", "v"),
        "all but keys": ("q", "v", "o", "gate", "up", "down"),
        "all": ("q", "k", "v", "o", "gate", "up", "down"),
    }
)
"""Of adapters where nobody says: the defaults of huggingface/peft (LoraConfig.r; utils/constants.py, for Llama), or
what the defaults of a library adapt (`names` of `catalog/data/stacks/*.yaml`)."""

QUANTISED: Patterns = (
    (r"nf4-dq|double[_ -]?quant\w*|nested[_ -]quant\w*|use_double_quant", "nf4-dq"),
    (r"mxfp4", "mxfp4"),
    (
        (
            r"int8|eetq|8.?bit base|load_in_8bit|llm\.int8|8-?bit (?:weights|model|quanti\w+)"
            r"|quant(?:ization_bit|_bits)\W{1,3}8"
        ),
        "int8",
    ),
    (r"gptq|awq|int4", "int4-g128"),
    (r"fms-acceleration|llama-?factory", "nf4-dq"),
    (r"quantization_bit\W{1,3}4", "nf4-dq"),
    (r"nf4|fp4|qlora|4.?bit|quant_bits\W{1,3}4", "nf4"),
)
"""How people write the type of frozen weights, and its name in `QUANTISED_BYTES`.

fms-acceleration quantises the constants as well (github.com/foundation-model-stack/fms-acceleration,
framework_plugin_bnb.py: bnb_4bit_use_double_quant=True), and so does LLaMA-Factory (github.com/hiyouga/LLaMA-Factory,
hparams/model_args.py: double_quantization=True); bitsandbytes by default does not. EETQ is
of 8 bits, a scale a row (github.com/NetEase-FuXi/EETQ, README). Its fp4 has the constants of
nf4 (huggingface.co/docs/bitsandbytes, Linear4bit: blocks of 64).
"""


def quantised_type(text: str) -> str:
    """Return the type of frozen weights that a text names, of `QUANTISED_BYTES`; empty where it names none.

    >>> texts = ("load_in_8bit=True", "nf4, double quantisation", "GPTQ", "nf4, no double quantisation", "bf16, no nf4")
    >>> [quantised_type(text) for text in texts]
    ['int8', 'nf4-dq', 'int4-g128', 'nf4', '']
    """
    return next((name for pattern, name in QUANTISED if named(pattern, text)), "")


@dataclass(frozen=True, slots=True)
class Adapters:
    """Low-rank adapters of a model, and the type of what is frozen beside them."""

    model: ModelSpec
    rank: int
    targets: tuple[str, ...]
    quantised: str = ""  # a type of `QUANTISED_BYTES`; empty: the working precision
    published_params: float | None = None  # trained parameters, where they are published

    @property
    def params(self) -> float:
        """Return the parameters of all adapters."""
        return (
            adapter_params(self.model, self.rank, self.targets)
            if self.published_params is None
            else self.published_params
        )

    @property
    def inputs(self) -> float:
        """Return the summed widths of the inputs of one block's matrices that have adapters."""
        return adapted_inputs(self.model, self.targets)

    def frozen_bytes(self, element_bytes: Bytes) -> Bytes:
        """Return the mean bytes of a frozen parameter."""
        return frozen_bytes(self.model, self.quantised, element_bytes)

    @property
    def packed_bytes(self) -> Bytes:
        """Return the bytes of a quantised parameter, its scales included; 0 where none is."""
        return QUANTISED_BYTES[self.quantised] if self.quantised else 0.0


def lora_targets(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the matrices that names stand for, in a fixed order; `q_proj` and groups are understood.

    >>> lora_targets(("q_proj", "v_proj")), lora_targets(("mlp",)), lora_targets(("c_attn",))
    (('q', 'v'), ('gate', 'up', 'down'), ('q', 'k', 'v'))
    """
    known = {**{name: (name,) for name in _GROUPS["all-linear"]}, **_GROUPS}
    chosen: set[str] = set()
    for name in names:
        plain = name.strip().lower().replace("_linear", "-linear").removesuffix("_proj")
        plain = _ALIASES.get(plain, plain)
        if plain not in known:
            raise BadInput(f"unknown LoRA target {name!r}; nearest: {', '.join(nearest(plain, known) or known)}")
        chosen.update(known[plain])
    return tuple(name for name in _GROUPS["all-linear"] if name in chosen)


def listed_targets(text: str) -> tuple[str, ...]:
    """Return the matrices that a text lists as people do: with commas, blanks or `and`, in brackets and quotes.

    >>> listed_targets("['q_proj', 'v_proj']"), listed_targets("q_proj,output_proj and MLP")
    (('q', 'v'), ('q', 'o', 'gate', 'up', 'down'))
    """
    words = re.split(
        r"[^a-z0-9_.-]+", re.sub(r"all[ _-]linear\w*( layers| modules| matrices)?", "all-linear", text.lower())
    )
    return lora_targets(tuple(word for word in words if word and word != "and"))


def adapter_params(spec: ModelSpec, rank: int, names: tuple[str, ...]) -> int:
    """Return the parameters of all adapters: rank · (rows + columns) of every matrix adapted, in every expert too.

    Source: Hu et al. 2021, arXiv 2106.09685, section 4.1.
    Limits: with latent attention q and k, v mean the up-projections of the latents; routers get no adapter.

    >>> from steelyard.job.models.presets import find_model
    >>> adapter_params(find_model("llama-2-7b"), 8, ("q", "v"))
    4194304
    """
    chosen = lora_targets(names)
    mlp = [name for name in _GROUPS["mlp"] if name in chosen and (name != "gate" or spec.mlp in {"swiglu", "geglu"})]
    shared = spec.shared_ffn or spec.shared_experts * spec.expert_ffn
    widths = _attention_widths(spec)
    blocks = spec.layers + spec.encoder_layers
    dense = (blocks - spec.moe_layers) * (spec.hidden + spec.ffn)
    routed = spec.moe_layers * spec.experts * (spec.hidden + spec.expert_ffn)
    common = spec.moe_layers * (spec.hidden + shared) if shared else 0
    attention = (spec.attention_layers or blocks) + (spec.layers if spec.encoder_layers else 0)
    mixed = attention * sum(widths[name] for name in widths if name in chosen)
    return rank * (mixed + len(mlp) * (dense + routed + common))


def adapted_inputs(spec: ModelSpec, names: tuple[str, ...]) -> float:
    """Return the summed widths of the inputs of one block's matrices that have adapters, the mean over the blocks.

    Source: Hu et al. 2021, arXiv 2106.09685, section 4.1: an adapter reads the input of its matrix.
    Limits: with latent attention every input counts as the hidden width.

    >>> from steelyard.job.models.presets import find_model
    >>> adapted_inputs(find_model("llama-2-7b"), ("q", "v")), adapted_inputs(find_model("llama-2-7b"), ("mlp",))
    (8192.0, 19200.0)
    """
    chosen = lora_targets(names)
    mixed = sum(spec.hidden for name in ("q", "k", "v") if name in chosen)
    mixed += spec.heads * (spec.v_head_dim or spec.head_dim) if "o" in chosen else 0
    gated = spec.mlp in {"swiglu", "geglu"}
    into = sum(spec.hidden for name in ("gate", "up") if name in chosen and (name != "gate" or gated))
    sparse = spec.moe_layers / (spec.layers + spec.encoder_layers)
    dense = into + ("down" in chosen) * spec.ffn
    routed = spec.top_k * (into + ("down" in chosen) * spec.expert_ffn)
    return float(mixed + (1 - sparse) * dense + sparse * routed)


def linear_params(spec: ModelSpec) -> int:
    """Return the parameters of the matrices inside the blocks: what QLoRA quantises.

    >>> from steelyard.job.models.presets import find_model
    >>> linear_params(find_model("llama-2-7b"))
    6476005376
    """
    numbers = architecture(spec)
    outside = numbers.embedding_params + numbers.head_params + numbers.extra_params
    blocks = spec.layers + spec.encoder_layers
    norms = {"layernorm": 2, "nonparametric": 0}.get(spec.norm, 1) * spec.norms_per_block * spec.hidden
    return int(numbers.total_params - outside - blocks * norms)


def frozen_bytes(spec: ModelSpec, quantised: str, element_bytes: Bytes) -> Bytes:
    """Return the mean bytes of a frozen parameter.

    QLoRA keeps the matrices of the blocks in 4-bit NormalFloat with doubly quantised constants, 4 + 0.127 bits a
    parameter, and the rest at the working precision.

    Source: Dettmers et al. 2023, arXiv 2305.14314, section 3 ("0.127 bits per parameter").

    >>> from steelyard.job.models.presets import find_model
    >>> round(frozen_bytes(find_model("llama-2-7b"), "nf4-dq", 2), 4), frozen_bytes(find_model("llama-2-7b"), "", 2)
    (0.5736, 2)
    """
    if not quantised:
        return element_bytes
    linear, total = linear_params(spec), architecture(spec).total_params
    return (linear * QUANTISED_BYTES[quantised] + (total - linear) * element_bytes) / total


def _attention_widths(spec: ModelSpec) -> dict[str, int]:
    """Rows plus columns of each matrix of attention."""
    value = spec.v_head_dim or spec.head_dim
    keys, values = spec.kv_heads * spec.head_dim, spec.kv_heads * value
    into_q, into_kv = spec.hidden, spec.hidden
    if spec.kv_lora:
        keys, values = spec.heads * (spec.head_dim - spec.rope_dim), spec.heads * value
        into_q, into_kv = spec.q_lora or spec.hidden, spec.kv_lora
    return {
        "q": into_q + spec.heads * spec.head_dim,
        "k": into_kv + keys,
        "v": into_kv + values,
        "o": spec.heads * value + spec.hidden,
    }
