"""The whole job as a user means it, every default written out, and its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from steelyard.errors import BadInput, nearest
from steelyard.job.models.adapters import adapted_inputs, adapter_params, frozen_bytes
from steelyard.job.models.architecture import architecture
from steelyard.job.models.spec import ModelSpec
from steelyard.job.purchase import DataSpec, OwnedSpec
from steelyard.tables import Job
from steelyard.units import Bytes, Joules, KgCo2e, Seconds, Share, Usd
from steelyard.vocabulary import ON_DEMAND
from steelyard.workload import Architecture, collapse, model

TASKS = ("pretrain", "continued_pretrain", "full_ft", "lora", "qlora")
AXES = ("time", "cost", "energy", "co2e")
"""What a frontier may weigh: seconds, dollars, joules at the facility's meter, kilograms of operational CO2e."""

PRECISION_BYTES: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "bf16": (2, 2, 4),  # Micikevicius et al. 2018, arXiv 1710.03740: 16-bit work, fp32 master copy
        "fp16": (2, 2, 4),
        "fp8": (2, 1, 4),  # Micikevicius et al. 2022, arXiv 2209.05433: only the matrix products are 8-bit
        "tf32": (4, 4, 0),
        "fp32": (4, 4, 0),
        "bf16-pure": (2, 2, 0),  # no master copy
    }
)
"""Bytes of a working value, of an element inside a matrix product, and of the master copy of a parameter."""

OPTIMIZERS = ("adamw", "adamw-bf16", "adam8bit", "sgd", "sgd-momentum", "lion", "adafactor", "muon")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One training job: what is trained, and what the plan must respect. None and () mean: no limit."""

    model: ModelSpec
    tokens: float
    sequence_tokens: int
    batch_sequences: int
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
    batches: tuple[int, ...] = ()  # global batches that the plan may choose from; (): only `batch_sequences`
    axes: tuple[str, ...] = AXES  # what the frontier weighs
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
    checkpoints: int = 2  # kept at once; 0: none is written
    price_age_s: Seconds | None = None  # prices older than this are flagged; None: the usual limit
    stack: str | None = None
    layout: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    policy: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # of tables.Policy, by field
    assumptions: tuple[str, ...] = ()  # what was not given and what was taken instead, with its source
    given: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False, repr=False)


def job_table(spec: JobSpec) -> Job:
    """Return the numbers of a job.

    >>> from steelyard.job.read import read_job
    >>> job = job_table(read_job({"model": "llama-3-8b", "tokens": "20B"}))
    >>> job.sequence_tokens, job.batch_sequences, job.moment_bytes, job.master_bytes
    (8192, 512, 8.0, 4)
    """
    numbers = architecture(spec.model)
    element, gemm, master = PRECISION_BYTES[spec.precision]
    adapted = spec.task in {"lora", "qlora"}
    share = adapter_params(spec.model, spec.lora_rank, spec.lora_targets) / numbers.total_params if adapted else 1.0
    return Job(
        workload=collapse(model(numbers, spec.sequence_tokens), element),
        tokens=spec.tokens,
        sequence_tokens=spec.sequence_tokens,
        batch_sequences=spec.batch_sequences,
        element_bytes=element,
        gemm_bytes=gemm,
        moment_bytes=moment_bytes(spec.optimizer, numbers),
        master_bytes=master,
        trainable_share=share,
        frozen_bytes=frozen_bytes(spec.model, spec.task == "qlora", element) if adapted else element,
        adapted_inputs=adapted_inputs(spec.model, spec.lora_targets) if adapted else 0.0,
    )


def moment_bytes(optimizer: str, numbers: Architecture) -> Bytes:
    r"""Bytes of optimizer moments of one parameter, the mean over the model.

    Source: Adam, arXiv 1412.6980 (two fp32 moments: 8); 8-bit Adam, arXiv 2110.02861, section 2 (two bytes and two
        fp32 constants per block of 2048); Lion, arXiv 2302.06675 (one fp32); Adafactor, arXiv 1804.04235, section 4
        (a row and a column sum of a matrix, no first moment); Muon, github.com/KellerJordan/Muon (one fp32 momentum
        of hidden matrices, Adam for embedding and head).
    Limits: Adafactor is taken at the shape of the MLP.

    >>> from steelyard.job.models.presets import find_model
    >>> shape = architecture(find_model("gpt2-xl"))
    >>> [round(moment_bytes(name, shape), 3) for name in ("adamw", "adam8bit", "muon", "sgd")]
    [8.0, 2.004, 4.211, 0.0]
    """
    outer = (numbers.embedding_params + numbers.head_params) / numbers.total_params
    width = numbers.ffn if numbers.experts == 0 else numbers.moe_ffn
    known: dict[str, Any] = {
        "adamw": 8.0,
        "adamw-bf16": 4.0,
        "adam8bit": 2.0 + 2 * 4 / 2048,
        "sgd": 0.0,
        "sgd-momentum": 4.0,
        "lion": 4.0,
        "adafactor": 4.0 * (1 / numbers.hidden + 1 / width),
        "muon": 4.0 + 4.0 * outer,
    }
    if optimizer not in known:
        raise BadInput(f"unknown optimizer {optimizer!r}; nearest: {', '.join(nearest(optimizer, known) or known)}")
    found: Bytes = known[optimizer]
    return found
