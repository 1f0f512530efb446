"""The whole job as a user means it, every default written out, and its numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from steelyard.catalog import Catalog, load, stacks
from steelyard.catalog.stack_names import FALLBACK, rule_of_name
from steelyard.catalog.training import Optimizer, Precision
from steelyard.formatting.figures import COUNT, amount
from steelyard.job.kept.dropouts import model_dropout
from steelyard.job.kept.node_drives import DriveSpec, NodeSpec
from steelyard.job.kept.recipes import partial_recipe
from steelyard.job.kept.states import IN_16_BITS, width_of_states
from steelyard.job.kept.texts import TrainingText, base_type, packed_type, text_entries
from steelyard.job.measured_step import MeasuredStep
from steelyard.job.models.adapters import Adapters
from steelyard.job.models.architecture import architecture, is_gated, usual_dropout
from steelyard.job.models.kinds import trained_kind
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.optimizers import optimizer_entries, parse_optimizer
from steelyard.job.purchase import DataSpec, OwnedSpec
from steelyard.job.training import ADAPTERS, MatrixShape, parameter_bytes, parse_precision
from steelyard.tables import Job, Recipe, Workload
from steelyard.units import Bytes, Count, Joules, KgCo2e, Seconds, Share, Usd
from steelyard.vocabulary import ON_DEMAND
from steelyard.workload import UNMASKED, collapse, model

JOB_AXES = ("time", "cost", "energy", "co2e")
"""What a frontier may weigh: seconds, dollars, joules at the facility's meter, kilograms of operational CO2e."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One training job: what is trained, and what the plan must respect. None and () mean: no limit."""

    model: ModelSpec | RowsSpec
    samples: float  # that are trained on in all
    sample: str  # what one pass through the model takes, in the singular
    sequence_tokens: int | None  # of one sample; None: it is no text
    batch_samples: int  # of one optimizer step, all devices together
    document_tokens: int | None = None  # mean, of documents masked from each other; None: attention crosses a sample
    precision: str
    optimizer: str
    task: str
    lora_rank: int = 0
    lora_targets: tuple[str, ...] = ()
    accelerators: tuple[tuple[str, int | None], ...] = ()
    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    deny_accelerators: tuple[str, ...] = ()
    deny_regions: tuple[str, ...] = ()
    deny_providers: tuple[str, ...] = ()
    residency: tuple[str, ...] = ()  # countries, EU or EEA: where it may run
    batches: tuple[int, ...] = ()  # values of `batch_samples` that the plan may choose from; (): only that
    axes: tuple[str, ...] = JOB_AXES  # what the frontier weighs
    devices: int | None = None
    max_devices: int | None = None
    deadline_s: Seconds | None = None
    budget_usd: Usd | None = None
    co2e_max_kg: KgCo2e | None = None
    energy_max_j: Joules | None = None
    purchase: tuple[str, ...] = (ON_DEMAND,)
    reserved_used: Share | None = None  # of a reservation's term, by all jobs together; None: this job alone uses it
    own: tuple[OwnedSpec, ...] = ()
    data: DataSpec | None = None
    nvme: DriveSpec | None = None  # drives of one node of whatever it runs on; None: as the catalog has them
    host_memory: Bytes | None = None  # of one host of whatever it runs on; None: as the catalog has it
    checkpoints: int = 2  # kept at once; 0: none is written
    price_age_s: Seconds | None = None  # prices older than this are flagged; None: the usual limit
    stack: str | None = None
    loss: str | None = None  # kind of loss; None: that of the stack
    states: str = ""  # as its words say, of `kept.states.named_states`; empty: as its stack has them
    recipe: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # entries of tables.Recipe
    layout: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    policy: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # of tables.Policy, by field
    measured: MeasuredStep | None = None  # a step of one's own, which shifts what is predicted
    assumptions: tuple[str, ...] = ()  # what was not given and what was taken instead, with its source
    given: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False, repr=False)

    @property
    def tokens(self) -> float | None:
        """Tokens that are trained on in all; None where the samples are no text."""
        return None if self.sequence_tokens is None else float(round(self.samples * self.sequence_tokens))

    @property
    def node(self) -> NodeSpec:
        """What is stated of the nodes of whatever it runs on."""
        return NodeSpec(self.nvme, self.host_memory)

    @property
    def kind(self) -> str:
        """What it trains, of `vocabulary.TRAINED_KINDS`."""
        return trained_kind(self.model)

    @property
    def size_text(self) -> str:
        """How much is trained on, as people say it: tokens of text, else samples.

        >>> from steelyard.job.read import read_job
        >>> read_job("gpt2", tokens="10B").size_text, read_job("resnet-50", samples="115M").size_text
        ('10B tokens', '115M images')
        """
        size, of = (self.samples, self.sample) if self.tokens is None else (self.tokens, "token")
        return f"{amount(float(size), COUNT)} {of}s"


def written_stack(stack: str | None, catalog: Catalog | None = None) -> str:
    """Return how a stack is written, where that may say more than a name of the catalog does; else empty.

    >>> written_stack("unsloth"), written_stack("fsdp2"), written_stack(None)
    ('unsloth', '', '')
    """
    return "" if stack is None or stack in {FALLBACK, *stacks(catalog)} else stack


