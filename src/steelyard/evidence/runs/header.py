"""The names of columns: which stand for which, which say the same, which nobody reads."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from steelyard.errors import BadInput, nearest
from steelyard.evidence.runs.rates import PER_DEVICE, RATE_COLUMNS, RATES, rate_column
from steelyard.evidence.runs.run import COLUMNS
from steelyard.formatting.unit_sizes import BYTES, SECONDS, spelled
from steelyard.job.degrees import DEGREE_FIELDS, SETTING_ALIASES
from steelyard.job.spelled.names import FIELD_ALIASES, LORA_NAMES

COLLECTED = {
    "id": "id",
    "source_group": "group",
    "model": "model",
    "arch": "family",
    "n_layers": "layers",
    "hidden": "hidden",
    "ffn": "ffn",
    "heads": "heads",
    "kv_heads": "kv_heads",
    "vocab": "vocab",
    "seq_len": "sequence_tokens",
    "n_experts": "experts",
    "top_k": "top_k",
    "hardware": "accelerator",
    "n_chips": "devices",
    "chips_per_node": "node_devices",
    "interconnect": "interconnect",
    "precision": "precision",
    "framework": "stack",
    "tp": "tp",
    "pp": "pp",
    "vpp": "vpp",
    "dp": "dp",
    "cp": "cp",
    "ep": "ep",
    "zero_stage": "sharding",
    "micro_batch": "micro_batch",
    "global_batch": "batch_samples",
    "recompute": "recompute",
    "flash_attention": "flash_attention",
    "optimizer": "optimizer",
    "offload": "offload",
    "task": "task",
    "step_time_s": "step_time_s",
    "tokens_per_s_per_chip": "tokens_per_s_per_device",
    "tflops_per_chip": "tflops_per_device",
    "mfu": "mfu",
    "hfu": "hfu",
    "flops_convention": "flop_convention",
    "oom": "out_of_memory",
    "shape_source": "shape_source",
    "source": "source",
    "note": "note",
    "date": "date",
    "trust": "trust",
    "use": "use",
}
"""Collected column → ours, where only the name differs; parameters and memory also change their unit."""

_OUR_COLUMNS = {"sequence": "sequence_tokens", "global_batch": "batch_samples", "zero": "sharding"}
_OUR_COLUMNS |= {"flash": "flash_attention", "rank": "lora_rank", "targets": "lora_targets"}

JOB_FIELDS = {
    "sequence": "sequence_tokens",
    "document_length": "document_tokens",
    "global_batch": "batch_samples",
    "step_time": "step_time_s",
    "iteration_time": "step_time_s",
    "iter_time": "step_time_s",
    "time_per_step": "step_time_s",
    "mixed_precision": "precision",
    "gpu_type": "accelerator",
    "gpu_name": "accelerator",
    "gpu": "accelerator",
    "gpu_model": "accelerator",
    "notes": "note",
} | {other: _OUR_COLUMNS.get(name, name) for other, name in {**SETTING_ALIASES, **LORA_NAMES}.items()}
"""Field of a job file, setting of its layout or of its adapters, by every name that job files take → our column."""

LAYOUT_COLUMNS = tuple(name for name in DEGREE_FIELDS if name not in COLUMNS)
"""Settings of a job file's `layout` without a column of their own name: one of that name joins the row's layout."""

NOTED_COLUMNS = frozenset(
    {"load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "double_quantization"}
    | {"quantization", "quantization_bit", "use_liger_kernel", "liger_kernel", "liger", "torch_compile", "compile"}
    | {"fsdp", "deepspeed", "offload_optimizer", "offload_param", "cpu_offload", "fsdp_offload_params", "bf16", "fp16"}
    | {"enable_activation_offloading", "optimizer_in_bwd", "flash_attn", "use_flash_attention_2", "fsdp_cpu_offload"}
    | {"torch_dtype", "cut_cross_entropy", "liger_fused_linear_cross_entropy"}
)
"""Settings of Hugging Face's, DeepSpeed's, axolotl's and torchtune's configurations: one in a column of its own is read
as if the note said `load_in_4bit=True`."""

_NEEDED = ("model", "accelerator", "devices")
MEASURED = (
    "step_time_s", "tokens_per_s_per_device", "samples_per_second", "tflops_per_device", "mfu", "peak_memory_bytes"
)  # fmt: skip


def check_header(header: Collection[str], where: str, *, of_text: bool = True, counted: bool = False) -> None:
    """Refuse a file that lacks what every prediction needs, and name it; runs on text need the length of a sequence.

    Args:
        header: names of its columns.
        where: what errors call it.
        of_text: whether every run of it is on text.
        counted: whether the names of its accelerators say how many there are.

    >>> check_header(["model", "accelerator", "devices", "mfu"], "runs.csv")
    Traceback (most recent call last):
        ...
    steelyard.errors.BadInput: runs.csv: no column for sequence_tokens; needed are model, accelerator, ...
    """
    there = {"samples_per_second" if of_one(name) else our_name(name) for name in header}
    wanted = (*_NEEDED, "sequence_tokens") if of_text and "samples_per_second" not in there else _NEEDED
    missing = [name for name in wanted if name not in there and not (counted and name == "devices")]
    if not there & {*MEASURED, *RATES}:
        missing.append(" or ".join(MEASURED))
    if missing:
        raise BadInput(
            f"{where}: no column for {', '.join(missing)}; needed are {', '.join(wanted)} and one measurement "
            f"(is it a comma-separated file with a header? found: {', '.join(sorted(header)[:8]) or 'nothing'})"
        )


def check_names(header: Sequence[str], where: str) -> None:
    """Refuse two columns that say the same: of one name, or of two that are read as one.

    >>> check_names(["model", "tp", "seq_len", "sequence_tokens"], "runs.csv")
    Traceback (most recent call last):
        ...
    steelyard.errors.BadInput: runs.csv: columns 'seq_len' and 'sequence_tokens' say the same; keep one
    """
    seen: dict[str, str] = {}
    for name in header:
        ours = "samples_per_second" if of_one(name) else our_name(name)
        if (peak := peak_column(name)) and peak.metric:
            ours = f"{ours}, {peak.metric}"  # both counters of one run are two figures
        if ours in seen and ours:
            both = f"column {name!r} stands twice" if seen[ours] == name else f"columns {seen[ours]!r} and {name!r}"
            raise BadInput(f"{where}: {both}{'' if seen[ours] == name else ' say the same'}; keep one")
        seen[ours] = name


@cache
def of_one(name: str | None) -> bool:
    """Tell whether a column is the rate of samples of one device.

    >>> of_one("samples_per_second_per_device"), of_one("images_per_s_per_device"), of_one("tokens_per_s_per_device")
    (True, True, False)
    """
    plain = our_name(name)
    rate = plain.removesuffix(PER_DEVICE)
    return rate != plain and RATE_COLUMNS.get(rate, rate) == "samples_per_second"


_IN_OTHER_UNITS = {"peak_mem_gb": "peak_memory_bytes", "n_params_b": "params"}

_PEAK = re.compile(
    r"(?:torch_?)?(?:cuda_?)?(?:peak|max|gpu|used|total_used|measured)?_?(?:gpu|cuda|peak|max|device|torch)?_?"
    r"(?P<what>vram|hbm|memory|mem|reserved|allocated)(?:_usage|_use|_peak|_max)?"
    r"_?(?P<metric>reserved|allocated|used|active)?"
    r"(?:_per_(?:gpu|device))?(?:_(?P<unit>gb|gib|mb|mib|b|bytes))?(?:_per_(?:gpu|device))?"
)
_CAPACITY = re.compile(r"(?:total|free|device)_?(?:gpu_)?(?:memory|mem|vram).*")
_UNIT_COLUMNS = frozenset({"mem_unit"})
"""Columns that say how another is read."""


@dataclass(frozen=True, slots=True)
class PeakColumn:
    """What the name of a column of peak memory says of it."""

    metric: str  # reserved or allocated; empty: it does not say
    unit_bytes: float  # of a number without a unit of its own


@cache
def peak_column(name: str) -> PeakColumn | None:
    """Return what a column of peak memory says by its name; None where it is no such column.

    >>> peak_column("max_memory_reserved_gb"), peak_column("vram_mib").unit_bytes / 2**20, peak_column("mem_unit")
    (PeakColumn(metric='reserved', unit_bytes=1000000000.0), 1.0, None)
    """
    plain = _letters(name)
    found = _PEAK.fullmatch(plain)
    if found is None or _CAPACITY.fullmatch(plain) or plain in COLUMNS or plain in _IN_OTHER_UNITS:
        return None
    metric = found["metric"] or found["what"]
    of = {"reserved": "reserved", "allocated": "allocated", "active": "allocated"}
    sizes = {unit.lower(): size for unit, size in BYTES.items()} | {"b": 1.0}
    return PeakColumn(of.get(metric, ""), sizes[found["unit"] or "b"])


_STEP = re.compile(
    r"(?:step|iter|iteration)(?:_(?:time|duration|latency))?_(?P<unit>s|sec|seconds|ms|min|minutes|h|hours)"
)
_STEP_UNITS = spelled(SECONDS, {"s": "s,sec,seconds", "ms": "ms", "min": "min,minutes", "h": "h,hours"})
_PER_STEP = re.compile(r"(?P<unit>s|sec|seconds|ms|min|minutes|h|hours)_(?:per|a)_(?:step|iter|iteration|it)")

_SLASHED = re.compile(r"^(s|sec|seconds|ms|min|minutes|h|hours) ?/")


@cache
def step_column_s(name: str) -> float | None:
    """Return the seconds of one unit of a column of step times, by its name; None where it is no such column.

    >>> step_column_s("step_time_ms"), step_column_s("seconds_per_step"), step_column_s("iteration_time_min")
    (0.001, 1.0, 60.0)
    """
    if rate_column(name):
        return None
    plain = _letters(_SLASHED.sub(r"\1_per_", name.strip().lower()))
    found = _STEP.fullmatch(plain) or _PER_STEP.fullmatch(plain)
    return _STEP_UNITS[found["unit"]] if found and plain not in COLUMNS else None


def _plain(name: str | None) -> str:
    return (name or "").strip().lstrip("\ufeff").lower().replace(" ", "_").replace("-", "_")


def _letters(name: str) -> str:
    """Return a name with everything else between its letters and digits as one underscore: `Peak memory (GiB)`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


