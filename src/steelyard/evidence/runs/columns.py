"""From the columns of a collected file of runs (`n_layers`, `tokens_per_s_per_chip`, `peak_mem_gb` …) to `Run`.

Two headers are read: our own (`run.COLUMNS`), in which the fields of a job file may stand, and the collected one
(`header`). A blank or a dash is an unknown number; what is written and cannot be read is a fault of its row (`cells`).
"""

import math
import re
from collections.abc import Mapping

from steelyard.errors import BadInput, nearest
from steelyard.evidence.runs.accelerators import counted_devices
from steelyard.evidence.runs.cells import UNSAID, read_number
from steelyard.evidence.runs.header import (
    LAYOUT_COLUMNS,
    MEASURED,
    NOTED_COLUMNS,
    is_read,
    of_one,
    our_name,
    peak_column,
    step_column_s,
    strange_text,
)
from steelyard.evidence.runs.rates import fill_rates
from steelyard.evidence.runs.run import COLUMNS, MEMORY_METRICS, TEXT_COLUMNS, Run, is_known
from steelyard.formatting.unit_sizes import BYTES, SECONDS
from steelyard.job.degrees import SETTING_ALIASES
from steelyard.job.kept.phrases import quantised_base
from steelyard.job.spelled.bases import task_of_base
from steelyard.job.spelled.batches import batch_of_note
from steelyard.job.spelled.lengths import sequence_of_note, sequence_taken
from steelyard.job.training import TASKS
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import spelled_number
from steelyard.units import GB_BYTES, GIB_BYTES

DEFAULTS = {"use": "score", "group": "all", "trust": "unknown", "recompute": "unknown", "flash_attention": "unknown"}


def run_of_row(row: Mapping[str, str | None], row_id: str) -> Run:
    """Turn one row of either header into a `Run`; its layout is read where the row is completed (`frames.settings`).

    A number that cannot be read is unknown, and a fault of the run.

    >>> run = run_of_row({"model": "llama-3-8b", "hardware": "H100-80GB", "n_chips": "8", "peak_mem_gb": "70",
    ...             "mem_unit": "GiB reserved", "n_params_b": "8.03"}, "row-1")
    >>> run.id, run.accelerator, run.devices, run.peak_memory_bytes / 2**30, run.memory_metric, run.params
    ('row-1', 'H100-80GB', 8.0, 70.0, 'reserved', 8030000000.0)
    >>> run_of_row({"step_time_s": "12,9"}, "row-2").faults
    (('step_time_s', "step_time_s is '12,9': a comma is no decimal point; write 12.9"),)
    """
    values: dict[str, str] = dict.fromkeys(COLUMNS, "")
    cells = {name: _cell(name, value) for name, value in row.items() if name is not None and isinstance(value, str)}
    for name, value in cells.items():
        if our_name(name) in values:
            values[our_name(name)] = value
    noted = [f"{our_name(name)}={value}" for name, value in cells.items() if our_name(name) in NOTED_COLUMNS and value]
    values["note"] = "; ".join(filter(None, (values["note"], *noted)))
    values["layout"] = ",".join(filter(None, (values["layout"], *_settings(cells))))
    for name, word in DEFAULTS.items():
        values[name] = values[name] or word
        values[name] = values[name] if name == "group" else values[name].lower()
    values["id"] = values["id"] or row_id
    if not says(values["devices"]) and (counted := counted_devices(values["accelerator"])):
        values["devices"] = str(counted)
    if not says(values["sequence_tokens"]):
        values["sequence_tokens"] = sequence_of_note(values["note"])
    _fill_batch(values)
    taken = tuple(filter(None, [sequence_taken(values["sequence_tokens"])]))
    faults: dict[str, str] = {}
    unread = _peaks_and_steps(cells, values)
    numbers = {name: _number(values[name], name, faults) for name in COLUMNS if name not in TEXT_COLUMNS}
    texts = {name: values[name] for name in TEXT_COLUMNS}
    texts["memory_metric"] = "unknown" if texts["memory_metric"].lower() in UNSAID else texts["memory_metric"]
    if of_device := next((value for name, value in cells.items() if of_one(name)), None):
        numbers["samples_per_second"] = _number(of_device, "samples_per_second", faults) * numbers["devices"]
    if "n_params_b" in cells:
        numbers["params"] = _number(cells["n_params_b"], "n_params_b", faults) * 1e9
    if "peak_mem_gb" in cells:
        unit = cells.get("mem_unit", "")
        numbers["peak_memory_bytes"] = _number(cells["peak_mem_gb"], "peak_mem_gb", faults) * memory_unit_bytes(unit)
        texts["memory_metric"] = memory_metric(unit, values["note"])
    unread += fill_rates(cells, numbers, faults)
    strange = [strange_text(name) for name, value in cells.items() if says(value) and not is_read(name)]
    told = {"faults": tuple(faults.items()), "strange": (*strange, *unread), "taken": taken}
    return Run(**texts, **numbers, **told)  # type: ignore[arg-type]  # by type