def job_text(spec: JobSpec) -> TrainingText:
    """Return what a job writes of its training, as far as its tensors follow from it.

    >>> from steelyard.job.read import read_job
    >>> job_text(read_job("llama-3-8b", tokens="1B", task="qlora", recipe="quantised=int8")).base
    'int8'
    """
    return TrainingText(
        stack=spec.stack or "",
        task=spec.task,
        loss=spec.loss or "",
        narrow=spec.states == IN_16_BITS,
        fp16=spec.precision.startswith("fp16"),
        base=packed_type(spec.recipe),
    )


def job_table(spec: JobSpec, catalog: Catalog | None = None) -> Job:
    """Return the numbers of a job, by the precisions and optimizers of a catalog: the shipped one if None.

    >>> from steelyard.job.read import read_job
    >>> job = job_table(read_job({"model": "llama-3-8b", "tokens": "20B"}))
    >>> job.workload.tokens, job.batch_samples, job.moment_bytes, job.master_bytes
    (8192, 512, 8.0, 4.0)
    """
    rule = rule_of_name((catalog or load()).stack_rules, spec.stack or "")
    precision, optimizer = parse_precision(spec.precision, catalog), parse_optimizer(spec.optimizer, catalog)
    adapted = spec.task in ADAPTERS
    if width_of_states(rule, spec.precision, spec.states, adapted=adapted) == IN_16_BITS:
        precision = precision.without_master()
    words = job_text(spec)
    gated = isinstance(spec.model, RowsSpec) or is_gated(architecture(spec.model))
    recipe = partial_recipe(**(text_entries(words, rule, precision.element_bytes, gated) | dict(spec.recipe)))
    sizes = {"samples": spec.samples, "batch_samples": spec.batch_samples}
    if isinstance(spec.model, RowsSpec):
        work, shape = collapse(spec.model.rows, precision.element_bytes), MatrixShape.of_rows(spec.model.rows)
        return training_job(work, shape, precision, optimizer, None, recipe, **sizes)
    numbers = architecture(spec.model)
    shape = MatrixShape.of_transformer(numbers, bool(rule.wide_embeddings) and not adapted)
    said = model_dropout(spec.stack or "")
    numbers = replace(numbers, dropout=usual_dropout(rule, numbers) if said is None else said)
    quantised = base_type(words)
    adapters = Adapters(spec.model, spec.lora_rank, spec.lora_targets, quantised) if adapted else None
    tokens = spec.model.max_tokens if spec.sequence_tokens is None else spec.sequence_tokens
    work = collapse(model(numbers, tokens, spec.document_tokens or UNMASKED), precision.element_bytes)
    return training_job(work, shape, precision, optimizer, adapters, recipe, **sizes)


def job_on(spec: JobSpec, stack: str) -> Job:
    """Return the numbers of a job on a stack of the catalog, where the job itself names none.

    >>> from steelyard.job.read import read_job
    >>> job = read_job({"model": "llama-3-8b", "tokens": "20B", "task": "full_ft", "precision": "bf16"})
    >>> [job_on(job, name).master_bytes for name in ("torchtune", "fsdp2")]
    [0.0, 4.0]
    """
    return job_table(spec if spec.stack else replace(spec, stack=stack))


def training_job(
    workload: Workload,
    shape: MatrixShape,
    precision: Precision,
    optimizer: Optimizer,
    adapters: Adapters | None,
    recipe: Recipe,
    **sizes: Count,
) -> Job:
    """Return the numbers of a training: the one way from its words to `tables.Job`, for job files and measured runs.

    Args:
        workload: the model, collapsed at the precision and sequence length of the job.
        shape: of its matrices.
        precision: what it computes in.
        optimizer: what updates it.
        adapters: what is trained instead of the whole model; None: the whole model.
        recipe: how its tensors are kept, as far as somebody said so.
        sizes: samples and batch_samples.
    """
    held = parameter_bytes(precision, optimizer, shape)
    return Job(
        workload=workload,
        element_bytes=held.element_bytes,
        gemm_bytes=held.gemm_bytes,
        moment_bytes=held.moment_bytes,
        master_bytes=held.master_bytes,
        recipe=_of_optimizer(recipe, float(adapters.packed_bytes) if adapters else 0.0, *optimizer_entries(optimizer)),
        newton_schulz=0.0 if adapters else float(optimizer.newton_schulz),
        trainable_share=min(1.0, adapters.params / workload.params) if adapters else 1.0,
        frozen_bytes=adapters.frozen_bytes(held.element_bytes) if adapters else held.element_bytes,
        adapted_inputs=adapters.inputs if adapters else 0.0,
        **sizes,
    )


@lru_cache(maxsize=1024)
def _of_optimizer(recipe: Recipe, packed_bytes: float, *entries: tuple[str, float]) -> Recipe:
    """Return a recipe with what its optimizer implies where nobody says otherwise, and bytes of a quantised base."""
    unsaid = {name: value for name, value in entries if math.isnan(float(getattr(recipe, name)))}
    return replace(recipe, packed_bytes=packed_bytes, **unsaid)
