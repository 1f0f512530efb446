"""What a stack recomputes where nobody says: the default of its code, for jobs and rows; a run that ran did fit."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.catalog.stack_names import rule_of_name
from steelyard.evidence.frames.recomputation import recompute_choices
from steelyard.evidence.runs.reader import blank_run
from steelyard.job import find_model
from steelyard.job.models.architecture import architecture
from steelyard.job.unstated.usual import usual_recompute

DEFAULTS = {
    "MaxText": 2.0,  # src/MaxText/configs/base.yml: remat_policy 'full'
    "levanter": 2.0,  # models/llama.py: gradient_checkpointing True
    "torchtitan": 1.0,  # torchtitan/config/job_config.py, ActivationCheckpoint: mode "selective"
    "nanotron": 0.0,  # config/parallelism_config.py: recompute_layer False
    "axlearn": None,  # trainers' remat_spec by mesh
    "FSDP2": None,  # of whoever wrote the script
}


@pytest.mark.parametrize("stack", DEFAULTS)
def test_what_is_usual_is_the_default_of_its_code(stack: str) -> None:
    assert usual_recompute(rule_of_name(load().stack_rules, stack)) == DEFAULTS[stack]


@pytest.mark.parametrize(
    ("stack", "on"), [("MaxText", "TPU-v5p:64"), ("torchtitan", "B200:8"), ("nanotron", "H100:64")]
)
def test_a_job_takes_it_and_keeps_the_others_open(stack: str, on: str) -> None:
    found = steelyard.estimate({"model": "llama-3.2-1b", "tokens": "1B", "stack": stack}, on)
    assert found.layout["recompute"] == ("none", "selective", "full")[int(DEFAULTS[stack] or 0)]
    assert any(text.startswith("intervals are over") and "recompute" in text for text in found.assumptions)


def test_maxtext_shards_fully_and_recomputes_everything() -> None:
    found = steelyard.estimate({"model": "llama-3-8b", "tokens": "1B", "stack": "MaxText"}, "TPU-v5p:64")
    assert (found.layout["zero"], found.layout["recompute"], found.layout["tp"]) == (3, "full", 1)


@pytest.mark.parametrize(
    ("stack", "first", "last"), [("MaxText", 2.0, 2.0), ("torchtitan", 1.0, 2.0), ("nanotron", 0.0, 2.0)]
)
def test_a_row_takes_it_and_more_where_that_does_not_fit(stack: str, first: float, last: float) -> None:
    found = recompute_choices(
        blank_run(stack=stack), architecture(find_model("llama-3-8b")), rule_of_name(load().stack_rules, stack), set()
    )
    assert (found[0], found[-1]) == (first, last)
    assert list(found) == sorted(found)
