"""One published run: what was trained, on what, laid out how, and what was measured.

The columns of a file are the fields of `Run` that have no default (`COLUMNS`); docs/evidence.md explains each. Text
that was not published is the empty string, a number that was not published is NaN: nothing is guessed while reading.
"""

import math
from dataclasses import MISSING, dataclass, fields
from typing import get_type_hints

MEMORY_METRICS = ("allocated", "reserved", "device", "unknown")


@dataclass(frozen=True, slots=True)
class Run:
    """One row of measurements, as published; see the module."""

    id: str
    group: str  # one table of one publisher: what is left out together
    source: str  # repository@commit:file or paper, table
    use: str  # score, memory (peak memory alone) or context (doubtful, never scored)
    trust: str  # high, medium, low
    date: str  # of publication, yyyy-mm
    model: str
    family: str  # dense or moe, as published
    layers: float
    hidden: float
    ffn: float  # of one expert where the source gives that
    heads: float
    kv_heads: float
    vocab: float
    sequence_tokens: float
    params: float  # as published, a check only
    experts: float
    top_k: float
    accelerator: str  # as published
    devices: float
    node_devices: float
    interconnect: str  # as published
    precision: str
    stack: str  # framework and version, as published
    tp: float
    pp: float
    vpp: float
    dp: float
    cp: float
    ep: float
    sharding: str  # 0 1 2 3 (ZeRO stage), fsdp or hsdp
    micro_batch: float
    batch_samples: float
    recompute: str  # none, selective, full or unknown
    flash_attention: str  # yes, no or unknown
    optimizer: str
    offload: str
    task: str  # pretrain, full_ft, lora or qlora
    step_time_s: float
    tokens_per_s_per_device: float
    samples_per_second: float  # of all devices together
    tflops_per_device: float
    mfu: float  # share of the peak, 0 to 1
    hfu: float
    flop_convention: str  # what the two columns before count, as published
    peak_memory_bytes: float
    memory_metric: str  # allocated, reserved, device or unknown
    out_of_memory: str  # yes, borderline or empty
    shape_source: str  # where the model's shape comes from, if not from the source
    note: str
    loss: str  # kind of loss, of `strategies.losses`; empty: what the stack or the note says
    layout: str  # settings as job files write them, "tp=2,sp=0"; those that have a column may stand in either
    lora_rank: float  # of adapters; NaN: what the note says, else as the stack's recipes have it
    lora_targets: str  # matrices that have adapters, as job files name them: all-linear, q_proj,v_proj
    document_tokens: float  # mean of documents that are masked from each other; NaN: what the note says, else none is
    recipe: str  # how tensors are kept, as job files write it: "states=16,quantised=nf4-dq"
    nvme: str  # drives of one node, as job files write them: "read=25GB/s,write=12GB/s"; empty: as the catalog has them
    faults: tuple[tuple[str, str], ...] = ()  # columns whose cells cannot be read, each with the reason
    strange: tuple[str, ...] = ()  # columns that nobody reads, each with the nearest that is read
    taken: tuple[str, ...] = ()  # what cells were read as that may mean something else


COLUMNS = tuple(field.name for field in fields(Run) if field.default is MISSING)
TEXT_COLUMNS = frozenset(name for name, kind in get_type_hints(Run).items() if kind is str)


def is_known(value: float) -> bool:
    """Tell a published number from a missing one.

    >>> is_known(2.0), is_known(math.nan)
    (True, False)
    """
    return not math.isnan(value)


def publisher(run: Run) -> str:
    """Return who published a run: its source up to the revision or file, so that a publisher can be left out whole.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> publisher(blank_run(source="NVIDIA/NeMo@8e3d65dcfe:docs/performance_summary.md"))
    'NVIDIA/NeMo'
    >>> publisher(blank_run(source="2104.04473 Table 1 = NVIDIA/Megatron-LM@50a4b5fa02:images/cases_april2021.png"))
    'NVIDIA/Megatron-LM'
    """
    head = run.source.split("@")[0].split(":")[0].strip()
    return head.rsplit("= ", 1)[-1] or run.group
