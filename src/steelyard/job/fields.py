"""The fields of a job file: what each may hold, and one clear message when it holds something else."""

from collections.abc import Callable, Collection, Mapping, Set
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from steelyard.errors import BadInput, nearest
from steelyard.job import degrees, literals
from steelyard.job.job_spec import JOB_AXES
from steelyard.job.kept.dropouts import dropped_entries
from steelyard.job.kept.node_drives import DriveSpec, parse_drives, parse_host_memory
from steelyard.job.kept.phrases import quantised_base
from steelyard.job.kept.recipes import parse_recipe
from steelyard.job.measured_step import MeasuredStep, parse_rate, parse_step_time
from steelyard.job.models import adapters
from steelyard.job.optimizers import parse_optimizer
from steelyard.job.purchase import (
    DataSpec,
    OwnedSpec,
    parse_data,
    parse_owned,
    parse_purchases,
    parse_share,
    parse_years,
    with_purchase,
)
from steelyard.job.spelled.bases import task_of_base
from steelyard.job.spelled.lengths import parse_sequence
from steelyard.job.spelled.names import FIELD_ALIASES, LORA_NAMES, folded_names
from steelyard.job.spelled.passed_over import unknown_text
from steelyard.job.training import parse_loss, parse_precision, parse_task
from steelyard.vocabulary import ON_DEMAND


def _checked(reader: Callable[[Any], Any]) -> BeforeValidator:
    """Let a reader of literals speak through pydantic, which adds the field's name."""

    def read(value: Any) -> Any:
        try:
            return reader(value)
        except BadInput as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


def _axes(value: Any) -> tuple[str, ...]:
    try:
        plain = [item.lower() for item in literals.parse_globs(value)]
    except BadInput as error:
        raise BadInput(
            f"{str(value)[:60]!r} names no axis; write time,cost or others of {', '.join(JOB_AXES)}"
        ) from error
    wrong = [item for item in plain if item not in JOB_AXES]
    if wrong:
        raise BadInput(f"unknown axis {wrong[0]!r}; nearest: {', '.join(nearest(wrong[0], JOB_AXES) or JOB_AXES)}")
    return tuple(axis for axis in JOB_AXES if axis in plain)


def _batch(value: Any) -> tuple[str, int]:
    """Return of what a batch is given, in the singular, and how many; an empty word: of what the model trains on."""
    unit = ""
    if isinstance(value, str):
        before, _, last = value.strip().rpartition(" ")
        if before and last.isalpha() and last.lower() not in literals.COUNT_SCALES:
            unit, value = last.lower().removesuffix("s"), before
    return unit, literals.parse_integer(value, "512 (sequences) or '4M tokens'", "batch")


def _kept(value: Any) -> int:
    """Return how many checkpoints are kept; YAML reads `no` as False."""
    if value is False or str(value).strip().lower() in {"no", "none", "0"}:
        return 0
    return literals.parse_integer(value, literals.KEPT_FORMS)


