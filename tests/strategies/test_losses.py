"""Each kind of loss is one row: jobs, stacks and rows of measured runs know it by its name alone."""

import math
import re

import pytest

from steelyard.catalog import load
from steelyard.catalog.stacks import parse_stack
from steelyard.errors import BadInput
from steelyard.evidence.frames.recipes import run_loss
from steelyard.evidence.runs.columns import run_of_row
from steelyard.evidence.runs.reader import blank_run
from steelyard.job import job_table, read_job
from steelyard.strategies.losses import LOSSES

JOB = {"model": "gpt2", "tokens": "1B"}
STACK = {
    "stack": "own",
    "can_run": {
        "vendors": [], "planned": 0, "trains": ["language"], "trains_source": "chosen: a test", "has": [], "zero": [0],
        "zero_most_with_pp": 0, "recompute": ["none"],
        "source": "chosen: a test", "checked": "2026-11-29",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_one_row_is_all_that_a_kind_needs(name: str) -> None:
    wanted = sum(LOSSES[name].copies)
    assert job_table(read_job({**JOB, "loss": name.upper()})).recipe.logit_bytes == wanted
    (constant,) = parse_stack({**STACK, "loss": {"kind": name, "source": "chosen: a test"}}).constants
    assert (constant.entity, constant.quantity, constant.value) == ("own", "logit_bytes", wanted)
    found = run_loss(run_of_row({"model": "gpt2", "loss": name}, "row"))
    assert found is LOSSES[name]


@pytest.mark.parametrize(
    ("name", "half", "single"),
    [
        ("fused-linear", 0, 0),  # Liger-Kernel: projection and loss of a part of the tokens at a time
        ("upcast", 1, 3),  # transformers ForCausalLMLoss: fp32 copy, shift, log-softmax
        (
            "fused",
            1,
            1,
        ),  # Megatron-core, cross_entropy_loss_fusion: gradients take the place of the fp32 copy
        ("unfused", 2, 2),  # logits and their gradient, each at 16 and at 32 bits
        ("eager", 2, 3),  # torch.nn.functional.cross_entropy: log-softmax beside
        ("shifted", 1, 5),  # and the shift by a token; both gradients at 32 bits
    ],
)
def test_copies_of_a_logit_at_the_peak(name: str, half: int, single: int) -> None:
    """So many at 16 and at 32 bits, counted as the source of each kind describes it."""
    assert sorted(LOSSES[name].copies) == [2.0] * half + [4.0] * single
    assert LOSSES[name].logit_bytes == 2 * half + 4 * single


def test_kinds_are_tried_in_their_order() -> None:
    """A text that the patterns of two kinds meet is of the first of them."""
    named = [one for one in LOSSES.values() if one.pattern]
    assert [one.name for one in named if one.name in {"fused-linear", "fused"}] == ["fused-linear", "fused"]
    assert run_loss(blank_run(stack="LLaMA-Factory + Liger", note="fused cross-entropy")) is LOSSES["fused-linear"]


def test_a_job_that_names_none_leaves_it_to_its_stack() -> None:
    assert math.isnan(job_table(read_job(JOB)).recipe.logit_bytes)


@pytest.mark.parametrize(
    ("framework", "note", "name"),
    [
        ("LLaMA-Factory + Liger", "", "fused-linear"),
        ("prime-rl (FSDP2)", "rl trainer bench", "fused-linear"),
        ("torchtune", "loss=chunked cross-entropy", "chunked"),
        ("Megatron-Core", "Fused cross-entropy", "fused"),
        ("Megatron-LM", "", None),
    ],
)
def test_what_a_row_writes_of_its_loss(framework: str, note: str, name: str | None) -> None:
    found = run_loss(blank_run(stack=framework, note=note))
    assert (found and found.name) == name


def test_a_row_that_names_its_loss_goes_before_what_it_writes() -> None:
    found = run_loss(blank_run(stack="LLaMA-Factory + Liger", loss="eager"))
    assert found is LOSSES["eager"]


def test_an_unknown_kind_lists_the_known() -> None:
    with pytest.raises(BadInput, match="unknown loss 'chunks'; nearest: chunked"):
        read_job({**JOB, "loss": "chunks"})


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"loss": {"kind": "chunks", "source": "chosen: a test"}}, f"'chunks'; known: {', '.join(LOSSES)}"),
        ({"loss": {"kind": "chunked", "source": ""}}, "logit_bytes has no source"),
        ({"constants": [{"quantity": "logit_bytes", "value": 6}]}, "follows from the kind of loss"),
    ],
)
def test_a_stack_names_a_kind_with_its_source(given: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)):
        parse_stack({**STACK, **given})


def test_stacks_keep_what_their_kinds_do() -> None:
    """Bytes of one logit before any fit: 16-bit logits, fp32 copies and gradients."""
    documented = {
        name: [row.value for row in file.constants if row.quantity == "logit_bytes"]
        for name, file in load().stack_files.items()
    }
    known = {name: values for name, values in documented.items() if values}
    assert known == {
        "any": [12.0],
        "deepspeed": [14.0],
        "fsdp2": [16.0],
        "hf-trainer": [14.0],
        "llm-foundry": [16.0],
        "torchtune": [4.5],
    }
