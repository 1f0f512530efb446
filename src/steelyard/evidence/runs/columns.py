"""From the columns of a collected file of runs (`n_layers`, `tokens_per_s_per_chip`, `peak_mem_gb` …) to `Run`.

Two headers are read: our own (`run.COLUMNS`), in which the fields of a job file may stand (`JOB_FIELDS`, `layout`), and
the collected one (`COLLECTED`). Columns that neither knows are ignored; a blank, a dash or a word where a number
belongs is an unknown number, never an error.
"""

import math
import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from steelyard.errors import BadInput, nearest
from steelyard.evidence.runs.run import COLUMNS, MEMORY_METRICS, TEXT_COLUMNS, Run, is_known
from steelyard.job.degrees import DEGREE_FIELDS
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import spelled_number
from steelyard.units import GB_BYTES, GIB_BYTES

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

JOB_FIELDS = {"sequence": "sequence_tokens", "global_batch": "batch_samples", "batch_sequences": "batch_samples"}
"""Field of a job file → our column; the others (model, devices, precision, optimizer, task, stack) have one name."""

LAYOUT_COLUMNS = tuple(name for name in DEGREE_FIELDS if name not in COLUMNS)
"""Settings of a job file's `layout` without a column of their own name: one of that name joins the row's layout."""

_UNSAID = frozenset({"", "-", "–", "?", "n/a", "na", "nan", "null", "unknown"})

RATE_COLUMNS = dict.fromkeys(
    ("images_per_second", "images_per_s", "img_per_s", "samples_per_s", "sequences_per_s"), "samples_per_second"
)
"""Other names of the rate of all devices together; one that ends in `_per_device` is of one of them."""

PER_DEVICE = "_per_device"

_NEEDED = ("model", "accelerator", "devices")
MEASURED = (
    "step_time_s", "tokens_per_s_per_device", "samples_per_second", "tflops_per_device", "mfu", "peak_memory_bytes"
)  # fmt: skip
DEFAULTS = {"use": "score", "group": "all", "trust": "unknown", "recompute": "unknown", "flash_attention": "unknown"}


def check_header(header: Collection[str], where: str, *, of_text: bool = True) -> None:
    """Refuse a file that lacks what every prediction needs, and name it; runs on text need the length of a sequence.

    >>> check_header(["model", "accelerator", "devices", "mfu"], "runs.csv")
    Traceback (most recent call last):
        ...
    steelyard.errors.BadInput: runs.csv: no column for sequence_tokens; needed are model, accelerator, ...
    """
    there = {"samples_per_second" if of_one(name) else _ours(name) for name in header}
    wanted = (*_NEEDED, "sequence_tokens") if of_text and "samples_per_second" not in there else _NEEDED
    missing = [name for name in wanted if name not in there]
    if not there & set(MEASURED):
        missing.append(" or ".join(MEASURED))
    if missing:
        raise BadInput(
            f"{where}: no column for {', '.join(missing)}; needed are {', '.join(wanted)} and one measurement "
            f"(is it a comma-separated file with a header? found: {', '.join(sorted(header)[:8]) or 'nothing'})"
        )


def run_of_row(row: Mapping[str, str | None], row_id: str) -> Run:
    """Turn one row of either header into a `Run`; its layout is read where the row is completed (`frames.settings`).

    >>> run = run_of_row({"model": "llama-3-8b", "hardware": "H100-80GB", "n_chips": "8", "peak_mem_gb": "70",
    ...             "mem_unit": "GiB reserved", "n_params_b": "8.03"}, "row-1")
    >>> run.id, run.accelerator, run.devices, run.peak_memory_bytes / 2**30, run.memory_metric, run.params
    ('row-1', 'H100-80GB', 8.0, 70.0, 'reserved', 8030000000.0)
    """
    values: dict[str, str] = dict.fromkeys(COLUMNS, "")
    for name, value in row.items():
        if name is not None and _ours(name) in values and value is not None and isinstance(value, str):
            values[_ours(name)] = value.strip()
    values["layout"] = ",".join(filter(None, (values["layout"], *_settings(row))))
    for name, word in DEFAULTS.items():
        values[name] = values[name] or word
        values[name] = values[name] if name == "group" else values[name].lower()
    values["id"] = values["id"] or row_id
    numbers = {name: number_or_nan(values[name]) for name in COLUMNS if name not in TEXT_COLUMNS}
    texts = {name: values[name] for name in TEXT_COLUMNS}
    texts["memory_metric"] = "unknown" if texts["memory_metric"].lower() in _UNSAID else texts["memory_metric"]
    if of_device := next((row[name] for name in row if name is not None and of_one(name)), None):
        numbers["samples_per_second"] = number_or_nan(of_device) * numbers["devices"]
    if "n_params_b" in row:
        numbers["params"] = number_or_nan(row["n_params_b"]) * 1e9
    if "peak_mem_gb" in row:
        unit = (row.get("mem_unit") or "") if isinstance(row.get("mem_unit"), str) else ""
        numbers["peak_memory_bytes"] = number_or_nan(row["peak_mem_gb"]) * memory_unit_bytes(unit)
        texts["memory_metric"] = memory_metric(unit, values["note"])
    return Run(**texts, **numbers)  # type: ignore[arg-type]  # split by type above


def check_texts(run: Run) -> None:
    """Raise `BadInput` where a column of a run that takes one of a few words holds another.

    Words of recomputation that count blocks need the shape of the model: `frames.recomputation` refuses what is left.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> check_texts(blank_run(id="ours", sharding="fsbp"))
    Traceback (most recent call last):
    steelyard.errors.BadInput: ours: sharding is 'fsbp'; nearest: fsdp, hsdp
    """
    sharding = spelled_number("zero", run.sharding)
    wrong = ["sharding"] if sharding is None or sharding > _HIGHEST_SHARDING else []
    wrong += ["memory_metric"] * (run.memory_metric not in MEMORY_METRICS)
    for name in wrong:
        if says(getattr(run, name)):
            raise unreadable(run, name)


