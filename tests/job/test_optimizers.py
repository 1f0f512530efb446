"""How optimizers step: what they hold for a moment beside their states, and how long gradients live."""

import math

import numpy as np
import pytest
from tests.shapes import filled, layout

from steelyard.catalog import load, stack
from steelyard.catalog.stack_names import rule_of_name
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


@pytest.mark.parametrize(
    ("optimizer", "wide"),
    [("adamw_bnb_8bit", 8), ("paged_adamw_8bit", 8), ("lion_8bit", 4), ("paged_lion_8bit", 4), ("rmsprop_bnb_8bit", 4)],
)
def test_trainer_keeps_states_of_embeddings_in_32_bits(optimizer: str, wide: float) -> None:
    """transformers 4.52, create_optimizer: optim_bits 32 of each nn.Embedding; 32,000 x 4,096 of 6.74e9 parameters."""
    rest = parse_optimizer(optimizer).moment_bytes
    assert wide == 4 * round(rest)
    share = 32_000 * 4096 / 6_738_415_616
    assert tuned(optimizer).moment_bytes == pytest.approx(rest + (wide - rest) * share, rel=1e-6)
    others = ("torchtune", "xtuner", "accelerate")
    assert all(tuned(optimizer, stack=stack).moment_bytes == pytest.approx(rest) for stack in others)


def test_only_8_bit_states_of_bitsandbytes_are_wider_in_embeddings() -> None:
    """torchao's class is no class of bitsandbytes; 32-bit optimizers and adapters have no embeddings of 8 bits."""
    assert tuned("adamw_torch_8bit").moment_bytes == pytest.approx(2.03125)
    assert tuned("paged_adamw_32bit", precision="bf16").moment_bytes == 8
    adapters = [tuned("adamw_bnb_8bit", task="lora", stack=stack).moment_bytes for stack in ("hf-trainer", "xtuner")]
    assert adapters[0] == adapters[1]


def test_a_tied_embedding_is_one_parameter_whose_states_are_wide() -> None:
    job = read_job("gpt2", tokens="1M", optimizer="adamw_bnb_8bit", task="full_ft", stack="hf-trainer")
    share = (50_257 + 1024) * 768 / 124_439_808  # tokens and positions
    assert job_table(job).moment_bytes == pytest.approx(2.00390625 + (8 - 2.00390625) * share, rel=1e-3)


@pytest.mark.parametrize(("date", "wide"), [("2024-07", ""), ("2025-03", ""), ("2025-09", "2025-06"), ("", "2025-06")])
def test_releases_before_4_52_compared_a_name_that_no_class_had(date: str, wide: str) -> None:
    """huggingface/transformers, pull request 37331: "Adam8bit" had not been the class since 4.30."""
    assert rule_of_name(load().stack_rules, "HF Trainer", date).wide_embeddings == wide
