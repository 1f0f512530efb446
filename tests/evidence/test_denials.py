"""What a row denies is read as if it had not been said, and what it says with a version or a value, as if plainly."""

from dataclasses import replace

import numpy as np
import pytest
from tests.strategies.test_denial import AFFIRMATIONS, DENIALS

from steelyard.catalog import load
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.runs.columns import run_of_row
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.run import Run
from steelyard.evidence.runs.spellings import worded
from steelyard.evidence.runs.unread import unread_parts

ROW = blank_run(id="row", model="llama-3-8b", accelerator="H100-80GB", devices=8.0, sequence_tokens=4096.0,
                precision="bf16", stack="HF Trainer", date="2025-06", batch_samples=64.0, micro_batch=1.0,
                recompute="unknown", flash_attention="unknown", task="full_ft", step_time_s=6.0)  # fmt: skip
ADAPTED, FOUR_BITS = {"task": "lora"}, {"task": "qlora"}
PLAIN = {"stack": "plain PyTorch 2.6"}

SAID = {  # word: (columns of the row beside it, a plain note that says it, one that says that it does not hold)
    "liger": ({}, "liger", ""),
    "torch.compile": (PLAIN, "torch.compile", ""),
    "fused kernels": ({}, "fused kernels", ""),
    "optimizer in backward": ({"micro_batch": 8.0}, "optimizer in backward", ""),
    "activation offloading": ({}, "activation offloading", ""),
    "fused adamw": ({}, "fused adamw", ""),
    "chunked loss": ({}, "chunked loss", ""),
    "fused linear cross-entropy": ({}, "fused linear cross-entropy", ""),
    "autocast": ({}, "mixed precision", ""),
    "mixed precision": ({}, "mixed precision", ""),
    "pure bf16": ({"stack": "DDP"}, "bf16-true", ""),
    "transformer engine": ({"stack": "DDP"}, "transformer engine", ""),
    "sequence parallel": ({"tp": 2.0, "pp": 1.0}, "with sequence parallel", "no sequence parallel"),
    "gradient checkpointing": ({}, "full activation checkpointing", "no activation checkpointing"),
    "activation checkpointing": ({"stack": "NeMo"}, "full activation checkpointing", "no activation checkpointing"),
    "flash attention": ({}, "flash_attention_2", "attention=eager"),
    "xformers": ({}, "attention=sdpa", "attention=eager"),
    "load_in_4bit": (ADAPTED, "load_in_4bit=True", ""),
    "load_in_8bit": (ADAPTED, "8-bit base", ""),
    "bnb 4bit": (ADAPTED, "load_in_4bit=True", ""),
    "4-bit": (ADAPTED, "load_in_4bit=True", ""),
    "fused CE": ({}, "fused cross-entropy", ""),
    "chunked CE": ({}, "chunked loss", ""),
    "weights in fp32": ({}, "mixed precision", ""),
    "master weights kept in fp32": ({}, "mixed precision", ""),
    "float8 training": ({}, "enable_float8_linear", ""),
    "gptq": (FOUR_BITS, "GPTQ base", ""),
    "double_quant": (FOUR_BITS, "nf4-dq", ""),
    "full_shard": ({}, "fsdp=full_shard", ""),
    "shard_grad_op": ({}, "SHARD_GRAD_OP", ""),
    "zero-3": ({}, "DeepSpeed stage 3", ""),
    "offload_optimizer": ({"sharding": "2"}, "optimizer offload", ""),
    "fsdp_offload_params": ({"sharding": "fsdp"}, "CPU offload", ""),
    "adafactor": ({}, "optim=adafactor", ""),
    "paged_adamw_8bit": ({}, "paged 8-bit AdamW", ""),
    "lion": ({}, "optimizer: lion", ""),
    "prepare_model_for_kbit_training": (FOUR_BITS, "norms and embeddings fp32", "no upcasting of norms"),
}  # fmt: skip
UNLIKE = {  # forms that are of no such word: a version or a position, or a value of its own
    "gptq": {"{} 0"}, "zero-3": {"{} 0", "{} 0.5.2", "{} v0.3"}, "flash attention": {"{} 0"},
    "flash attention ": {"{} 0.5.2"},
}  # fmt: skip


def reading(run: Run) -> dict[str, list[float]]:
    """Return every number that a prediction of a row is made of."""
    found = run_frame([run], load())
    assert len(found), found.unpredicted
    return numbers(found)


def numbers(found: RunFrame) -> dict[str, list[float]]:
    tables = {name: getattr(found, name) for name in ("job", "layout", "stack", "kernels")}
    flat = {
        (name, field): getattr(table, field) for name, table in tables.items() for field in table.__dataclass_fields__
    }
    recipe = {("recipe", field): getattr(found.job.recipe, field) for field in found.job.recipe.__dataclass_fields__}
    opened = {("run", "open states"): np.array([float("states" in one) for one in found.assumed])}
    plain = {key: value for key, value in (flat | recipe | opened).items() if isinstance(value, np.ndarray | float)}
    return {str(key): np.nan_to_num(np.atleast_1d(value), nan=-1.0).tolist() for key, value in plain.items()}