def says(text: str) -> bool:
    """Tell whether a cell says anything: it is not blank, a dash or `unknown`.

    >>> says("full"), says("n/a"), says("")
    (True, False, False)
    """
    return text.strip().lower() not in _UNSAID


def unreadable(run: Run, name: str) -> BadInput:
    """Return the refusal of a row for a word of a column that has no meaning, with the nearest words that have one."""
    text = getattr(run, name)
    near = nearest(text, TAKEN_TEXTS[name]) or TAKEN_TEXTS[name]
    return BadInput(f"{run.id}: {name} is {text[:60]!r}; nearest: {', '.join(near)}")


_HIGHEST_SHARDING = 3
TAKEN_TEXTS = {
    "sharding": ("0", "1", "2", "3", "fsdp", "hsdp"),
    "recompute": (*RECOMPUTE, "unknown"),
    "memory_metric": MEMORY_METRICS,
}
"""Columns that take one of a few words; blank or a dash is unknown."""


def _settings(row: Mapping[str, str | None]) -> list[str]:
    """Return the settings of a layout that stand in columns of their own: `etp=2`, `partition=7-9-9-7`."""
    found = [(name.strip().lower(), value.strip()) for name, value in row.items() if name and isinstance(value, str)]
    return [f"{name}={value}" for name, value in found if name in LAYOUT_COLUMNS and value.lower() not in _UNSAID]


LARGEST_NUMBER = 1e30
"""No number of a run is as large: neither seconds nor bytes nor FLOPs."""


def number_or_nan(text: str | None) -> float:
    """Read a number that a person wrote; NaN when there is none or when it cannot be.

    >>> number_or_nan("1,024"), number_or_nan("8"), number_or_nan("n/a"), number_or_nan("38%"), number_or_nan("-3")
    (1024.0, 8.0, nan, 0.38, nan)
    """
    plain = (text or "").strip().replace(",", "").replace("_", "")
    scale = 1.0
    if plain.endswith("%"):
        plain, scale = plain[:-1], 0.01
    try:
        value = float(plain) * scale
    except ValueError:
        return math.nan
    return value if 0 <= value < LARGEST_NUMBER else math.nan


def memory_unit_bytes(text: str) -> float:
    """Return the bytes of one published unit of memory; a bare GB is decimal unless the text says it is binary.

    >>> [memory_unit_bytes(unit) / 1e6 for unit in ("GB (1e9)", "GB rounded")]
    [1000.0, 1000.0]
    >>> [memory_unit_bytes(unit) / 2**20 for unit in ("GiB (MiB/1024)", "GB printed (GiB-like)", "MiB")]
    [1024.0, 1024.0, 1.0]
    """
    binary = re.search(r"\b([KMGT])iB", text)
    decimal = re.search(r"\b([KMGT])B\b", text, re.IGNORECASE)
    if binary and not (decimal and decimal.start() < binary.start() and "like" not in text):
        return GIB_BYTES * {"K": 2.0**-20, "M": 2.0**-10, "G": 1.0, "T": 2.0**10}[binary[1]]
    if decimal:
        return GB_BYTES * {"K": 1e-6, "M": 1e-3, "G": 1.0, "T": 1e3}[decimal[1].upper()]
    return GB_BYTES


METRIC_PATTERNS = (
    ("device", r"total used|nvidia-smi|incl\. cuda context|device.used|nvml|rocm-smi"),
    ("reserved", r"reserved"),
    ("allocated", r"allocated|\bactive\b|torch peak"),
)


def memory_metric(unit: str, note: str) -> str:
    """Tell which memory was measured: the unit's own words first, then the note's.

    >>> memory_metric("GB as printed (torch max_memory_reserved/1e9)", "")
    'reserved'
    >>> memory_metric("GB", "2 nodes; memory rounded (nvidia-smi)"), memory_metric("GiB active", "")
    ('device', 'allocated')
    """
    in_note = " ".join(part for part in re.split(r"[;,]", note) if re.search(r"mem|peak|nvidia-smi", part))
    for text in (unit, in_note):
        for metric, words in METRIC_PATTERNS:
            if re.search(words, text, re.IGNORECASE):
                return metric
    return "unknown"


def is_count(value: float) -> bool:
    """Tell a usable count (a whole number from one to a trillion) from everything else.

    >>> is_count(8.0), is_count(0.0), is_count(2.5), is_count(math.nan), is_count(1e30)
    (True, False, False, False, False)
    """
    return is_known(value) and 1 <= value <= 1e12 and value == math.floor(value)


@lru_cache(maxsize=1024)
def of_one(name: str | None) -> bool:
    """Tell whether a column is the rate of samples of one device.

    >>> of_one("samples_per_second_per_device"), of_one("images_per_s_per_device"), of_one("tokens_per_s_per_device")
    (True, True, False)
    """
    plain = _ours(name)
    rate = plain.removesuffix(PER_DEVICE)
    return rate != plain and RATE_COLUMNS.get(rate, rate) == "samples_per_second"


@lru_cache(maxsize=1024)
def _ours(name: str | None) -> str:
    plain = (name or "").strip().lstrip("\ufeff")
    plain = JOB_FIELDS.get(plain, RATE_COLUMNS.get(plain, plain))
    return COLLECTED.get(plain, {"peak_mem_gb": "peak_memory_bytes", "n_params_b": "params"}.get(plain, plain))
