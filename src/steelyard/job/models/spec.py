"""The description of a model in words and whole numbers, before it becomes a table of numbers.

A `ModelSpec` holds what a model card or a `config.json` says; `architecture` turns it into `workload.Architecture`.
"""

from dataclasses import dataclass, fields
from types import MappingProxyType

from steelyard.errors import BadInput, nearest

MODEL_VALUES = MappingProxyType(
    {
        "kind": ("decoder", "encdec", "encoder", "vit", "speech", "dit"),
        "norm": ("rmsnorm", "layernorm", "layernorm_nobias", "nonparametric"),
        "mlp": ("gelu", "relu", "relu2", "swiglu", "geglu"),
        "expert_mlp": ("", "gelu", "relu", "relu2", "swiglu", "geglu"),
        "position": ("rope", "learned", "alibi", "relative", "none"),
        "attention_bias": ("no", "qkv", "qvo", "o", "all"),
        "qk_norm": ("no", "head", "full"),
        "precision": ("exact", "rounded", "label", ""),
    }
)
"""The words that a field of a `ModelSpec` may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """What is published about a model; 0 and an empty text mean that nothing is known."""

    params: int = 0
    precision: str = ""  # exact: to the unit; rounded: a printed figure; label: only the model's name
    active: int = 0  # activated parameters of a token
    active_basis: str = ""  # which embeddings the activated figure counts
    mismatch: str = ""  # why our count differs by more than the published rounding
    tokens: int = 0  # trained on
    unread: tuple[str, ...] = ()  # of these figures, the ones that were not read at their source
    source: str = ""
    checked: str = ""  # the day on which the source was read
    verified: bool = False  # every column of the shape was read in a config or a paper's table
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One transformer in words: what its configuration file says, with every default written out."""

    name: str
    family: str = ""
    model_type: str = ""  # of Hugging Face, empty: none
    kind: str = "decoder"
    layers: int  # of the decoder, or of the only stack
    encoder_layers: int = 0
    hidden: int
    ffn: int  # width of the dense MLP, one branch
    heads: int
    kv_heads: int
    head_dim: int  # of queries and keys; MLA: nope + rope
    v_head_dim: int = 0  # 0: as head_dim
    vocab: int  # as stored, padding included
    classes: int = 0  # of a classifier on one vector of a sample (vision), 0: none
    embedding_width: int = 0  # 0: as hidden (OPT-350M: 512)
    max_tokens: int  # positions that the model accepts
    context_tokens: int = 0  # length it was pre-trained at before any extension, 0: unknown
    norm: str = "rmsnorm"
    norms_per_block: int = 2
    mlp: str = "swiglu"
    position: str = "rope"
    tied: bool = False  # the output projection is the token table
    attention_bias: str = "no"
    mlp_bias: bool = False
    head_bias: bool = False
    qk_norm: str = "no"
    attention_layers: int = 0  # blocks with softmax attention, 0: all of them
    attention_moe_layers: int | None = None  # of these, blocks with routed experts; None: as far as the two tell
    windowed_layers: int = 0
    window_tokens: int = 0
    experts: int = 0  # routed
    top_k: int = 0
    expert_groups: int = 0  # of as many experts each, 0: no groups
    top_k_groups: int = 0  # groups that a token may visit
    expert_ffn: int = 0  # one branch
    expert_mlp: str = ""  # empty: as mlp
    shared_experts: int = 0
    shared_ffn: int = 0  # summed width of the shared experts, 0: shared_experts x expert_ffn
    dense_layers: int = 0  # leading blocks without experts
    moe_every: int = 1  # experts in every n-th block after those
    q_lora: int = 0
    kv_lora: int = 0  # above 0: multi-head latent attention
    rope_dim: int = 0
    dropout: bool = False  # trained with dropout masks
    mixer_params: int = 0  # all token mixers that are not softmax attention: Mamba, lightning attention
    extra_params: int = 0  # anything else, explained in the note
    published: PublishedModel = PublishedModel()

    def __post_init__(self) -> None:
        check_model(self)

    @property
    def moe_layers(self) -> int:
        """Blocks with routed experts, of both stacks.

        >>> moe = {"experts": 8, "top_k": 2, "expert_ffn": 64, "moe_every": 2}
        >>> ModelSpec(name="toy", layers=4, hidden=64, ffn=64, heads=4, kv_heads=4, head_dim=16, vocab=100,
        ...           max_tokens=128, **moe).moe_layers
        2
        """
        return (self.layers + self.encoder_layers - self.dense_layers) // self.moe_every if self.experts else 0

    @property
    def attention_moe_bounds(self) -> tuple[int, int]:
        """Fewest and most blocks that can have both softmax attention and routed experts, by the number of each.

        >>> hybrid = {"attention_layers": 1, "experts": 8, "top_k": 2, "expert_ffn": 64, "moe_every": 2}
        >>> ModelSpec(name="toy", layers=4, hidden=64, ffn=64, heads=4, kv_heads=4, head_dim=16, vocab=100,
        ...           max_tokens=128, **hybrid).attention_moe_bounds
        (0, 1)
        """
        blocks = self.layers + self.encoder_layers
        attention = self.attention_layers or blocks
        return max(attention + self.moe_layers - blocks, 0), min(attention, self.moe_layers)


