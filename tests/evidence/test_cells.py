"""Cells of a user's file of runs: read as they are meant, or refused with what was given and the way out."""

import math
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.runs.cells import LEAST_PEAK_BYTES, MEASUREMENTS, UNITS, read_number
from steelyard.evidence.runs.reader import parse_runs, read_runs
from steelyard.evidence.runs.run import COLUMNS, TEXT_COLUMNS, Run
from steelyard.evidence.runs.spellings import worded

NUMBERS = tuple(name for name in COLUMNS if name not in TEXT_COLUMNS)
COUNTS = tuple(sorted(set(NUMBERS) - MEASUREMENTS))
CELLS = {
    "id": "ours", "model": "llama-3-8b", "accelerator": "H100", "devices": "8", "sequence_tokens": "8192",
    "precision": "bf16", "stack": "torchtitan", "batch_samples": "64", "micro_batch": "1", "step_time_s": "7.5",
    "peak_memory_bytes": "60e9", "memory_metric": "reserved",
}  # fmt: skip


def row(**cells: str) -> Run:
    """Return one run of a file whose columns are these, quoted as a program that writes tables does."""
    whole = CELLS | cells
    lines = (",".join(whole), ",".join(f'"{cell}"' for cell in whole.values()))
    (run,) = parse_runs("\n".join(lines).encode(), "runs.csv")
    return run


def refusal(run: Run) -> str:
    """Return why a run is not predicted; empty where it is."""
    return next((reason for _, reason in run_frame([run], load()).unpredicted), "")


@given(st.text(max_size=12), st.sampled_from(NUMBERS))
def test_every_text_is_a_number_nothing_or_refused_by_name(text: str, column: str) -> None:
    value, said = math.nan, ""
    try:
        value = read_number(text, column)
    except BadInput as error:
        said = str(error)
    assert math.isnan(value) or value >= 0
    assert not said or (said.startswith(f"{column} is ") and re.search("write|correct it|leave it blank", said))


@given(
    st.integers(0, 999_999), st.text("0123456789", min_size=1, max_size=7).filter(lambda text: len(text) != 3),
    st.sampled_from(NUMBERS),
)  # fmt: skip
def test_a_decimal_comma_is_refused_with_the_point_in_its_place(whole: int, part: str, column: str) -> None:
    """12,9 was read as 129 and learnt from: ten times the seconds."""
    with pytest.raises(BadInput, match=rf"{column} is '{whole},{part}': a comma is no decimal point; write {whole}\."):
        read_number(f"{whole},{part}", column)


@given(st.integers(1, 999), st.integers(0, 999), st.sampled_from(sorted(MEASUREMENTS)))
def test_a_lone_comma_in_a_measurement_may_be_either(whole: int, part: int, column: str) -> None:
    with pytest.raises(BadInput, match=f"may be {whole}.* or {whole}{part:03}; write one of the two"):
        read_number(f"{whole},{part:03}", column)


@given(st.integers(1, 10**12), st.sampled_from(COUNTS), st.sampled_from(", _"))
def test_thousands_of_counts_may_be_parted(value: int, column: str, mark: str) -> None:
    few = column == "peak_memory_bytes" and value < LEAST_PEAK_BYTES
    with pytest.raises(BadInput, match="write its unit: 38 GiB") if few else nullcontext():
        assert read_number(f"{value:,}".replace(",", mark), column) == value
    assert read_number(f"{1_000_000 + value:,}.5".replace(",", mark), "step_time_s") == 1_000_000.5 + value


@given(
    st.sampled_from([(column, unit) for column, sizes in UNITS.items() for unit in sizes]),
    st.integers(1, 99),
    st.booleans(),
)
def test_units_of_a_column_are_read(where: tuple[str, str], value: int, apart: bool) -> None:
    column, unit = where
    assert read_number(f"{value}{' ' * apart}{unit}", column) == pytest.approx(value * UNITS[column][unit])


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("devices", "8x", 8),
        ("devices", "8 GPUs", 8),
        ("devices", "8×", 8),
        ("step_time_s", "12.9 s", 12.9),
        ("step_time_s", "12900 ms", 12.9),
        ("tokens_per_s_per_device", "3900 tokens/s/GPU", 3900),
        ("tokens_per_s_per_device", "3.9k tok/s", 3900),
        ("samples_per_second", "12.5 samples/s", 12.5),
        ("sequence_tokens", "8192 tokens", 8192),
        ("params", "8.03B", 8.03e9),
    ],
)
def test_what_people_write_beside_a_number(column: str, text: str, value: float) -> None:
    assert getattr(row(**{column: text}), column) == pytest.approx(value)


