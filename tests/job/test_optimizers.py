"""How optimizers step: what they hold for a moment beside their states, and how long gradients live."""

import math

import numpy as np
import pytest
from tests.shapes import filled, layout

from steelyard.catalog import load, stack
from steelyard.job.job_spec import job_table
from steelyard.job.optimizers import optimizer_entries, parse_optimizer
from steelyard.job.read import read_job
from steelyard.step import memory, stage_job
from steelyard.strategies.recipe import FUSED
from steelyard.tables import Job, Machine

FOREACH = ("adamw_torch", "adam", "rmsprop", "adagrad", "torch.optim.NAdam", "schedule_free_adamw")
ALONE = ("adamw_8bit", "paged_adamw_32bit", "lion_8bit", "lion", "adafactor", "galore_adamw", "muon", "apollo_adamw",
         "adamw_torch_8bit", "grokadamw", "adam-mini", "rmsprop_bnb_8bit", "lamb")  # fmt: skip
IN_BACKWARD = ("lomo", "adalomo", "galore_adamw_layerwise", "galore_adafactor_layerwise", "apollo_adamw_layerwise")


def tuned(optimizer: str, **given: object) -> Job:
    """Return a full fine-tuning in 16 bits alone, of short sequences: a step whose peak is the update."""
    wanted = {"task": "full_ft", "precision": "bf16-pure", "stack": "hf-trainer", "sequence_tokens": 8} | given
    return job_table(read_job("llama-2-7b", tokens="1M", optimizer=optimizer, **wanted))


def peak_bytes(job: Job) -> float:
    laid = layout(job, micro_batch=1.0, recompute=2.0)
    return float(memory(stage_job(job, laid), filled(Machine, memory_bytes=1e60), stack("hf-trainer")).allocated_bytes)


@pytest.mark.parametrize("name", FOREACH)
def test_optimizers_of_torch_are_stepped_as_their_stack_does(name: str) -> None:
    assert math.isnan(float(tuned(name).recipe.step_copies))


@pytest.mark.parametrize("name", ALONE)
def test_others_hold_no_list_of_temporaries(name: str) -> None:
    assert float(tuned(name).recipe.step_copies) == 0
    assert float(tuned(name, recipe={"optimizer_step": "foreach"}).recipe.step_copies) == 1  # what is said holds


def test_a_step_with_an_8_bit_optimizer_peaks_at_6_bytes_and_adamw_at_10() -> None:
    """Of 16-bit parameters: 2 + 2 of weight and gradient, two moments of 1 or 2 bytes, a list of 2 bytes (foreach)."""
    params = tuned("adamw").workload.params
    wanted = {"adamw": 10.0, "adamw_8bit": 6.0 + 8 / 2048, "lion_8bit": 5.0 + 4 / 2048, "sgd": 4.0}
    for name, each in wanted.items():
        assert peak_bytes(tuned(name)) / params == pytest.approx(each, rel=0.07), name
    more = peak_bytes(tuned("adamw_8bit", recipe={"optimizer_step": "foreach"})) - peak_bytes(tuned("adamw_8bit"))
    assert more == pytest.approx(2 * params, rel=0.05)


@pytest.mark.parametrize("name", IN_BACKWARD)
def test_optimizers_that_step_in_the_backward_pass_keep_no_gradients(name: str) -> None:
    job = tuned(name)
    assert (float(job.recipe.grad_life), float(job.recipe.step_copies)) == (FUSED, 0)
    assert peak_bytes(tuned("lomo")) / job.workload.params == pytest.approx(2.0, rel=0.25)


def test_every_row_says_how_its_optimizer_steps() -> None:
    for row in load().optimizers.values():
        entries = dict(optimizer_entries(row))
        assert ("step_copies" in entries) != row.foreach, row.optimizer
        assert not (row.foreach and row.in_backward), row.optimizer
        assert all(np.isfinite(one) for one in (row.moment_bytes, row.outer_moment_bytes, row.factored_bytes))
    assert parse_optimizer("adamw").foreach