MOST_PARAMS = 10**15
"""No number of a model is larger."""

_INTEGERS = frozenset(field.name for field in fields(ModelSpec) if field.type is int)
_POSITIVE = ("layers", "hidden", "ffn", "heads", "kv_heads", "head_dim", "max_tokens", "moe_every")


def check_model(spec: ModelSpec) -> None:
    """Raise `BadInput` if the description cannot be a model.

    >>> ModelSpec(name="toy", layers=-4, hidden=64, ffn=64, heads=4, kv_heads=4, head_dim=16, vocab=9, max_tokens=9)
    Traceback (most recent call last):
    steelyard.errors.BadInput: model toy: layers is -4; it must be at least 1
    """
    given = set() if spec.attention_moe_layers is None else {"attention_moe_layers"}
    for name in sorted(_INTEGERS - {"extra_params"} | given):
        value, least = getattr(spec, name), int(name in _POSITIVE)
        if type(value) is not int:
            raise BadInput(f"model {spec.name}: {name} is {value!r}; it must be a whole number")
        if value < least:
            raise BadInput(f"model {spec.name}: {name} is {value}; it must be at least {least}")
        if value > MOST_PARAMS:
            raise BadInput(f"model {spec.name}: {name} is {value}; no model is that large")
    for name, words in MODEL_VALUES.items():
        word = getattr(spec.published if name == "precision" else spec, name)
        if word not in words:
            near = ", ".join(nearest(str(word), words)) or ", ".join(filter(None, words))
            raise BadInput(f"model {spec.name}: {name} is {word!r}; nearest: {near}")
    for wrong, message in _contradictions(spec):
        if wrong:
            raise BadInput(f"model {spec.name}: {message}")


def _contradictions(spec: ModelSpec) -> tuple[tuple[bool, str], ...]:
    blocks = spec.layers + spec.encoder_layers
    moe, both = spec.experts > 0, spec.attention_moe_layers
    fewest, most = spec.attention_moe_bounds
    return (
        (spec.heads % spec.kv_heads != 0, f"{spec.heads} heads cannot share {spec.kv_heads} key-value heads evenly"),
        (spec.top_k > spec.experts, f"top_k {spec.top_k} is more than its {spec.experts} routed experts"),
        (moe and spec.top_k < 1, f"it has {spec.experts} routed experts; give top_k, how many a token visits"),
        (
            (spec.expert_groups > 0) != (spec.top_k_groups > 0) or spec.top_k_groups > spec.expert_groups,
            f"{spec.expert_groups} expert_groups and {spec.top_k_groups} top_k_groups: give both, the second no larger",
        ),
        (
            spec.expert_groups > 0 and spec.experts % spec.expert_groups != 0,
            f"{spec.experts} experts do not make {spec.expert_groups} groups of one size",
        ),
        (moe and spec.expert_ffn < 1, f"it has {spec.experts} routed experts; give expert_ffn, the width of one"),
        (spec.dense_layers > blocks, f"{spec.dense_layers} dense layers are more than its {blocks} blocks"),
        (spec.attention_layers > blocks, f"{spec.attention_layers} attention layers are more than {blocks} blocks"),
        (
            both is not None and not fewest <= both <= most,
            f"attention_moe_layers is {both}; {fewest} to {most} of its {spec.moe_layers} layers with experts have it",
        ),
        (spec.windowed_layers > blocks, f"{spec.windowed_layers} windowed layers are more than its {blocks} blocks"),
        (
            spec.windowed_layers > 0 and spec.window_tokens < 1,
            f"{spec.windowed_layers} windowed layers need window_tokens, the length of the window",
        ),
        (
            spec.kv_lora > 0 and not 0 < spec.rope_dim < spec.head_dim,
            f"latent attention needs 0 < rope_dim < head_dim; they are {spec.rope_dim} and {spec.head_dim}",
        ),
        (
            spec.kind in {"encdec", "speech"} and spec.encoder_layers < 1,
            f"it is {spec.kind}; give encoder_layers, at least 1",
        ),
    )
