"""From a job file, text or command line to a `JobSpec` with every default written out."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from steelyard.errors import BadInput
from steelyard.job import batch_range, defaults, literals
from steelyard.job.documents import load_json, load_yaml, read_text
from steelyard.job.fields import FIELD_ALIASES, JobFields, PolicyFields, job_fields
from steelyard.job.job_spec import JobSpec
from steelyard.job.models import describe
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.samples import SEQUENCE, sample_tokens, sample_word, trained_tokens

_DEFAULTS = MappingProxyType(
    {
        "precision": "precision bf16: 16-bit work with an fp32 master copy",
        "optimizer": "optimizer adamw: two fp32 moments",
        "task": "task pretrain: all parameters are trained",
        "purchase": "purchase on-demand",
        "checkpoints": "checkpoints 2: the last, and the one being written, are kept",
    }
)
_INSTEAD = MappingProxyType(
    {
        "global_batch": frozenset({"global_batch_min", "global_batch_max"}),
        "global_batch_min": frozenset({"global_batch"}),
        "global_batch_max": frozenset({"global_batch"}),
        "purchase": frozenset({"use_spot", "spot_policy"}),
    }
)
"""Fields of the file that an option takes the place of, besides its own."""

_AS_READ = (
    "accelerators", "regions", "providers", "deny_accelerators", "deny_regions", "deny_providers", "residency", "axes",
    "devices", "max_devices", "purchase", "reserved_used", "own", "data", "checkpoints", "stack", "layout",
)  # fmt: skip
"""Fields of a job that are what was read."""

UNPROVEN = (
    "unproven: kernels and stacks are fitted to language models, no run on images is scored; convolutions are timed as "
    "matrix products"
)
"""What a job on images says of its figures."""

IMAGENET_CLASSES = 1000
"""Classes that a vision transformer is trained to tell apart unless a job says otherwise."""

_FILE = re.compile(r"[.](ya?ml|json)$", re.IGNORECASE)


def read_job(source: str | Path | Mapping[str, Any], now: dt.datetime | None = None, /, **overrides: Any) -> JobSpec:
    """Return the job that a mapping, a job file, YAML text, a `config.json` or a model's name describes.

    Overrides are the same fields as in the file and win over it; None leaves the file's value.

    >>> job = read_job("llama-3-8b", tokens="20B", by="7d", budget="$5k")
    >>> job.model.name, job.tokens, job.deadline_s, job.budget_usd, job.sequence_tokens
    ('llama-3-8b', 20000000000.0, 604800.0, 5000.0, 8192)
    >>> job.assumptions[0]
    'sequence 8192: all positions of llama-3-8b'
    """
    given, folder, where = _given(source)
    for name, value in overrides.items():
        if value is not None:
            gone = {
                name,
                *(_INSTEAD.get(name, frozenset()) - {key for key, new in overrides.items() if new is not None}),
            }
            given = {key: old for key, old in given.items() if FIELD_ALIASES.get(str(key), str(key)) not in gone}
            given[name] = value
    read = job_fields(given, where)
    return _job(read, given, folder, now or dt.datetime.now().astimezone())


def with_overrides(spec: JobSpec, now: dt.datetime | None = None, /, **overrides: Any) -> JobSpec:
    """Return the job with some of its fields given anew, as on the command line; None leaves the old value.

    >>> job = read_job({"model": "llama-3-8b", "tokens": "20B"})
    >>> with_overrides(job, tokens="40B", by="2w").tokens
    40000000000.0
    """
    return read_job(spec.given, now, **overrides)


def _given(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], Path, str]:
    """Return the fields as given, the folder that relative paths start at, and what to call the source."""
    if isinstance(source, Mapping):
        return dict(source), Path(), "job"
    text = str(source)
    if isinstance(source, str) and ("\n" in text or re.match(r"\s*[\w-]+\s*:\s", text)):
        return _mapping(load_yaml(text, "job"), "job"), Path(), "job"
    if not describe.is_file(text, Path()):
        if isinstance(source, Path) or _FILE.search(text):
            raise BadInput(f"{text}: no such file; give a job file, a config.json or a model's name")
        return {"model": text}, Path(), "job"
    path = Path(text).expanduser()
    if path.is_dir():
        return {"model": text}, Path(), "job"
    found = _mapping((load_json if text.lower().endswith(".json") else load_yaml)(read_text(path), text), text)
    if "model" not in found and {"model_type", "architectures", "text_config"} & set(found):
        return {"model": text}, Path(), text
    return found, path.parent, text


def _mapping(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise BadInput(f"{where}: it holds no fields; write at least model: llama-3-8b and tokens: 20B")
    return {str(name): value for name, value in found.items()}


def _job(read: JobFields, given: Mapping[str, Any], folder: Path, now: dt.datetime) -> JobSpec:
    model, classes = _classified(describe.model_described(read.model, folder))
    sequence_tokens, why = sample_tokens(read, model)
    tokens = trained_tokens(read, model, sequence_tokens)
    _check_positions(model, sequence_tokens)
    batch, because = _batch(read, model, sequence_tokens, tokens)
    batches, among = batch_range.batch_choices(read, batch, sequence_tokens, tokens)
    adapted = read.task in {"lora", "qlora"}
    if "lora" in read.model_fields_set and not adapted:
        raise BadInput(f"lora is given but task is {read.task}; write task: lora or task: qlora")
    if adapted and isinstance(model, RowsSpec):
        raise BadInput(f"task is {read.task} but {model.name} is described by rows; adapters need a transformer")
    said = [text for name, text in _DEFAULTS.items() if name not in read.model_fields_set]
    if sample_word(model) != SEQUENCE:
        said.append(UNPROVEN)
    if adapted and "lora" not in read.model_fields_set:
        said.append("lora rank 16 on all linear matrices (QLoRA, arXiv 2305.14314, section 4: all layers)")
    return JobSpec(
        model=model,
        tokens=tokens,
        sample=sample_word(model),
        sequence_tokens=sequence_tokens,
        batch_sequences=batches[0] if batches else batch,
        batches=batches,
        precision=read.precision,
        optimizer=read.optimizer,
        task=read.task,
        lora_rank=read.lora.rank if adapted else 0,
        lora_targets=read.lora.targets if adapted else (),
        **{name: getattr(read, name) for name in _AS_READ},
        deadline_s=None if read.by is None else _deadline(read.by, now),
        budget_usd=read.budget,
        co2e_max_kg=read.co2e_max,
        energy_max_j=read.energy_max,
        price_age_s=read.max_price_age,
        policy=MappingProxyType(_policy(read.policy)),
        assumptions=tuple(filter(None, (why, classes, among or because, *said))),
        given=MappingProxyType({**given, "model": _absolute(read.model, folder)}),
    )


def _classified(model: ModelSpec | RowsSpec) -> tuple[ModelSpec | RowsSpec, str]:
    """Return a vision transformer with the classifier that it is trained with, and say so."""
    if isinstance(model, ModelSpec) and model.kind == "vit" and not model.classes:
        return replace(model, classes=IMAGENET_CLASSES), "classes 1000: ImageNet-1k (arXiv 1409.0575)"
    return model, ""


def _batch(read: JobFields, model: ModelSpec | RowsSpec, sequence_tokens: int, tokens: float) -> tuple[int, str]:
    one = sample_word(model)
    if tokens < sequence_tokens:
        if one != SEQUENCE:
            raise BadInput(f"samples are {tokens / sequence_tokens:g}; write at least one, such as samples: 100M")
        raise BadInput(f"tokens {tokens:g} do not fill one sequence of {sequence_tokens}; write tokens: 20B")
    if read.global_batch is None:
        return defaults.default_batch(model, sequence_tokens, tokens, read.task)
    unit, number = read.global_batch
    if unit == "tokens" and one != SEQUENCE:
        raise BadInput(f"global_batch is given in tokens but {model.name} trains on {one}s; write global_batch: 1024")
    sequences = number if unit == "sequences" else defaults.divisible_batch(number / sequence_tokens)
    if sequences * sequence_tokens > tokens:
        size = f"{sequences * sequence_tokens:.3g} tokens, more than the job's {tokens:.3g}"
        raise BadInput(
            f"global_batch of {sequences} sequences is {size}; write global_batch: 512 (sequences) or '4M tokens'"
            if one == SEQUENCE
            else f"global_batch of {sequences} {one}s is more than the job's {tokens / sequence_tokens:.3g}"
        )
    rounded = f"global batch {sequences} sequences: {number:.3g} tokens, rounded so that replicas share it evenly"
    return sequences, "" if sequences * sequence_tokens == number or unit == "sequences" else rounded


def _check_positions(model: ModelSpec | RowsSpec, sequence_tokens: int) -> None:
    if isinstance(model, ModelSpec) and model.position == "learned" and sequence_tokens > model.max_tokens:
        raise BadInput(
            f"sequence {sequence_tokens} is longer than the {model.max_tokens} learned positions of {model.name}; "
            f"write sequence: {model.max_tokens}, or describe the model with max_tokens: {sequence_tokens}"
        )


def _policy(given: PolicyFields) -> dict[str, float]:
    """Return the fields of `tables.Policy` that were given."""
    named = {
        "warmup_s": given.warmup,
        "evaluation_share": given.evaluation_share,
        "checkpoint_blocking": given.checkpoint_blocking,
        "restart_s": given.restart,
    }
    return {name: value for name, value in named.items() if value is not None}


def _absolute(model: str | dict[str, Any], folder: Path) -> str | dict[str, Any]:
    if isinstance(model, str) and describe.is_file(model, folder):
        return str((folder / Path(model).expanduser()).resolve())
    return model


def _deadline(text: object, now: dt.datetime) -> float:
    try:
        return float(literals.parse_deadline(text, now))
    except BadInput as error:
        raise BadInput(f"by: {error}") from error
