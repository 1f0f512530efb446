"""From a job file, text or command line to a `JobSpec` with every default written out."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from steelyard.errors import BadInput
from steelyard.job import batch_range, defaults, literals
from steelyard.job.arguments import check_type, plain_argument
from steelyard.job.documents import load_json, load_yaml, read_text
from steelyard.job.fields import JobFields, PolicyFields, given_text, job_fields, plain_names, without_fields
from steelyard.job.job_spec import JobSpec, job_table
from steelyard.job.kept.drives import laid_on_drives
from steelyard.job.kept.not_read import unread_of_stack
from steelyard.job.kept.recipes import tells_states, term_entries
from steelyard.job.kept.states import LOADED_IN_16, MIXED, named_states
from steelyard.job.models import describe
from steelyard.job.models.architecture import spread_text
from steelyard.job.models.rows_spec import RowsSpec, reread_rows
from steelyard.job.models.spec import ModelSpec
from steelyard.job.samples import TrainedSamples, check_positions, documents_text, step_batch, trained_samples
from steelyard.job.spelled.lengths import sequence_taken
from steelyard.job.spelled.names import LAYOUT_NAMES, LORA_NAMES
from steelyard.job.spelled.passed_over import passed_over_text
from steelyard.job.training import ADAPTERS, task_meaning
from steelyard.layout.axes import AXIS_DEGREES, lacking_axis

_DEFAULTS = MappingProxyType(
    {
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
        "devices": frozenset({"max_devices"}),
        "max_devices": frozenset({"devices"}),
        "step_time": frozenset({"rate"}),
        "rate": frozenset({"step_time"}),
        "layout": LAYOUT_NAMES,
        "lora": frozenset(LORA_NAMES),
    }
)
"""Fields of the file that an option takes the place of, besides its own."""

_AS_READ = (
    "accelerators", "regions", "providers", "deny_accelerators", "deny_regions", "deny_providers", "residency", "axes",
    "devices", "max_devices", "purchase", "reserved_used", "own", "data", "nvme", "host_memory", "checkpoints", "stack",
    "loss", "measured", "document_tokens",
)  # fmt: skip
"""Fields of a job that are what was read."""

UNPROVEN = (
    "unproven: kernels and stacks are fitted to language models, and times are as wide as these miss measured rates of "
    "image models; convolutions are timed as matrix products"
)
"""What a job on images says of its figures."""

_OF_MODELS = frozenset({"model_type", "architectures", "text_config", "rows", "blocks"})
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
    options = {name for name, value in overrides.items() if value is not None}
    for name, value in overrides.items():
        if value is not None:
            gone = {name, *(_INSTEAD.get(name, frozenset()) - options)}
            given = {**without_fields(given, gone), name: plain_argument(value)}
    read = job_fields(given, where, options)
    return _job(read, given, describe.model_described(read.model, folder), folder, now)


def with_overrides(spec: JobSpec, now: dt.datetime | None = None, /, **overrides: Any) -> JobSpec:
    """Return the job with some of its fields given anew, as on the command line; None leaves the old value.

    >>> job = read_job({"model": "llama-3-8b", "tokens": "20B"})
    >>> with_overrides(job, tokens="40B", by="2w").tokens
    40000000000.0
    """
    return read_job(spec.given, now, **overrides)


def _given(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], Path, str]:
    """Return the fields as given, the folder that relative paths start at, and what to call the source."""
    check_type("source", source, (str, Path, Mapping), "a model's name, the path of a job file or its fields")
    if isinstance(source, Mapping):
        return plain_argument(source), Path(), "job"
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
    if "model" not in plain_names(found) and _OF_MODELS & set(found):
        return {"model": text}, Path(), text  # a model alone: the job is on the command line
    return found, path.parent, text


def _mapping(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise BadInput(f"{where}: it holds no fields; write at least model: llama-3-8b and tokens: 20B")
    return {str(name): value for name, value in found.items()}


def check_saved_job(spec: JobSpec, where: str) -> None:
    """Raise `BadInput` where a job that was read back is not the one that its given fields make of its model."""
    place = f"{where}: request.given"
    read = job_fields(spec.given, place)
    try:
        model = reread_rows(spec.model) if isinstance(spec.model, RowsSpec) else spec.model
        made = _job(read, spec.given, model, Path())
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from None
    for field in fields(JobSpec):
        name = field.name
        if name in {"given", "assumptions", "deadline_s"} or getattr(made, name) == getattr(spec, name):
            continue
        found, meant = (str(getattr(one, name))[:60] for one in (spec, made))
        raise BadInput(f"{where}: request.{name} is {found}, but what was given makes it {meant}")
    if spec.deadline_s is not None:
        literals.parse_seconds(f"{float(spec.deadline_s)!r}s")


def _job(
    read: JobFields,
    given: Mapping[str, Any],
    described: ModelSpec | RowsSpec,
    folder: Path,
    now: dt.datetime | None = None,
) -> JobSpec:
    model, classes = describe.with_classes(described)
    samples, why = trained_samples(read, model)
    check_positions(model, samples.tokens)
    _check_given(read, model, samples)
    batch, because = step_batch(read, model, samples)
    batches, among = batch_range.batch_choices(read, batch, samples)
    adapted, named = _adapted(read, model), _states(read, given)
    spec = JobSpec(
        model=model,
        samples=samples.count,
        sample=samples.word,
        sequence_tokens=samples.tokens,
        batch_samples=batches[0] if batches else batch,
        batches=batches,
        precision=_precision(read, named, adapted)[0],
        states=named,
        optimizer=read.optimizer,
        task=read.task,
        **_adapters(read, adapted),
        recipe=MappingProxyType({**read.lora.entries, **term_entries(given_text(given, "optimizer")), **read.recipe}),
        layout=laid_on_drives(read.layout, read.stack or "", read.recipe),
        **{name: getattr(read, name) for name in _AS_READ},
        deadline_s=None if read.by is None else _deadline(read.by, now),
        budget_usd=read.budget,
        co2e_max_kg=read.co2e_max,
        energy_max_j=read.energy_max,
        price_age_s=read.max_price_age,
        policy=MappingProxyType(_policy(read.policy)),
        assumptions=tuple(filter(None, (why, classes, among or because, *_taken(read, model, samples, named, given)))),
        given=MappingProxyType({**without_fields(given, {"model"}), "model": _absolute(read.model, folder)}),
    )
    _check_layout(spec)
    return spec


def _adapters(read: JobFields, adapted: bool) -> dict[str, Any]:
    """Return rank and matrices of the adapters that are trained; none where they are not."""
    targets = read.lora.targets or defaults.usual_targets(read.stack or "")
    return {
        "lora_rank": (read.lora.rank or defaults.usual_rank(read.stack or "")) * adapted,
        "lora_targets": targets * adapted,
    }


def _precision(read: JobFields, named: str, adapted: bool) -> tuple[str, str]:
    """Return the precision of a job, and why where nobody chose it.

    A bare bf16 says what products are computed in: states are those of the recipes of the stack, as of a measured row.
    """
    names = [name for name, _ in read.accelerators]
    stated = "precision" in read.model_fields_set
    if stated and (read.precision != "bf16" or adapted):
        return read.precision, ""
    found, why = defaults.default_precision(read.stack or "", adapted, () if stated else names, mastered=named == MIXED)
    return found, "" if (stated and found == read.precision) or named == LOADED_IN_16 else why


def _states(read: JobFields, given: Mapping[str, Any]) -> str:
    """Return what the words of a job say of its states."""
    text = f"{read.stack or ''}; torch_dtype={given_text(given, 'torch_dtype')}"
    return named_states(given_text(given, "precision"), text) or MIXED * tells_states(read.recipe)


def _check_given(read: JobFields, model: ModelSpec | RowsSpec, samples: TrainedSamples) -> None:
    """Refuse numbers of devices that no run can have at once, and a loss of what has no vocabulary."""
    _check_loss(read, model, samples)
    exact, most = read.devices, read.max_devices
    if exact is not None and most is not None and exact > most:
        raise BadInput(f"devices is {exact} but max_devices is {most}; give one of the two")
    for name, count in read.accelerators:
        wrong = "devices" if exact is not None and (count or exact) != exact else ""
        wrong = wrong or ("max_devices" if most is not None and (count or 0) > most else "")
        if wrong:
            other = getattr(read, wrong)
            raise BadInput(f"accelerators asks for {name}:{count} but {wrong} is {other}; give one of the two numbers")


def _check_loss(read: JobFields, model: ModelSpec | RowsSpec, samples: TrainedSamples) -> None:
    if read.loss is not None and not samples.text:
        raise BadInput(f"loss is {read.loss} but {model.name} has no vocabulary that it would be of; leave it out")


def _adapted(read: JobFields, model: ModelSpec | RowsSpec) -> bool:
    """Return whether adapters are trained."""
    adapted = read.task in ADAPTERS
    if "lora" in read.model_fields_set and not adapted:
        raise BadInput(f"lora is given but task is {read.task}; write task: lora or task: qlora")
    if adapted and isinstance(model, RowsSpec):
        raise BadInput(f"task is {read.task} but {model.name} is described by rows; adapters need a transformer")
    return adapted


def _taken(
    read: JobFields, model: ModelSpec | RowsSpec, samples: TrainedSamples, named: str, given: Mapping[str, Any]
) -> list[str]:
    """Return what was taken where nothing was given, and what is not known of such jobs."""
    adapted = read.task in ADAPTERS
    found = list(filter(None, [sequence_taken(given_text(given, "sequence")), _precision(read, named, adapted)[1]]))
    if read.task == "qlora" and task_meaning(given_text(given, "task")) == "lora":
        found.append("task qlora: lora over a base that is quantised")
    found += [text for name, text in _DEFAULTS.items() if name not in read.model_fields_set]
    found += [
        *defaults.standing_in(read.stack),
        *defaults.wide_products(read.precision),
        *unread_of_stack(read.stack or ""),
        *passed_over_text(plain_names({name: one for name, one in given.items() if one})),
    ]
    if not samples.text:
        found.append(UNPROVEN)
    tuned = read.task in {"full_ft", "lora", "qlora"}
    found += filter(None, [documents_text(read.document_tokens, model.name, text=samples.text, tuned=tuned)])
    if isinstance(model, ModelSpec) and (spread := spread_text(model)):
        found.append(spread)
    return found + defaults.taken_adapters(read.lora.rank, read.lora.targets, read.stack or "") * adapted


def _check_layout(spec: JobSpec) -> None:
    """Refuse limits on the layout that leave only degrees that the model has nothing for."""
    asked = {name: (max if name == "etp" else min)(values) for name, values in spec.layout.items()}
    if asked.keys() & set(AXIS_DEGREES) and (lack := lacking_axis(job_table(spec).workload.divisible, asked)):
        raise BadInput(f"layout: {lack}")


def _policy(given: PolicyFields) -> dict[str, float]:
    """Return the fields of `tables.Policy` that were given."""
    named = {"warmup_s": given.warmup, "evaluation_share": given.evaluation_share, "restart_s": given.restart}
    named |= {"checkpoint_blocking": given.checkpoint_blocking}
    return {name: value for name, value in named.items() if value is not None}


def _absolute(model: str | dict[str, Any], folder: Path) -> str | dict[str, Any]:
    if isinstance(model, str) and describe.is_file(model, folder):
        return str((folder / Path(model).expanduser()).resolve())
    return model


def _deadline(text: object, now: dt.datetime | None) -> float:
    try:
        return float(literals.parse_deadline(text, now or dt.datetime.now().astimezone()))
    except BadInput as error:
        raise BadInput(f"by: {error}") from error
