"""Columns under the names that trainers and spreadsheets give them: each is read as what it means, or told."""

import pytest

from steelyard.errors import BadInput
from steelyard.evidence.runs.columns import check_cells, run_of_row
from steelyard.evidence.runs.header import our_name
from steelyard.evidence.runs.reader import read_runs

ALIASES = {
    "accelerator": ("gpu", "GPU", "gpu_model"),
    "sequence_tokens": ("max_length", "cutoff_len", "block_size", "max_seq_len"),
    "devices": ("world_size", "num_devices", "gpu_count"),
    "micro_batch": ("per_device_batch_size",),
    "micro_batches": ("grad_accum",),
    "lora_rank": ("r",),
    "samples_per_second": ("train_samples_per_second", "samples/s"),
    "tokens_per_s_per_device": ("tokens_per_sec_per_gpu", "tok/s/GPU", "tokens_per_second_per_device"),
}  # fmt: skip
"""Names of Hugging Face's, LLaMA-Factory's and PEFT's arguments, and of launchers."""


@pytest.mark.parametrize(("ours", "name"), [(ours, name) for ours, names in ALIASES.items() for name in names])
def test_a_column_is_known_by_its_other_names(ours: str, name: str) -> None:
    assert our_name(name) == ours


@pytest.mark.parametrize("name", ["it/s", "iter/s", "steps_per_second", "train_steps_per_second", "Steps / s"])
def test_a_rate_of_steps_is_the_reverse_of_a_step(name: str) -> None:
    assert run_of_row({name: "0.25", "devices": "8"}, "row").step_time_s == 4


@pytest.mark.parametrize("name", ["s/it", "sec/it", "s_per_step", "iter_s"])
def test_seconds_of_a_step_are_those_of_a_step(name: str) -> None:
    assert run_of_row({name: "0.25", "devices": "8"}, "row").step_time_s == 0.25


def test_a_rate_of_steps_beside_another_measurement_is_not_taken_and_told() -> None:
    run = run_of_row({"it/s": "0.25", "train_samples_per_second": "16", "devices": "8"}, "row")
    assert run.step_time_s != run.step_time_s
    assert run.strange == ("column 'it/s': the step is that of samples_per_second",)


def test_tokens_of_all_devices_are_shared_among_them() -> None:
    assert run_of_row({"total_tokens_per_s": "8000", "devices": "8"}, "row").tokens_per_s_per_device == 1000
    assert run_of_row({"tok/s/GPU": "8k", "devices": "8"}, "row").tokens_per_s_per_device == 8000


@pytest.mark.parametrize("name", ["tokens_per_s", "tokens_per_second", "tok/s"])
def test_tokens_of_nobody_says_which_devices_are_read_of_one_device_alone(name: str) -> None:
    assert run_of_row({name: "1000", "devices": "1"}, "row").tokens_per_s_per_device == 1000
    several = run_of_row({name: "1000", "devices": "8"}, "row")
    assert several.tokens_per_s_per_device != several.tokens_per_s_per_device
    assert "of one device or of all" in dict(several.faults)["tokens_per_s_per_device"]
    check_cells(several)  # it costs its figure, not the row


def test_devices_are_counted_in_the_name_of_an_accelerator(tmp_path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("model,gpu,cutoff_len,s/it\nllama-3-8b,2x H100 80GB,2048,3.5\n")
    (run,) = read_runs(path)
    assert (run.devices, run.accelerator, run.step_time_s) == (2, "2x H100 80GB", 3.5)
    path.write_text("model,gpu,devices,cutoff_len,s/it\nllama-3-8b,8x H100,64,2048,3.5\n")
    assert read_runs(path)[0].devices == 64
    path.write_text("model,gpu,cutoff_len,s/it\nllama-3-8b,H100 80GB,2048,3.5\n")
    with pytest.raises(BadInput, match="no column for devices"):
        read_runs(path)