def _fill_batch(values: dict[str, str]) -> None:
    """Put settings of the batch in a note where columns and layout are blank; what follows from two is not written."""
    noted = batch_of_note(values["note"])
    laid = {SETTING_ALIASES.get(name, name) for name in re.findall(r"(\w+)\s*=", values["layout"].lower())}
    for field, column in (("micro_batch", "micro_batch"), ("global_batch", "batch_samples")):
        if field in noted and field not in laid and not says(values[column]):
            values[column] = noted[field]
    one = (says(values["micro_batch"]) or "micro_batch" in laid) != says(values["batch_samples"])
    if one and "micro_batches" in noted and "micro_batches" not in laid:
        values["layout"] = ",".join(filter(None, (values["layout"], f"micro_batches={noted['micro_batches']}")))


_SWITCHES = frozenset({"recompute", "flash_attention", "sharding", "offload", "out_of_memory"})
"""Text columns in which a whole number may stand for a word."""


def _cell(name: str, value: str) -> str:
    """Return what a cell holds; a whole number that a table with blanks made `1.0` of is whole where a word belongs."""
    plain, ours = value.strip(), our_name(name)
    whole = ours in _SWITCHES or ours in NOTED_COLUMNS or ours in LAYOUT_COLUMNS
    return re.sub(r"^(\d+)\.0+$", r"\1", plain) if whole else plain


_PEAK_ORDER = ("reserved", "", "allocated")
"""Which counter of a row's peak is taken where it has several: what the card must hold goes before its tensors."""


def _peaks_and_steps(cells: Mapping[str, str], values: dict[str, str]) -> list[str]:
    """Put cells of columns in other units or of a named counter into ours; return what of them is not taken."""
    for name, value in cells.items():
        if (each_s := step_column_s(name)) and says(value):
            values["step_time_s"] = _with_unit(value, f" {_SECOND_NAMES[each_s]}")
        if _plain_precision(name) and says(value):
            values["precision"] = "fp32" if value.lower() in ("no", "none", "false") else f"{value} mixed"
    peaks = {name: peak for name, value in cells.items() if says(value) and (peak := peak_column(name))}
    for name in sorted(peaks, key=lambda name: -_PEAK_ORDER.index(peaks[name].metric)):  # the first of the order last
        values["peak_memory_bytes"] = _with_unit(cells[name], f" {_BYTE_NAMES[peaks[name].unit_bytes]}")
        if peaks[name].metric and not says(cells.get("memory_metric", "")):
            values["memory_metric"] = peaks[name].metric
    taken = min(peaks, key=lambda name: _PEAK_ORDER.index(peaks[name].metric), default="")
    return [f"column {name[:40]!r}: the peak is that of {taken!r}" for name in peaks if name != taken]


_BYTE_NAMES = {size: name for name, size in BYTES.items() if name != "bytes"} | {1.0: ""}
_SECOND_NAMES = {size: name for name, size in SECONDS.items()}


def _with_unit(value: str, unit: str) -> str:
    """Return a cell with the unit of its column, where it has none of its own."""
    return f"{value}{unit}" if re.fullmatch(r"[\d.,_' e+-]+", value, re.IGNORECASE) else value


def _plain_precision(name: str) -> bool:
    """Tell whether a column is Accelerate's `mixed_precision`, whose `no` is fp32."""
    return name.strip().lower().replace("-", "_").replace(" ", "_") == "mixed_precision"


