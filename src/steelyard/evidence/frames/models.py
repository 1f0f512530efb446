"""From the model of a measured run to its `ModelSpec`: a preset where name and shape agree, else the columns."""

import re
from dataclasses import replace
from functools import cache
from typing import Any

from steelyard.catalog.stack_names import StackRule
from steelyard.errors import BadInput, nearest
from steelyard.evidence.frames.siblings import SIZE_ALONE, base_name, model_of_size, named_size
from steelyard.evidence.runs.columns import is_count
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.models.architecture import architecture as numbers
from steelyard.job.models.architecture import usual_dropout
from steelyard.job.models.describe import catalog_names, model_known_or_none, with_classes
from steelyard.job.models.presets import find_model, model_names
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.workload import Architecture

GATED = re.compile(r"(?i)llama|mistral|mixtral|qwen|gemma|yi-|baichuan|deepseek|internlm|glm|phi-?3|fuji|moe|olmo")
LEARNED = re.compile(r"(?i)gpt-?[23]|\bgpt\b|gpt-|opt|bert|megatron|neo")
DECORATION = re.compile(r"(?i)\s*\([^)]*\)|^(maxtext|paxml|nemo|fuji)\s+|\s+(dev|pretrain)$")
AGREE = 0.02
"""Two parameter counts that differ by less are one model; published counts carry two or three digits."""

_DISAGREE = 0.35
"""A shape that misses the published count by more describes another model."""

HEAD_DIMS = (128, 256)
"""Widths of a head where heads times width is not the hidden size (MaxText's and Qwen3's 128, Gemma's 256)."""

GPT_VOCAB, LLAMA_VOCAB = 51200, 32000  # arXiv 2104.04473 (padded GPT-2 tokenizer); arXiv 2302.13971 (SentencePiece)


class UnknownShape(BadInput):
    """A row whose model's shape is neither published nor known by name."""


def run_model(run: Run) -> tuple[ModelSpec | RowsSpec, frozenset[str]]:
    """Return the model of a run and what had to be assumed about it.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> found, assumed = run_model(blank_run(model="Llama 3.1 405b", layers=8.0))
    >>> found.layers, found.hidden, sorted(assumed)
    (8, 16384, [])
    >>> gpt = blank_run(model="GPT-18B", layers=40.0, hidden=6144.0, heads=48.0, params=18.4e9)
    >>> shaped, assumed = run_model(gpt)
    >>> round(numbers(shaped).total_params / 1e9, 1), sorted(assumed)
    (18.1, ['vocabulary'])
    """
    shape = tuple(
        getattr(run, name) if is_known(getattr(run, name)) else None
        for name in ("layers", "hidden", "ffn", "heads", "kv_heads", "vocab", "experts", "top_k", "params")
    )
    head_dim = re.search(r"head_dim (\d+)", run.shape_source + run.note)
    return _model(run.model, run.shape_source, shape, run.sequence_tokens, int(head_dim[1]) if head_dim else 0)


@cache
def _model(
    model: str, shape_source: str, shape: tuple[float | None, ...], sequence: float, head_dim: int
) -> tuple[ModelSpec | RowsSpec, frozenset[str]]:
    given = dict(
        zip(("layers", "hidden", "ffn", "heads", "kv_heads", "vocab", "experts", "top_k", "params"), shape, strict=True)
    )
    based_on = re.match(r"(.+?) base:", shape_source)
    preset = preset_of(model) or (preset_of(based_on[1]) if based_on else None)
    if isinstance(preset, RowsSpec):
        return preset, frozenset()
    if preset is not None and _agrees(preset, given):
        return _cut(preset, given["layers"]), frozenset()
    assumed: set[str] = set()
    if (sized := _of_size(model, given)) is not None:
        return sized, frozenset({"shape", "vocabulary", "heads", SIZE_ALONE})
    specs = _specs(model, given, sequence if is_known(sequence) else 2048.0, head_dim, assumed)
    published = given["params"]
    found = [numbers(spec) for spec in specs]
    if not published:
        doubtful = set() if specs[0].mlp == "gelu" and LEARNED.search(model) else {"shape"}
        return specs[0], frozenset(assumed | doubtful)
    errors = [abs(float(one.total_params) / published - 1) for one in found]
    close = [index for index, error in enumerate(errors) if error < AGREE]
    best = close[0] if close else errors.index(min(errors))
    if min(errors) > _DISAGREE:
        raise UnknownShape(
            f"the columns of {model!r} give {found[best].total_params / 1e9:.3g}e9 parameters, published are "
            f"{published / 1e9:.3g}e9"
        )
    return specs[best], frozenset(assumed | (set() if close or min(errors) < 0.1 else {"shape"}))


