"""A row of measured runs and a job file mean the same by the same words: `plan` and `validate` train the same job."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run, read_runs
from steelyard.job import job_table, read_job
from steelyard.job.degrees import parse_degrees
from steelyard.job.optimizers import published_optimizer
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import SPELLINGS, spelled_number

ROW = blank_run(id="one", model="llama-3-8b", accelerator="B200", devices=8.0, sequence_tokens=8192.0, tp=1.0, pp=1.0,
                batch_samples=64.0, micro_batch=1.0, stack="Megatron-Core", date="2025-06", task="pretrain",
                step_time_s=6.0)  # fmt: skip
BYTES = ("element_bytes", "gemm_bytes", "moment_bytes", "master_bytes", "trainable_share", "frozen_bytes")


@pytest.mark.parametrize("task", ["lora", "qlora"])
@pytest.mark.parametrize("targets", ["all linear", "q and v"])
def test_plan_and_validate_train_the_same_adapters(task: str, targets: str) -> None:
    names = {"all linear": ["all-linear"], "q and v": ["q", "v"]}[targets]
    given = {"task": task, "lora": {"rank": 8, "targets": names}}
    given |= {"recipe": "quantised=nf4-dq"} if task == "qlora" else {}
    job = job_table(read_job({"model": "llama-3-8b", "tokens": "1B", "global_batch": 64, **given}))
    row = replace(ROW, task=task, note=f"LoRA rank 8, {targets}" + ", quant nf4-dq" * (task == "qlora"))
    found = run_frame([row], load()).job
    for name in (*BYTES, "adapted_inputs"):
        assert float(getattr(job, name)) == float(getattr(found, name)[0])


def planned(**given: str) -> dict[str, float]:
    job = job_table(read_job({"model": "llama-3-8b", "tokens": "1B", "global_batch": 64, **given}))
    return {name: float(getattr(job, name)) for name in BYTES}


def validated(**given: str) -> dict[str, float]:
    job = run_frame([replace(ROW, **given)], load()).job
    return {name: float(getattr(job, name)[0]) for name in BYTES}


@pytest.mark.parametrize("precision", load().precisions)
@pytest.mark.parametrize("optimizer", load().optimizers)
def test_plan_and_validate_train_the_same_job(precision: str, optimizer: str) -> None:
    given = {"precision": precision, "optimizer": optimizer}
    if not load().optimizers[optimizer].in_backward:
        assert planned(**given) == validated(**given, stack="torchtitan")
        return
    refused = run_frame([replace(ROW, **given, stack="torchtitan")], load()).unpredicted
    assert len(refused) == 1, "its stack keeps gradients until the update"
    found = run_frame([replace(ROW, **given, stack="torchtune", batch_samples=8.0)], load()).job
    assert planned(**given, stack="torchtune") == {name: float(getattr(found, name)[0]) for name in BYTES}


@pytest.mark.parametrize("given", [{"precision": "bf17"}, {"task": "pretrian"}])
def test_what_is_no_word_of_training_is_named(given: dict[str, str]) -> None:
    (name, text), = given.items()  # fmt: skip
    with pytest.raises(BadInput, match=text):
        planned(**given)
    if name == "precision":
        (reason,) = (reason for _, reason in run_frame([replace(ROW, **given)], load()).unpredicted)
        assert text in reason


def test_every_optimizer_is_found_by_its_own_name() -> None:
    assert {name: published_optimizer(name).optimizer for name in load().optimizers} == {
        name: name for name in load().optimizers
    }


@pytest.mark.parametrize(
    ("text", "optimizer"),
    [
        ("decoupled_adamw", "adamw"),
        ("Adam (distributed)", "adamw"),
        ("none (forward+backward only)", "none"),
        ("adamw8bit", "adam8bit"),
        ("paged AdamW 8-bit", "paged-adamw-8bit"),
        ("SGD with Nesterov momentum", "sgd-momentum"),
        ("", "adamw"),
    ],
)
def test_publishers_words(text: str, optimizer: str) -> None:
    assert published_optimizer(text).optimizer == optimizer


@pytest.mark.parametrize(
    ("optimizer", "precision", "moments", "master"),
    [
        ("adamw", "bf16", 8.0, 4.0),  # arXiv 1910.02054, section 3.1: 12 bytes of states
        ("adamw", "fp32", 8.0, 0.0),
        ("adamw", "bf16-pure", 4.0, 0.0),  # torch.optim: states as wide as the parameters
        ("adamw-bf16", "bf16", 4.0, 4.0),  # DeepSeek-V3: moments in bf16, master copy in fp32
        ("sgd", "bf16", 0.0, 4.0),  # torch.optim.SGD keeps nothing without momentum
        ("sgd-momentum", "bf16", 4.0, 4.0),
        ("none", "bf16", 0.0, 0.0),
    ],
)
def test_states_are_those_of_their_sources(optimizer: str, precision: str, moments: float, master: float) -> None:
    found = planned(optimizer=optimizer, precision=precision)
    assert (found["moment_bytes"], found["master_bytes"]) == (moments, master)


def test_bf16_pure_is_bf16_without_what_is_kept_in_32_bits() -> None:
    rows = load().precisions
    pure = rows["bf16"].without_master()
    assert (pure.master_bytes, pure.state_share) == (rows["bf16-pure"].master_bytes, rows["bf16-pure"].state_share)
    assert rows["fp32"].without_master() == rows["fp32"]


def test_a_row_takes_the_fields_of_a_job_file(tmp_path: Path) -> None:
    fields = {"model": "llama-3-8b", "sequence": 8192, "global_batch": 64, "precision": "bf16", "optimizer": "adamw",
              "layout": "tp=2,pp=1,mbs=2,zero=1,recompute=full,flash=yes", "stack": "NeMo 25.04"}  # fmt: skip
    measured = {"accelerator": "H100", "devices": 8, "step_time_s": 6.0}
    (tmp_path / "runs.jsonl").write_text(json.dumps(fields | measured))
    (run,) = read_runs(tmp_path / "runs.jsonl")
    found = run_frame([run], load())
    layout = found.layout
    degrees = {name: float(getattr(layout, name)[0]) for name in ("tp", "pp", "dp", "micro_batch", "zero", "flash")}
    assert degrees == {"tp": 2, "pp": 1, "dp": 4, "micro_batch": 2, "zero": 1, "flash": 1}
    assert spelled_number("recompute", "full") == float(layout.recompute[0])
    assert (found.labels.stack[0], run.sequence_tokens, run.batch_samples) == ("megatron-core", 8192, 64)
    assert "layout" not in found.assumed[0]


def test_a_row_s_layout_that_is_none_says_which_row(tmp_path: Path) -> None:
    row = {"model": "gpt2", "accelerator": "H100", "devices": 8, "sequence": 1024, "step_time_s": 1, "layout": "tq=2"}
    (tmp_path / "runs.jsonl").write_text(json.dumps(row))
    [(run, reason)] = run_frame(read_runs(tmp_path / "runs.jsonl"), load()).unpredicted
    assert (run.id, reason) == ("runs-1", "unknown layout field 'tq'; nearest: tp")


def test_settings_of_a_layout_are_written_alike_everywhere() -> None:
    rows = {
        ("recompute", "recompute"): (*RECOMPUTE, "no", "yes"),
        ("zero", "sharding"): SPELLINGS["zero"],
        ("flash", "flash_attention"): ("yes", "no"),
    }
    for (setting, column), texts in rows.items():
        for text in texts:
            layout = run_frame([replace(ROW, **{column: text})], load()).layout
            number = spelled_number(setting, text)
            assert float(getattr(layout, setting)[0]) == number
            assert parse_degrees({setting: text}) == {setting: (number,)}
