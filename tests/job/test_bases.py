"""A quantised base: LoRA over one is QLoRA, whoever says it; what trains every parameter has none; switches agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.errors import BadInput
from steelyard.evidence.runs.columns import check_cells
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.spellings import worded
from steelyard.job import job_table, read_job
from steelyard.strategies.recipe_settings import QUANTISED_BYTES

JOB = {"model": "llama-3.2-1b", "tokens": "1B", "stack": "PEFT"}
SWITCHES = {"load_in_4bit": ("nf4", True), "load_in_8bit": ("int8", "true"), "quantization_bit": ("int8", 8)}
TAKEN = "task qlora: lora over a base that is quantised"


@given(st.sampled_from(["lora", "LoRA", "DoRA", "peft"]), st.sampled_from(sorted(QUANTISED_BYTES)))
def test_lora_over_a_quantised_base_is_qlora_and_is_said(task: str, kind: str) -> None:
    plain = read_job({**JOB, "task": "qlora", "recipe": f"quantised={kind}"})
    for job in (
        read_job({**JOB, "task": task, "recipe": f"quantised={kind}"}),
        read_job({**JOB, "task": task}, recipe={"quantised": kind}),
        read_job({**JOB, "recipe": {"quantised": kind}}, task=task),
    ):
        assert job.task == "qlora"
        assert TAKEN in job.assumptions
        assert job_table(job).frozen_bytes == job_table(plain).frozen_bytes < 2
    assert TAKEN not in plain.assumptions
    assert worded(blank_run(task=task, recipe=f"quantised={kind}")).task == "qlora"


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_of_a_configuration_says_the_same(name: str) -> None:
    kind, on = SWITCHES[name]
    job = read_job({**JOB, "task": "lora", name: on})
    assert job.task == "qlora"
    assert dict(job.recipe) == {"packed_bytes": QUANTISED_BYTES[kind]}
    assert read_job({**JOB, "task": "lora", name: False}).task == "lora"


@pytest.mark.parametrize("name", ["PEFT, load_in_4bit=True", "TRL (QLoRA)", "HF Trainer, 8-bit base"])
def test_the_name_of_a_stack_says_it_too(name: str) -> None:
    assert read_job({**JOB, "task": "lora", "stack": name}).task == "qlora"
    assert worded(blank_run(task="lora", stack=name)).task == "qlora"


@given(
    st.sampled_from(["full_ft", "pretrain", "continued_pretrain", "SFT", None]),
    st.sampled_from([{"load_in_4bit": True}, {"load_in_8bit": True}, {"recipe": "quantised=int8"}]),
)
def test_what_trains_every_parameter_has_no_quantised_base(task: str | None, base: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="task: qlora"):
        read_job({**JOB, "task": task, **base})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"task": "qlora", "load_in_4bit": False}, "task: lora"),
        ({"adapter": "qlora", "load_in_4bit": False}, "task: lora"),
        ({"task": "lora", "load_in_4bit": True, "load_in_8bit": True}, "both on"),
        ({"bf16": True, "fp16": True}, "both on"),
        ({"precision": "fp32", "bf16": True}, "fp32 but bf16 is on"),
        ({"precision": "bf16", "fp16": True}, "bf16 but fp16 is on"),
        ({"mixed_precision": "no", "bf16": "true"}, "fp32 but bf16 is on"),
    ],
)
def test_words_that_contradict_each_other_are_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_job({**JOB, **said})


@pytest.mark.parametrize(
    "said",
    [
        {"task": "qlora", "load_in_4bit": False, "load_in_8bit": True},
        {"task": "lora", "load_in_4bit": False, "load_in_8bit": False},
        {"bf16": True, "fp16": False},
        {"precision": "fp8", "bf16": True},
        {"precision": "bf16-pure", "bf16": True},
        {"precision": "bf16", "mixed_precision": "bf16"},
    ],
)
def test_words_that_agree_are_taken(said: dict[str, object]) -> None:
    read_job({**JOB, **said})


@given(st.sampled_from(["full_ft", "pretrain"]), st.sampled_from(["load_in_4bit=True", "8-bit base", "nf4", "GPTQ"]))
def test_a_row_that_trains_every_parameter_has_none_either(task: str, words: str) -> None:
    for row in ({"note": words}, {"stack": f"HF Trainer, {words}"}, {"recipe": "quantised=int8"}):
        with pytest.raises(BadInput, match="a quantised base is frozen"):
            check_cells(worded(blank_run(task=task, **row)))
        check_cells(worded(blank_run(task="lora", **row)))