def _of_size(model: str, given: dict[str, float | None]) -> ModelSpec | None:
    """Return a model of which only the size is stated, by a number or in its name, as its siblings are; else None."""
    params = given["params"] or named_size(model)
    known = given["hidden"] or (given["experts"] or 0) > 1 or params is None
    return None if known else model_of_size(model, float(params or 0), given["layers"])


def usual_masks(run: Run, rule: StackRule, arch: Architecture) -> float:
    """Return whether a run's model is trained with dropout masks where it does not say (`usual_dropout`).

    Args:
        run: the row; the configuration of a shape that it gives is not known.
        rule: what the name of its stack implies.
        arch: the shape of its model.
    """
    return float(usual_dropout(rule, arch, configured=preset_of(run.model) is not None))


def preset_of(model: str) -> ModelSpec | RowsSpec | None:
    """Return the preset of a model's name as it is trained, with or without what publishers put around it.

    >>> preset_of("Qwen3_235B_a22B (tokendrop)").name, preset_of("Maxtext Llama3 70b").name
    ('qwen3-235b-a22b', 'llama-3-70b')
    """
    bare = DECORATION.sub("", DECORATION.sub("", model))
    found = model_known_or_none(model) or model_known_or_none(bare) or model_known_or_none(base_name(bare))
    return None if found is None else with_classes(found)[0]


def _agrees(spec: ModelSpec, given: dict[str, float | None]) -> bool:
    """Tell whether nothing published contradicts the preset (vocabulary and number of blocks may be changed).

    A size alone contradicts it where it is far from the preset's: a family's name is not its smallest member's.
    """
    if given["params"] and not given["layers"] and not given["hidden"]:
        return abs(float(numbers(spec).total_params) / given["params"] - 1) < _DISAGREE
    same = {"hidden": spec.hidden, "heads": spec.heads, "kv_heads": spec.kv_heads, "top_k": spec.top_k}
    fits = all(given[name] is None or given[name] == value for name, value in same.items())
    latent = spec.kv_lora > 0 and given["heads"] in (None, spec.heads) and given["hidden"] in (None, spec.hidden)
    return (fits or latent) and given["ffn"] in (None, spec.ffn, spec.expert_ffn)


def _cut(spec: ModelSpec, layers: float | None) -> ModelSpec:
    """Return a model with fewer (or more) blocks of the same kind, as benchmarks of a part of it use."""
    blocks = spec.layers + spec.encoder_layers
    if not layers or layers == blocks or spec.encoder_layers:
        return spec
    part = int(layers) / spec.layers
    return replace(
        spec,
        layers=int(layers),
        dense_layers=min(spec.dense_layers, int(layers) - 1) if spec.dense_layers else 0,
        attention_layers=round(spec.attention_layers * part),
        attention_moe_layers=None,
        windowed_layers=round(spec.windowed_layers * part),
        mixer_params=round(spec.mixer_params * part),
    )


