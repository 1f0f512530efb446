"""Models that the catalog does not have: made from one that it has, or of which only the size is stated."""

import math
import re
from dataclasses import replace
from functools import cache

from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model, model_names
from steelyard.job.models.spec import ModelSpec

SIZE_ALONE = "shape by size alone"
"""Assumed of a model of which only the size is printed: its run is predicted, and neither scored nor fitted to."""

_SUFFIX = re.compile(
    r"[-_ ](chat|instruct|hf|base|it|sft|dpo|deduped|uncased|cased|coder|math|pretrain\w*|pruning|fp8|awq|gptq|int4|nf4"
    r"|bnb(-4bit)?|4bit|unsloth|beta|v\d+(\.\d+)*)(?=$|[-_ ])",
    re.IGNORECASE,
)
"""What publishers put behind the name of a model that has the shape of its base."""

DERIVED = (
    (r"(?:vicuna|alpaca|wizardlm|guanaco|open[_-]?llama)[-_ ]?(7|13|30|33|65)b", "llama-{}b"),
    (r"codellama[-_ ]?(7|13|70)b", "llama-2-{}b"),
    (r"bloomz[-_ ]?(560m|1b1|1b7|3b|7b1)", "bloom-{}"),
    (r"deepseek-r1-distill-qwen-(1\.5|7|14|32)b", "qwen2.5-{}b"),
    (r"deepseek-r1-distill-llama-(8|70)b", "llama-3.1-{}b"),
    (r"qwq-(32)b", "qwen2.5-{}b"),
    (r"zephyr-(7)b", "mistral-{}b"),
    (r"tinyllama-(1\.1)b", "tinyllama-{}b"),
    (r"smollm-(135m|360m|1\.7b)", "smollm2-{}"),
    (r"gpt-?(175)b", "gpt3-{}b"),
    (r"phi-?3\.5-(mini)", "phi-3-{}"),
)
"""Models by the base whose shape they have, as their model cards say (from memory)."""

ALIKE = 1.6
"""A model of the catalog that is at most so many times larger or smaller lends its width and head: chosen."""

_SIZE = re.compile(r"(?<![\dx.])(\d+(?:\.\d+)?) ?([bmt])(?![a-z0-9])", re.IGNORECASE)
_SPARSE = re.compile(
    r"(?i)\d ?x ?\d|moe|-a\d|mamba|nemotron[_ -]?(3|v3|h)|(?<!gp)t5|bart|whisper|vit|vl\b|diffusion"
    r"|glm-?5|deepseek"
)
"""Names of models that are not a stack of like dense blocks: their size alone says too little."""


def base_name(model: str) -> str:
    """Return the name of the base model whose shape a derived one has; without a known base, the name itself.

    >>> [base_name(name) for name in ("vicuna-7b-v1.5", "Llama-2-7b-chat-hf", "DeepSeek-R1-Distill-Qwen-7B", "gpt2")]
    ['llama-7b', 'Llama-2-7b', 'qwen2.5-7b', 'gpt2']
    """
    plain, before = model.strip(), ""
    while plain != before:
        before, plain = plain, _SUFFIX.sub("", plain)
    for words, base in DERIVED:
        found = re.fullmatch(words, plain.lower().rsplit("/", 1)[-1])
        if found:
            size = "33" if (found[1], base) == ("30", "llama-{}b") else found[1]
            return base.format(size)
    return plain


def named_size(model: str) -> float | None:
    """Return the parameters that a name writes, where it is a plain dense model's; else None.

    >>> [named_size(name) for name in ("GPT2-24B", "StableLM-Alpha-3B", "Mixtral-8x3B", "Qwen3-30B-A3B", "our own")]
    [24000000000.0, 3000000000.0, None, None, None]
    """
    found = _SIZE.search(model)
    if found is None or _SPARSE.search(model):
        return None
    return float(found[1]) * {"m": 1e6, "b": 1e9, "t": 1e12}[found[2].lower()]


@cache
def model_of_size(model: str, params: float, layers: float | None = None) -> ModelSpec | None:
    """Return a dense decoder of so many parameters: the nearest of its family, else of any, with the blocks that fit.

    Args:
        model: its name; None is returned where it is of another kind than a stack of like dense blocks.
        params: its parameters, as published or as its name has them.
        layers: its blocks where they are stated; its width follows from them then.

    >>> made = model_of_size("GPT2-24B", 24e9)
    >>> made.hidden, made.layers, round(float(architecture(made).total_params) / 1e9)
    (6144, 52, 24)
    """
    if _SPARSE.search(model) or not params > 0:
        return None
    known = {name: float(architecture(find_model(name)).total_params) for name in _dense()}
    family = re.match(r"[a-z]+", model.lower())
    ours = [name for name in known if family and name.startswith(family[0])]
    near = [name for name in ours if 1 / ALIKE < params / known[name] < ALIKE] or list(known)
    like = find_model(min(near, key=lambda name: abs(math.log(params / known[name]))))
    if layers:
        hidden = 128 * max(1, round(math.sqrt(params / (12 * layers)) / 128))
        made = replace(like, name=model, layers=int(layers), hidden=hidden, ffn=_width(like, hidden), windowed_layers=0)
        return replace(made, heads=hidden // 128, kv_heads=hidden // 128, head_dim=128)
    shape = architecture(like)
    ends = float(shape.embedding_params + shape.head_params)
    blocks = max(1, round((params - ends) / (float(shape.total_params) - ends) * like.layers))
    windowed = round(like.windowed_layers * blocks / like.layers)
    return replace(like, name=model, layers=blocks, windowed_layers=windowed)


def _width(like: ModelSpec, hidden: int) -> int:
    return 64 * round(hidden * like.ffn / like.hidden / 64)


@cache
def _dense() -> tuple[str, ...]:
    """Return the decoders of the catalog whose blocks are all dense and have softmax attention."""
    specs = [find_model(name) for name in model_names()]
    return tuple(
        one.name
        for one in specs
        if one.kind == "decoder" and not one.experts and not one.mixer_params and not one.attention_layers
    )