Integer = Annotated[int, _checked(literals.parse_integer)]
_Devices = Annotated[
    int | None, _checked(lambda value: literals.parse_integer(value, literals.DEVICE_FORMS, "number of devices"))
]
_Sequence = Annotated[int | None, _checked(parse_sequence)]
_Documents = Annotated[int | None, _checked(lambda value: literals.parse_integer(value, "600 (mean tokens of one)"))]
Duration = Annotated[float, _checked(literals.parse_seconds)]
_Batch = Annotated[tuple[str, int] | None, _checked(_batch)]
_Share = Annotated[float, _checked(lambda value: parse_share(value, zero=True))]
Globs = Annotated[tuple[str, ...], _checked(literals.parse_globs)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class LoraFields(_Strict):
    """Adapters: rank, matrices that get them, dropout of their inputs; None: as the recipes of the stack have them."""

    rank: Annotated[int | None, _checked(lambda value: literals.parse_integer(value, "8, 16 or 64"))] = None
    targets: Annotated[
        tuple[str, ...] | None, _checked(lambda value: adapters.lora_targets(literals.parse_globs(value)))
    ] = None
    dropout: Annotated[float | None, _checked(lambda value: parse_share(value, zero=True))] = None

    @property
    def entries(self) -> Mapping[str, float]:
        """What follows of the recipe of a job."""
        return dropped_entries(self.dropout)


class PolicyFields(_Strict):
    """How the run is operated; what is left out comes from the catalog."""

    warmup: Duration | None = None
    evaluation_share: _Share | None = None
    checkpoint_blocking: _Share | None = None
    restart: Duration | None = None


class JobFields(_Strict):
    """Everything that a job file or the command line may say."""

    model: str | dict[str, Any]
    tokens: Annotated[float | None, _checked(literals.parse_count)] = None
    samples: Annotated[float | None, _checked(literals.parse_count)] = None  # sequences or images, instead of tokens
    sequence: _Sequence = None
    document_tokens: _Documents = Field(default=None, validation_alias="document_length")  # mean, masked from others
    batch_samples: _Batch = Field(default=None, validation_alias="global_batch")
    precision: Annotated[str, _checked(lambda value: parse_precision(str(value)).precision)] = "bf16"
    optimizer: Annotated[str, _checked(lambda value: parse_optimizer(str(value)).optimizer)] = "adamw"
    task: Annotated[str, _checked(lambda value: parse_task(str(value)))] = "pretrain"
    lora: LoraFields = LoraFields()
    batch_samples_min: _Batch = Field(default=None, validation_alias="global_batch_min")
    batch_samples_max: _Batch = Field(default=None, validation_alias="global_batch_max")
    accelerators: Annotated[tuple[tuple[str, int | None], ...], _checked(literals.parse_accelerators)] = ()
    regions: Globs = ()
    providers: Globs = ()
    deny_accelerators: Globs = ()
    deny_regions: Globs = ()
    deny_providers: Globs = ()
    residency: Globs = ()
    axes: Annotated[tuple[str, ...], _checked(_axes)] = JOB_AXES
    devices: _Devices = None
    max_devices: _Devices = None
    by: Any = None  # read with the clock, by `read`
    budget: Annotated[float | None, _checked(literals.parse_usd)] = None
    co2e_max: Annotated[float | None, _checked(literals.parse_co2e)] = None
    energy_max: Annotated[float | None, _checked(literals.parse_energy)] = None
    purchase: Annotated[tuple[str, ...], _checked(parse_purchases)] = (ON_DEMAND,)
    reserved_used: Annotated[float | None, _checked(parse_share)] = None
    own: Annotated[tuple[OwnedSpec, ...], _checked(parse_owned)] = ()
    data: Annotated[DataSpec | None, _checked(parse_data)] = None
    nvme: Annotated[DriveSpec | None, _checked(parse_drives)] = None  # of one node, where no catalog knows them
    host_memory: Annotated[float | None, _checked(parse_host_memory)] = None  # of one node, where no catalog knows it
    checkpoints: Annotated[int, _checked(_kept)] = 2
    max_price_age: Annotated[float | None, _checked(parse_years)] = None
    stack: str | None = None
    loss: Annotated[str | None, _checked(lambda value: parse_loss(str(value)).name)] = None
    recipe: Annotated[Any, _checked(parse_recipe)] = Field(default_factory=lambda: MappingProxyType({}))
    layout: Annotated[Any, _checked(degrees.parse_degrees)] = Field(default_factory=lambda: MappingProxyType({}))
    policy: PolicyFields = PolicyFields()
    step_time: Annotated[MeasuredStep | None, _checked(parse_step_time)] = None  # a step of one's own, or its rate
    rate: Annotated[MeasuredStep | None, _checked(parse_rate)] = None
    name: str | None = None
    version: Literal[1] = 1  # of this schema

    @property
    def measured(self) -> MeasuredStep | None:
        """The step that was measured, by its time or by its rate."""
        if self.step_time is not None and self.rate is not None:
            raise BadInput(
                f"step_time ({self.step_time.step_s:g} s) and rate ({self.rate.per_device_s:g} a second of one device) "
                "are both given, and one measured step is taken; keep one, or give both to steelyard calibrate"
            )
        return self.step_time or self.rate


JOB_FIELD_NAMES = tuple(str(field.validation_alias or name) for name, field in JobFields.model_fields.items())
"""The fields as a job file writes them."""


def job_fields(given: Mapping[str, Any], where: str, options: Collection[str] = ()) -> JobFields:
    """Return the fields of a job, or raise `BadInput` that names the field, what it holds and what it may hold.

    Args:
        given: the fields, by any of their names.
        where: what they were read from, for messages.
        options: those of them that were given beside it, and are called so: `--step-time`.

    >>> job_fields({"model": "gpt2", "token": "20B"}, "job.yaml")
    Traceback (most recent call last):
    steelyard.errors.BadInput: job.yaml: unknown field 'token'; nearest: tokens
    """
    named = _plain_names(given, where)
    unknown = [name for name in named if name not in JOB_FIELD_NAMES]
    if unknown:
        raise BadInput(f"{where}: {unknown_text(unknown, JOB_FIELD_NAMES, [*FIELD_ALIASES, *LORA_NAMES])}")
    if named.get("model") is None:
        raise BadInput(f"{where}: model is missing; write model: llama-3-8b")
    try:
        read = JobFields.model_validate({name: value for name, value in named.items() if value is not None})
    except ValidationError as error:
        raise BadInput(_message(error, where, {FIELD_ALIASES.get(name, name) for name in options})) from error
    except RecursionError as error:
        raise BadInput(f"{where}: it is nested too deeply to be a job") from error
    task = task_of_base(read.task, "packed_bytes" in read.recipe or quantised_base(read.stack or ""), where)
    return read if task == read.task else read.model_copy(update={"task": task})


def given_text(given: Mapping[str, Any], field: str) -> str:
    """Return what was written of a field, by any of its names; empty where nothing was.

    >>> given_text({"Optimiser": "adamw_torch_fused"}, "optimizer"), given_text({}, "optimizer")
    ('adamw_torch_fused', '')
    """
    named = {_plain_name(name): value for name, value in given.items() if value is not None}
    return str(named.get(field, ""))


def plain_names(given: Mapping[str, Any]) -> Set[str]:
    """Return the fields that are given, by the names that a job has for them, in their order.

    >>> list(plain_names({"base_model": "gpt2", "Learning-Rate": 1e-4}))
    ['model', 'learning_rate']
    """
    return {_plain_name(name): None for name in given}.keys()


def without_fields(given: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    """Return what is given but for some fields, by whatever of their names.

    >>> without_fields({"base_model": "gpt2", "Sequence-Len": 512, "tokens": "1B"}, {"model", "sequence"})
    {'tokens': '1B'}
    """
    return {name: value for name, value in given.items() if _plain_name(name) not in gone}


def _plain_name(name: Any) -> str:
    plain = str(name).strip().lower().replace("-", "_")
    return FIELD_ALIASES.get(plain, plain)


def _plain_names(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in given.items():
        plain = _plain_name(name)
        if plain in named:
            raise BadInput(f"{where}: {plain} is given twice; keep one")
        named[plain] = value
    return with_purchase(folded_names(named, JOB_FIELD_NAMES, where), where)


def _message(error: ValidationError, where: str, options: Collection[str]) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        group = LoraFields.model_fields if first["loc"][0] == "lora" else PolicyFields.model_fields
        near = nearest(str(first["loc"][-1]), group) or group
        return f"{where}: unknown field {place!r}; nearest: {', '.join(near)}"
    text = first["msg"].removeprefix("Value error, ")
    shown = repr(first.get("input"))[:60]
    named = f"--{place.replace('_', '-')}" if place in options else f"{where}: {place}"
    return f"{named}: {text}" if first["type"] == "value_error" else f"{named} is {shown}; {text[0].lower()}{text[1:]}"
