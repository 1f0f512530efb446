"""Lengths of sequences and names of other tools' settings: one meaning in job files, options, rows and notes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import BadInput
from steelyard.evidence.runs.cells import read_number
from steelyard.evidence.runs.columns import run_of_row
from steelyard.job import read_job
from steelyard.job.read import with_overrides
from steelyard.job.spelled.lengths import parse_sequence, sequence_of_note, sequence_taken

JOB = {"model": "llama-3.2-1b", "tokens": "1B"}


@given(st.integers(1, 4096), st.sampled_from(["k", "K", " k", "K tokens", "k tok"]))
def test_a_k_is_1024_tokens_wherever_it_is_written(number: int, unit: str) -> None:
    """Positions of models are powers of two: 2k, 32k, 128k (meta-llama: 131072 positions)."""
    text = f"{number}{unit}"
    assert parse_sequence(text) == 1024 * number == read_number(text, "sequence_tokens")
    assert run_of_row({"model": "gpt2", "seq_len": text}, "row").sequence_tokens == 1024 * number
    assert f"sequence {1024 * number}: " in sequence_taken(text)


@given(st.integers(1, 10**7))
def test_a_plain_number_is_what_it_says_and_needs_no_word(number: int) -> None:
    assert parse_sequence(number) == parse_sequence(str(number)) == parse_sequence(f"{number:,}") == number
    assert sequence_taken(str(number)) == ""


def test_what_was_taken_of_a_length_is_said_in_both() -> None:
    job = read_job({**JOB, "seq_len": "4k"})
    (said,) = (text for text in job.assumptions if text.startswith("sequence"))
    assert said == "sequence 4096: 4k is 4 x 1024 tokens; write 4000 where it is that"
    assert run_of_row({"model": "gpt2", "cutoff_len": "4k"}, "row").taken == (said,)


@pytest.mark.parametrize("text", ["2kk", "k", "-2k", "2.0001k", "0k", "long"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_sequence(text)


def test_a_note_gives_a_length_where_a_column_is_blank() -> None:
    row = {"model": "gpt2", "sequence_tokens": "", "note": "packed; max_seq_length=2k"}
    assert run_of_row(row, "row").sequence_tokens == 2048
    assert run_of_row({**row, "sequence_tokens": "512"}, "row").sequence_tokens == 512
    assert sequence_of_note("sequence parallel 8; context parallel 2") == ""


def test_settings_of_a_trainer_join_the_fields_that_they_belong_to() -> None:
    copied = {
        "per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "gradient_checkpointing": True,
        "attn_implementation": "flash_attention_2", "fsdp_sharding_strategy": "FULL_SHARD", "lora_r": 16,
        "target_modules": ["q_proj", "v_proj"], "load_in_4bit": True, "bnb_4bit_use_double_quant": True, "bf16": True,
        "optim": "paged_adamw_8bit", "max_seq_length": "2k", "num_gpus": 8, "task": "lora",
    }  # fmt: skip
    job = read_job({**JOB, **copied})
    plain = read_job({
        **JOB, "task": "qlora", "layout": "mbs=2,ga=4,recompute=full,flash=1,zero=3", "sequence": 2048, "devices": 8,
        "lora": {"rank": 16, "targets": "q,v"}, "recipe": "quantised=nf4-dq", "optimizer": "paged_adamw_8bit",
        "precision": "bf16", "global_batch": 64,
    })  # fmt: skip
    for name in (
        "layout",
        "sequence_tokens",
        "devices",
        "batch_samples",
        "lora_rank",
        "lora_targets",
        "task",
        "recipe",
    ):
        assert getattr(job, name) == getattr(plain, name), name
    assert (job.optimizer, job.precision, job.states) == (plain.optimizer, plain.precision, plain.states)


@pytest.mark.parametrize(
    "twice",
    [
        {"layout": {"mbs": 2}, "micro_batch_size": 2},
        {"layout": "mbs=2", "per_device_train_batch_size": 4},
        {"task": "lora", "lora": {"rank": 8}, "lora_r": 16},
        {"seq_len": 512, "cutoff_len": 1024},
    ],
)
def test_one_setting_by_two_names_is_refused(twice: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"twice|both given|beside it"):
        read_job({**JOB, **twice})


def test_an_option_takes_the_place_of_settings_beside_the_layout() -> None:
    job = read_job({**JOB, "micro_batch_size": 2, "gradient_checkpointing": True}, layout="mbs=4")
    assert dict(job.layout) == {"micro_batch": (4,)}


@pytest.mark.parametrize("name", ["model", "base_model", "model_name_or_path", "Base-Model"])
@pytest.mark.parametrize(
    ("spelled", "over", "field", "value"),
    [
        ("sequence_len", {"sequence": 256}, "sequence_tokens", 256),
        ("Max-Seq-Length", {"sequence": 256}, "sequence_tokens", 256),
        ("tokens", {"tokens": "2B"}, "tokens", 2e9),
    ],
)
def test_a_job_by_any_names_is_read_again_with_a_field_given_anew(
    name: str, spelled: str, over: dict[str, Any], field: str, value: float
) -> None:
    spec = read_job({name: "gpt2", "tokens": "1B", **({spelled: 512} if spelled != "tokens" else {})})
    assert getattr(with_overrides(spec, **over), field) == value
    assert with_overrides(spec).model == spec.model