@pytest.mark.parametrize("word", SAID)
def test_a_word_moves_the_reading_at_all(word: str) -> None:
    columns, said, denied = SAID[word]
    row = replace(ROW, **columns)
    assert reading(replace(row, note=said)) != reading(replace(row, note=denied))


@pytest.mark.parametrize("word", SAID)
def test_what_is_denied_reads_as_unsaid(word: str) -> None:
    columns, _, denied = SAID[word]
    row = replace(ROW, **columns)
    unsaid = reading(replace(row, note=denied))
    wrong = [form for form in DENIALS if reading(replace(row, note=form.format(word))) != unsaid]
    assert not wrong


@pytest.mark.parametrize("word", SAID)
def test_what_is_said_in_any_form_reads_alike(word: str) -> None:
    columns, said, _ = SAID[word]
    row = replace(ROW, **columns)
    plain = reading(replace(row, note=said))
    forms = [form for form in AFFIRMATIONS if form not in UNLIKE.get(word, ()) and "false" not in form.lower()]
    wrong = [form for form in forms if reading(replace(row, note=form.format(word))) != plain]
    assert not wrong


@pytest.mark.parametrize("name", ["DeepSpeed", "Unsloth", "FSDP", "NeMo", "torchtitan"])
@pytest.mark.parametrize(
    "form", ["no {}", "without {}", "not {}", "{} off", "{}: no", "{}=False", "{} not used", "w/o {}"]
)
def test_a_stack_that_is_denied_is_not_the_run_s(name: str, form: str) -> None:
    denied = f"HF Trainer, {form.format(name)}"
    assert reading(replace(ROW, stack=denied)) == reading(replace(ROW, stack="HF Trainer"))


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("HF Trainer / no FSDP / no DeepSpeed", "hf-trainer"),
        ("not Megatron; torchtitan", "fsdp2"),
        ("no framework, plain PyTorch", "pytorch-eager"),
        ("DeepSpeed 0.15", "deepspeed"),
        ("unsloth 2025.3", "hf-trainer"),
        ('HF Trainer, fsdp="", deepspeed=None', "hf-trainer"),
        ("Lightning, FSDP disabled", "pytorch-eager"),
        ("TRL + FSDP (no offload)", "hf-trainer"),
    ],
)
def test_names_of_stacks_beside_what_they_deny(stack: str, expected: str) -> None:
    found = run_frame([replace(ROW, stack=stack)], load())
    assert found.labels.stack[0] == expected
    assert (float(found.layout.zero[0]) == 3) == ("+ FSDP" in stack or expected in ("fsdp2", "deepspeed"))


def test_words_beside_the_name_of_a_stack_are_read_as_those_of_a_note() -> None:
    said = ("eager attention", "gradient_checkpointing=False", "load_in_4bit=True", "bf16-mixed", "8-bit AdamW")
    for text in said:
        row = replace(ROW, precision="", task="lora" if "4bit" in text else "full_ft")
        assert reading(replace(row, stack=f"HF Trainer, {text}")) == reading(replace(row, note=text)), text


@pytest.mark.parametrize(
    ("stack", "plain"),
    [
        ("HF Trainer (eager attention)", "HF Trainer"),
        ("HF Trainer, attn_implementation=eager", "HF Trainer"),
        ("torchtitan, attention: eager", "torchtitan"),
        ("DeepSpeed ZeRO-2, eager-attention", "DeepSpeed ZeRO-2"),
        ("Megatron-LM eager", "Megatron-LM"),
        ("plain PyTorch, eager attention", "plain PyTorch"),
    ],
)
def test_eager_attention_is_no_stack(stack: str, plain: str) -> None:
    found = run_frame([replace(ROW, stack=stack), replace(ROW, stack=plain)], load())
    assert found.rules[0] == found.rules[1]


@pytest.mark.parametrize("stack", ["PyTorch eager (HF models)", "PyTorch 2.6 (eager)", "eager mode", "our own, eager"])
def test_eager_alone_is_plain_pytorch(stack: str) -> None:
    assert run_frame([replace(ROW, stack=stack)], load()).labels.stack[0] == "pytorch-eager"


