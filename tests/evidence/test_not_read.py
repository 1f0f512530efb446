"""Words that decide memory are read, or named as not read: in rows, notes, names of stacks and job files."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.spellings import worded
from steelyard.evidence.runs.unread import unread_parts, unsaid
from steelyard.job import job_table, read_job
from steelyard.job.kept.not_read import unread_of_stack
from steelyard.job.kept.states import IN_16_BITS
from steelyard.strategies.recipe_settings import QUANTISED_BYTES
from steelyard.tables import Job

JOB = {"model": "llama-3.2-1b", "tokens": "1B"}
ROW = blank_run(id="one", model="llama-3.2-1b", accelerator="H100", devices=1.0, sequence_tokens=2048.0,
                batch_samples=8.0, micro_batch=1.0, stack="HF Trainer", date="2025-06", task="full_ft",
                precision="bf16", optimizer="adamw", step_time_s=1.0)  # fmt: skip
UNREAD = st.sampled_from([
    "LOMO", "AdaLomo", "SOAP", "Shampoo", "adam-mini", "adam_mini", "4-bit AdamW", "finetuning_type: freeze", "BAdam",
    "2-bit base", "AQLM", "HQQ 4-bit", "GGUF Q4", "EXL2 3-bit", "frozen layers",
])  # fmt: skip
READ = ("lion", "adamw", "AdamW", "adam")
AROUND = st.sampled_from(["{}", "packed sequences; {}", "{}, median of 10 steps", "torch 2.5; {}; bs 4"])


def made(**changed: object) -> Job:
    return run_frame([replace(ROW, **changed)], load()).job  # type: ignore[arg-type]


@given(UNREAD, AROUND)
def test_what_nobody_reads_is_named(word: str, around: str) -> None:
    found = unread_parts(worded(replace(ROW, note=around.format(word), optimizer="")))
    assert any(word.lower() in one.lower() for one in found)
    assert unread_of_stack(f"HF Trainer + {word}")
    assert unread_parts(replace(ROW, stack=f"TRL, {word}"))


@given(UNREAD, st.sampled_from(["no {}", "without {}", "{} not used"]))
def test_what_is_denied_is_not_named(word: str, around: str) -> None:
    assert not unread_of_stack(f"HF Trainer, {around.format(word)}")


@pytest.mark.parametrize("word", ["LOMO", "BAdam", "EXL2 3-bit"])
def test_a_job_says_it_of_its_stack(word: str) -> None:
    task = {"task": "lora"} if "EXL" in word else {"task": "full_ft"}
    said = read_job({**JOB, **task, "stack": f"HF Trainer + {word}"}).assumptions
    assert [text for text in said if text.startswith("not read of stack")]


@given(
    st.sampled_from(["8bit", "8-bit", "8 bit"]),
    st.sampled_from(["", "paged", "paged_", "paged "]),
    st.sampled_from(READ),
    st.sampled_from(["_", " ", "-"]),
    st.booleans(),
)
def test_an_optimizer_that_is_applied_is_not_named(bits: str, paged: str, name: str, joint: str, before: bool) -> None:
    paged = paged if paged[-1:] in "_ " else f"{paged}{joint}"
    text = f"{bits} {paged.replace('_', ' ')}{name}" if before else f"{paged}{name}{joint}{bits}"
    row = worded(blank_run(note=f"{text}; bs 4"))
    assert row.optimizer
    assert not unread_parts(row)
    assert float(made(note=text, optimizer="").moment_bytes[0]) < 4  # some of them of embeddings in 32 bits


@pytest.mark.parametrize(
    ("note", "kind"),
    [("EETQ", "int8"), ("MXFP4 base", "mxfp4"), ("base MXFP4 weights", "mxfp4"), ("nf4", "nf4"), ("GPTQ", "int4-g128")],
)
def test_a_base_has_the_bytes_of_its_type(note: str, kind: str) -> None:
    """MXFP4: OCP Microscaling Formats 1.0, a byte of scale for 32 numbers of 4 bits."""
    assert QUANTISED_BYTES["mxfp4"] == (32 * 4 + 8) / 8 / 32
    assert float(made(task="lora", note=note).recipe.packed_bytes[0]) == QUANTISED_BYTES[kind]
    assert "quantisation" not in unsaid(worded(replace(ROW, task="lora", note=note)))


@pytest.mark.parametrize("note", ["EXL2 3-bit", "AQLM 2-bit", "GGUF Q4", "HQQ 4-bit"])
def test_a_base_of_another_type_is_told_to_be_open(note: str) -> None:
    row = worded(replace(ROW, task="lora", note=note))
    assert row.task == "qlora"
    assert "quantisation" in unsaid(row)
    assert unread_parts(row)


FUSED = ("layer-wise gradient release", "gradient_release=True", "gradients fused into the backward pass",
         "optimizer in backward", "gradients=fused")  # fmt: skip


@pytest.mark.parametrize("note", FUSED)
def test_gradients_that_are_consumed_in_the_backward_pass_are_fused(note: str) -> None:
    assert float(made(note=note, micro_batch=8.0).recipe.grad_life[0]) == 2 > float(made().recipe.grad_life[0] == 2)
    assert not unread_parts(worded(replace(ROW, note=note)))
    job = job_table(read_job({**JOB, "task": "full_ft", "stack": f"HF Trainer, {note}"}))
    assert float(job.recipe.grad_life) == 2


CUT = ("cut_cross_entropy: true", "cut_cross_entropy=True", "Apple CCE", "no logits materialised",
       "logits not materialized", "cut cross-entropy", "liger_fused_linear_cross_entropy: true")  # fmt: skip


@pytest.mark.parametrize("note", CUT)
def test_a_loss_without_whole_logits_is_the_fused_linear_one(note: str) -> None:
    assert float(made(note=note).recipe.logit_bytes[0]) == 0
    assert not unread_parts(worded(replace(ROW, note=note)))


@pytest.mark.parametrize("note", ["cut_cross_entropy: false", "no cut cross-entropy", "logits materialised in fp32"])
def test_a_loss_that_is_denied_is_not_taken(note: str) -> None:
    assert float(made(note=note).recipe.logit_bytes[0]) != 0


def test_a_key_of_axolotl_gives_the_loss_of_a_job() -> None:
    assert read_job({**JOB, "cut_cross_entropy": True}).loss == "fused-linear"
    assert read_job({**JOB, "cut_cross_entropy": False}).loss is None


LOADED = st.sampled_from(["torch_dtype=bfloat16", "torch_dtype: torch.bfloat16", "model loaded in bf16",
                          "weights are loaded in bfloat16", "bf16 params and states"])  # fmt: skip


@given(LOADED, st.sampled_from(["HF Trainer", "TRL", "axolotl"]))
def test_a_model_that_is_loaded_in_16_bits_has_its_states_so(words: str, stack: str) -> None:
    found = made(note=words, stack=stack)
    assert (float(found.master_bytes[0]), float(found.moment_bytes[0])) == (0, 4)
    assert not unread_parts(worded(replace(ROW, note=words)))
    job = job_table(read_job({**JOB, "task": "full_ft", "precision": "bf16", "stack": f"{stack}, {words}"}))
    assert (job.master_bytes, job.moment_bytes) == (0, 4)


def test_how_a_model_is_loaded_says_nothing_of_recipes_with_a_master_copy() -> None:
    for stack in ("torchtitan", "Megatron-Core"):
        assert float(made(note="torch_dtype=bfloat16", stack=stack).master_bytes[0]) == 4
    assert float(made(note="torch_dtype=float32; bf16=True").master_bytes[0]) == 4


def test_adapters_over_a_model_in_16_bits_stay_in_32() -> None:
    """PEFT's autocast_adapter_dtype."""
    assert float(made(task="lora", note="torch_dtype=bfloat16").recipe.grad_bytes[0]) == 4


def test_a_type_that_a_job_loads_its_model_in_is_a_key_of_it() -> None:
    job = read_job({**JOB, "task": "full_ft", "stack": "HF Trainer", "torch_dtype": "bfloat16", "bf16": True})
    assert (job.precision, job_table(job).master_bytes) == ("bf16", 0)
    wide = read_job({**JOB, "task": "full_ft", "stack": "HF Trainer", "torch_dtype": "float32", "bf16": True})
    assert (wide.precision, job_table(wide).master_bytes) == ("bf16", 4)
    assert IN_16_BITS == "bf16"
    assert read_job({**JOB, "torch_dtype": "auto"}).precision == "bf16"