@pytest.mark.parametrize(
    ("column", "text", "says"),
    [
        ("devices", "8.5", "devices is '8.5', but it is a whole number"),
        ("devices", "eight", "devices is 'eight', which is no number; write 8 or 1024"),
        ("sequence_tokens", "8q", "'q' is no unit of it; write 4096 or 4k"),
        ("tp", "-2", "tp is '-2', below zero"),
        ("micro_batch", "auto", "micro_batch is 'auto', which is no number"),
        ("task", "prefix tuning", "task is 'prefix tuning'; nearest: "),
        ("task", "weaving", "task is 'weaving'"),
        ("lora_rank", "16", "lora_rank is given but task is pretrain"),
    ],
)
def test_a_row_that_cannot_be_read_says_which_cell(column: str, text: str, says: str) -> None:
    assert says in refusal(row(**({"task": "pretrain"} | {column: text})))
    assert not refusal(row(**{column: "-"})) or column in ("devices", "sequence_tokens")


@pytest.mark.parametrize(
    ("column", "text", "says", "kept"),
    [
        ("step_time_s", "12,9", "a comma is no decimal point; write 12.9", "memory"),
        ("step_time_s", "12.9 parsecs", "'parsecs' is no unit of it; write 12.9, 12.9 s or 12900 ms", "memory"),
        ("peak_memory_bytes", "70 lb", "'lb' is no unit of it; write 7.5e10, 75 GB or 70 GiB", "time"),
        ("memory_metric", "heap", "memory_metric is 'heap'; nearest: ", "time"),
    ],
)
def test_a_bad_figure_costs_that_figure_alone(column: str, text: str, says: str, kept: str) -> None:
    run = row(**{column: text})
    seen = measured(run_frame([run], load()))
    reasons = {"time": seen.time_reason[0], "memory": seen.memory_reason[0]}
    assert reasons.pop(kept) == ""
    assert says in next(iter(reasons.values()))
    (kind,) = {one.metric.split("_")[0] for one in calibrate_constants([run], load(), "ours", "x", "2026-11-30").runs}
    assert kind == {"time": "step", "memory": "peak"}[kept]


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("max_memory_allocated", "allocated"),
        ("torch.cuda.max_memory_allocated()", "allocated"),
        ("max_memory_reserved", "reserved"),
        ("max_memory_cached", "reserved"),
        ("nvidia-smi", "device"),
        ("NVML", "device"),
        ("rocm-smi", "device"),
        ("Reserved", "reserved"),
    ],
)
def test_counters_of_memory_by_their_names(text: str, metric: str) -> None:
    """docs.pytorch.org, torch.cuda: max_memory_reserved was max_memory_cached; nvidia-smi counts the process."""
    assert worded(row(memory_metric=text)).memory_metric == metric


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Low-Rank Adaptation", "lora"),
        ("low rank adaptation", "lora"),
        ("DoRA", "lora"),
        ("PEFT LoRA", "lora"),
        ("PEFT", "lora"),
        ("adapter", "lora"),
        ("LoRA fine-tuning", "lora"),
        ("rsLoRA", "lora"),
        ("QLoRA 4-bit", "qlora"),
        ("4-bit low-rank adaptation", "qlora"),
        ("LoRA (nf4)", "qlora"),
        ("quantized LoRA", "qlora"),
        ("instruction tuning", "full_ft"),
        ("full fine-tuning, no LoRA", "full_ft"),
        ("fine-tuned", "full_ft"),
        ("pre-training from scratch", "pretrain"),
    ],
)
def test_kinds_of_training_as_people_write_them(text: str, task: str) -> None:
    for spelling in (text, text.upper(), text.lower()):
        assert worded(row(task=spelling)).task == task, spelling