@pytest.mark.parametrize(
    ("note", "column", "expected"),
    [
        ("turned off gradient checkpointing", "recompute", "none"),
        ("gradient checkpointing had to be disabled", "recompute", "none"),
        ("no need for gradient checkpointing", "recompute", "none"),
        ("OOM without gradient checkpointing", "recompute", "full"),
        ("without gradient checkpointing, it runs out of memory", "recompute", "full"),
        ("turned off CPU offload", "offload", "none"),
        ("CPU offload was considered", "offload", ""),
        ("turned off 8-bit adam", "optimizer", ""),
        ("flash attention unavailable on this GPU", "flash_attention", "no"),
    ],
)
def test_columns_that_are_blank_take_what_a_note_says_and_denies(note: str, column: str, expected: str) -> None:
    assert getattr(worded(replace(ROW, recompute="", note=note)), column) == expected


OFFLOADED = (
    "{} offloading to CPU", "{} offloaded to CPU memory", "{} is offloaded to the CPU", "{} CPU offload",
    "CPU offload of the {}", "offload the {} to host",
)  # fmt: skip
"""Ways in which people say what is moved to the host."""


@pytest.mark.parametrize("sharding", ["3", "fsdp"])
@pytest.mark.parametrize("form", OFFLOADED)
@pytest.mark.parametrize("thing", ["dataset", "data loading", "reference model", "checkpoints", "activations"])
def test_what_holds_no_states_moves_no_states_to_the_host(thing: str, form: str, sharding: str) -> None:
    row = replace(ROW, sharding=sharding)
    plain = reading(replace(row, note="activation offloading" if thing == "activations" else ""))
    assert reading(replace(row, note=form.format(thing))) == plain


@pytest.mark.parametrize("form", OFFLOADED)
@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        ("optimizer", "optimizer"),
        ("optimizer states", "optimizer"),
        ("parameters", "params"),
        ("optimizer and activation", "optimizer"),
    ],
)
def test_states_that_are_moved_to_the_host_are_read(thing: str, form: str, expected: str) -> None:
    found = worded(replace(ROW, sharding="2", note=form.format(thing))).offload
    assert found == expected


CELLS = {"model": "llama-3-8b", "accelerator": "H100-80GB", "devices": "8", "sequence_tokens": "4096",
         "precision": "bf16", "stack": "HF Trainer", "batch_samples": "64", "micro_batch": "1", "task": "full_ft",
         "step_time_s": "6"}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "on", "off"),
    [
        ("recompute", "full", "none"),
        ("gradient_checkpointing", "full", "none"),
        ("flash_attention", "yes", "no"),
        ("offload", "optimizer", "none"),
        ("oom", "yes", "no"),
        ("use_liger_kernel", "True", "False"),
        ("zero_stage", "1", "0"),
    ],
)
def test_a_switch_in_a_column_is_on_or_off_in_every_form(column: str, on: str, off: str) -> None:
    for forms, plain in ((("1", "1.0", "1.00"), on), (("0", "0.0"), off)):
        expected = worded(run_of_row({**CELLS, column: plain}, "row"))
        for form in forms:
            found = worded(run_of_row({**CELLS, column: form}, "row"))
            assert reading(found) == reading(expected), form
            assert found.out_of_memory == expected.out_of_memory
    words = ("true", "Yes") if column in ("recompute", "gradient_checkpointing") else ()
    assert all(worded(run_of_row({**CELLS, column: form}, "row")).recompute == "full" for form in words)


def test_a_stage_of_a_table_with_blanks_is_whole() -> None:
    assert worded(run_of_row({**CELLS, "zero_stage": "3.0"}, "row")).sharding == "3"


@pytest.mark.parametrize(
    "note", ["bnb 8bit", "gradients in fp32", "weights stored in bf16", "float8 on attention alone"]
)
def test_what_of_a_precision_no_reader_takes_is_told(note: str) -> None:
    row = replace(ROW, task="lora", note=note)
    assert reading(row) == reading(replace(row, note=""))
    assert unread_parts(row) == (note,)


@pytest.mark.parametrize("note", ["4-bit AdamW", "AdamW 4-bit", "bnb 8-bit adam", "adamw_bnb_8bit", "8-bit Lion"])
def test_bits_of_an_optimizer_quantise_no_base(note: str) -> None:
    assert worded(replace(ROW, task="lora", note=note)).task == "lora"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"offload": "optimizer: nvme"}, True),
        ({"note": "ZeRO-Infinity, offload_optimizer to NVMe"}, True),
        ({"note": "NVMe offload"}, True),
        ({"note": "no NVMe offload"}, False),
        ({"offload": "optimizer: cpu", "note": "data on local NVMe"}, False),
    ],
)
def test_states_on_a_drive_are_read_and_none_that_are_not(given: dict[str, str], told: bool) -> None:
    row = replace(ROW, stack="DeepSpeed", **given)
    assert (run_frame([row], load()).job.recipe.states_on_nvme[0] == 1.0) == told
    assert not [part for part in unread_parts(row) if "offload" in part or "nvme" in part.lower()]