@cache
def our_name(name: str | None) -> str:
    """Return the column of `run.COLUMNS` that a name stands for; the plain name where it stands for none.

    >>> our_name("n_chips"), our_name("Global Batch"), our_name("Peak memory"), our_name("weather")
    ('devices', 'batch_samples', 'peak_memory_bytes', 'weather')
    """
    plain = _plain(name)
    if rate := rate_column(plain):
        return rate
    if peak_column(plain):
        return "peak_memory_bytes"
    if step_column_s(plain):
        return "step_time_s"
    if _letters(plain) in COLUMNS:
        return _letters(plain)
    plain = FIELD_ALIASES.get(plain, plain)
    plain = JOB_FIELDS.get(plain, RATE_COLUMNS.get(plain, plain))
    return COLLECTED.get(plain, _IN_OTHER_UNITS.get(plain, plain))


def is_read(name: str) -> bool:
    """Tell whether a column is read by somebody."""
    ours = our_name(name)
    return ours in COLUMNS or ours in LAYOUT_COLUMNS or ours in {*_UNIT_COLUMNS, *NOTED_COLUMNS, *RATES} or of_one(name)


@cache
def strange_text(name: str) -> str:
    """Return what is said of a column that nobody reads.

    >>> strange_text("batch_sample"), strange_text("xyzzy")
    ("column 'batch_sample'; nearest: batch_samples", "column 'xyzzy'")
    """
    near = nearest(name, [*COLUMNS, *LAYOUT_COLUMNS], 1)
    return f"column {name[:40]!r}{f'; nearest: {near[0]}' if near else ''}"