def _specs(
    model: str, given: dict[str, float | None], sequence: float, head_dim: int, assumed: set[str]
) -> list[ModelSpec]:
    """Return the models that the columns may mean, the likeliest first: gated or not, tied or not."""
    hidden, ffn = given["hidden"], given["ffn"]
    if not hidden or not is_count(hidden):
        known = ", ".join(nearest_models(model))
        near = f" (nearest: {known})" if known else ""
        raise UnknownShape(f"unknown model {model!r}{near} and no hidden size: give a name of the catalog or the shape")
    heads = given["heads"] or max(1.0, round(hidden / 128))
    kv_heads = given["kv_heads"] or heads
    gated = bool(GATED.search(model)) or bool(ffn and not given["experts"] and ffn != 4 * hidden)
    if not given["vocab"]:
        assumed.add("vocabulary")
    vocab = given["vocab"] or family_vocab(model) or (LLAMA_VOCAB if gated else GPT_VOCAB)
    ffn = ffn or _ffn(given, hidden, vocab, gated)
    layers = given["layers"] or _layers(model, given, hidden, ffn, vocab, gated)
    if given["heads"] is None:
        assumed.add("heads")
    base = ModelSpec(
        name=model or "unnamed",
        layers=int(layers),
        hidden=int(hidden),
        ffn=int(ffn),
        heads=int(heads),
        kv_heads=int(kv_heads) if heads % kv_heads == 0 else int(heads),
        head_dim=head_dim or max(1, int(hidden // heads)),
        vocab=int(vocab),
        max_tokens=int(sequence),
        mlp="swiglu" if gated else "gelu",
        norm="rmsnorm" if gated else "layernorm",
        position="learned" if LEARNED.search(model) and not gated else "rope",
        attention_bias="no" if gated else "all",
        mlp_bias=not gated,
        tied=not gated,
        **_experts(given, ffn),
    )
    untied = [base, replace(base, tied=not base.tied)]
    wide = [replace(one, head_dim=dim) for dim in HEAD_DIMS for one in untied if not head_dim and dim != base.head_dim]
    other = "gelu" if gated else "swiglu"
    return [*untied, *(replace(one, mlp=other) for one in untied), *wide]


@cache
def nearest_models(model: str) -> tuple[str, ...]:
    """Return the names of the catalog that are nearest to one that it does not know.

    >>> nearest_models("lama-3-8b")[0]
    'llama-3-8b'
    """
    return tuple(nearest(model, catalog_names()))


def _experts(given: dict[str, float | None], ffn: float) -> dict[str, Any]:
    if not given["experts"] or given["experts"] < 2:
        return {}
    return {"experts": int(given["experts"]), "top_k": int(given["top_k"] or 2), "expert_ffn": int(ffn)}


def _ffn(given: dict[str, float | None], hidden: float, vocab: float, gated: bool) -> float:
    """Solve the width of the MLP from the published parameters, or take the family's usual one."""
    usual = 64 * round(hidden / 24) if gated else 4 * hidden
    if not given["params"] or not given["layers"] or given["experts"]:
        return usual
    heads = given["heads"] or 1
    attention = (2 + 2 * (given["kv_heads"] or heads) / heads) * hidden**2
    rest = given["params"] - 2 * vocab * hidden - given["layers"] * attention
    return max(64.0, 64 * round(rest / (given["layers"] * (3 if gated else 2) * hidden * 64)))


@cache
def family_vocab(model: str) -> int:
    """Return the vocabulary that most presets of a name's family have; 0 where none has that name.

    >>> family_vocab("Qwen1.5-4B"), family_vocab("no such family")
    (151936, 0)
    """
    family = re.match(r"[a-z]+", model.lower())
    sizes = [find_model(name).vocab for name in model_names() if family and name.startswith(family[0])]
    return max(set(sizes), key=sizes.count) if sizes else 0


def _layers(model: str, given: dict[str, float | None], hidden: float, ffn: float, vocab: float, gated: bool) -> float:
    """Solve the number of blocks from the published parameters, where it alone is missing."""
    if not given["params"] or given["experts"]:
        raise UnknownShape(f"unknown model {model!r} and no number of layers: give a name of the catalog or the shape")
    block = 4 * hidden**2 + (3 if gated else 2) * hidden * ffn
    return max(1.0, round((given["params"] - vocab * hidden) / block))