def _number(text: str, column: str, faults: dict[str, str]) -> float:
    """Return the number of a cell; one that cannot be read is NaN, and among the faults."""
    try:
        return read_number(text, column)
    except BadInput as refusal:
        faults[our_name(column)] = str(refusal)
        return math.nan


def check_cells(run: Run) -> None:
    """Raise `BadInput` where a row cannot be predicted for what its cells hold: no number, or a word of no meaning.

    What was measured is left to `frames.measured`: the rest of a row is predicted all the same. Words of recomputation
    that count blocks need the shape of the model: `frames.recomputation` refuses what is left.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> check_cells(blank_run(id="ours", sharding="fsbp"))
    Traceback (most recent call last):
    steelyard.errors.BadInput: sharding is 'fsbp'; nearest: fsdp, hsdp
    """
    if faults := [reason for column, reason in run.faults if column not in MEASURED_COLUMNS]:
        raise BadInput("; ".join(faults))
    sharding = spelled_number("zero", run.sharding)
    wrong = ["sharding"] if sharding is None or sharding > _HIGHEST_SHARDING else []
    wrong += ["task"] * (run.task not in TASKS)
    for name in wrong:
        if says(getattr(run, name)):
            raise unreadable(run, name)
    if says(run.task):
        task_of_base(run.task, quantised_base(f"{run.note}; {run.stack}; {run.recipe}"), "words of the row")
    if run.task not in ("lora", "qlora") and (is_known(run.lora_rank) or says(run.lora_targets)):
        given = "lora_rank" if is_known(run.lora_rank) else "lora_targets"
        raise BadInput(f"{given} is given but task is {run.task}; write task lora or qlora, or leave {given} blank")


def says(text: str) -> bool:
    """Tell whether a cell says anything: it is not blank, a dash or `unknown`.

    >>> says("full"), says("n/a"), says("")
    (True, False, False)
    """
    return text.strip().lower() not in UNSAID


def unreadable(run: Run, name: str) -> BadInput:
    """Return the refusal of a row for a word of a column that has no meaning, with the nearest words that have one."""
    text = getattr(run, name)
    near = nearest(text, TAKEN_TEXTS[name]) or TAKEN_TEXTS[name]
    return BadInput(f"{name} is {text[:60]!r}; nearest: {', '.join(near)}")


MEASURED_COLUMNS = frozenset({*MEASURED, "hfu"})
"""Columns of what was measured: a fault in one costs no more than its figure."""

_HIGHEST_SHARDING = 3
TAKEN_TEXTS = {
    "sharding": ("0", "1", "2", "3", "fsdp", "hsdp"),
    "recompute": (*RECOMPUTE, "unknown"),
    "memory_metric": MEMORY_METRICS,
    "task": TASKS,
    "out_of_memory": ("yes", "borderline", "no"),
}
"""Columns that take one of a few words; blank or a dash is unknown."""


def _settings(cells: Mapping[str, str]) -> list[str]:
    """Return the settings of a layout that stand in columns of their own: `etp=2`, `partition=7-9-9-7`."""
    return [
        f"{our_name(name)}={value}" for name, value in cells.items() if our_name(name) in LAYOUT_COLUMNS and says(value)
    ]


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
    ("device", r"total used|(nvidia|rocm|amd|hl)[-_ ]?smi|incl\. cuda context|device.used|nvml|gpustat"),
    ("reserved", r"reserved|cached|caching"),
    ("allocated", r"allocated|\bactive\b|torch peak|peak[-_ ]alloc"),
)
"""Which peak it is, by the counter that printed it: of the card or the process, of the allocator, of its tensors
(docs.pytorch.org, torch.cuda: max_memory_reserved, formerly max_memory_cached; max_memory_allocated)."""


def memory_word(text: str) -> str:
    """Return the kind of peak that the column of a row names, of `run.MEMORY_METRICS`; the text where it names none.

    >>> [memory_word(text) for text in ("torch.cuda.max_memory_allocated", "nvidia-smi", "max_memory_cached", "heap")]
    ['allocated', 'device', 'reserved', 'heap']
    """
    plain = text.strip().lower()
    found = next((metric for metric, words in METRIC_PATTERNS if re.search(words, plain)), "")
    whole = re.search(r"\b(device|process|card|gpu)\b", plain)
    return found or ("device" if whole else plain if plain in MEMORY_METRICS else text)


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