@given(st.text("abcdefghijklmnopqrstuvwxyz -", min_size=2, max_size=16))
def test_no_word_of_a_task_means_training_in_full_by_itself(text: str) -> None:
    """What is trained is one of the five kinds, or the row is left out with the word."""
    run = row(task=text)
    if refusal(run):
        assert f"task is {run.task!r}" in refusal(run)
    elif worded(run).task in ("full_ft", "pretrain", "continued_pretrain"):
        assert re.search("tun|full|sft|fft|train|cpt|contin|scratch", text)


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        ({"stack": "HF Trainer + PEFT"}, "lora"),
        ({"note": "QLoRA, rank 16"}, "qlora"),
        ({"note": "LoRA over a 4-bit base"}, "qlora"),
        ({"lora_rank": "16"}, "lora"),
        ({"target_modules": "q_proj,v_proj"}, "lora"),
        ({"note": "4 network adapters of 200 Gb/s"}, ""),
        ({"note": "baseline without LoRA"}, ""),
    ],
)
def test_a_row_without_a_task_is_what_its_other_words_say(cells: dict[str, str], task: str) -> None:
    run = row(**cells)
    assert worded(run).task == task
    assert "task" in run_frame([run], load()).assumed[0]


def test_adapters_have_columns_of_their_own() -> None:
    """Rank and matrices of a row win over its stack's; as in a job file, `lora: {rank, targets}` is the same."""
    few, many = (
        row(task="lora", lora_rank="8", lora_targets="q_proj, v_proj"),
        row(task="lora", lora_targets="all-linear"),
    )
    shares = [float(run_frame([one], load()).job.trainable_share[0]) for one in (few, many)]
    assert shares[0] == pytest.approx(3407872 / 8.03e9, rel=1e-3)  # 8 (4096 + 4096 + 4096 + 1024) 32
    assert shares[1] > 5 * shares[0]
    text = '{"model": "llama-3-8b", "accelerator": "H100", "devices": 8, "sequence_tokens": 8192, "step_time_s": 7.5,'
    (run,) = parse_runs(f'{text} "lora": {{"rank": 4, "targets": ["q_proj", "o_proj"]}}}}'.encode(), "runs.jsonl")
    assert (run.lora_rank, run.lora_targets) == (4.0, "q_proj,o_proj")
    assert "unknown LoRA target 'q_prog'" in refusal(row(task="lora", lora_targets="q_prog"))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("tp,tp", "column 'tp' stands twice; keep one"),
        ("seq_len,sequence_tokens", "columns 'seq_len' and 'sequence_tokens' say the same; keep one"),
        ("batch_samples,global_batch", "columns 'batch_samples' and 'global_batch' say the same; keep one"),
        ("samples_per_second,images_per_s_per_device", "say the same; keep one"),
        ("peak_mem_gb,peak_memory_bytes", "say the same; keep one"),
    ],
)
def test_columns_that_say_the_same_are_refused(header: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(f"model,accelerator,devices,step_time_s,{header}\ngpt2,H100,8,0.5,1,2\n")
    with pytest.raises(BadInput, match=f"runs.csv: {re.escape(says) if says.startswith('col') else '.*' + says}"):
        read_runs(path)
    names = header.split(",")
    path = tmp_path / "runs.jsonl"
    path.write_text(f'{{"model": "gpt2", "{names[0]}": 1, "{names[1]}": 2}}\n')
    with pytest.raises(BadInput, match=r"runs.jsonl line 1: .*keep one"):
        read_runs(path)


def test_a_column_that_nobody_reads_is_told_with_the_nearest() -> None:
    run = row(batch_sample="64", weather="rain", remark="")
    assert run.strange[0] == "column 'batch_sample'; nearest: batch_samples"
    assert run.strange[1].startswith("column 'weather'")
    assert len(run.strange) == 2, "an empty one says nothing"
    assert set(run.strange) <= set(run_frame([run], load()).notes[0])


@pytest.mark.parametrize("name", ["Global Batch", "global-batch", "batch", "GLOBAL_BATCH_SIZE", "batch_samples"])
def test_the_batch_is_read_under_every_name_of_a_job_file(name: str) -> None:
    lines = f"model,accelerator,devices,sequence_tokens,step_time_s,{name}\ngpt2,H100,8,1024,0.5,64\n"
    (run,) = parse_runs(lines.encode(), "runs.csv")
    assert run.batch_samples == 64
    assert not run.strange
