"""What a person says of a recipe holds over the stack; what nobody knows is refused with the nearest."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled

from steelyard import pipeline
from steelyard.catalog import load, stack
from steelyard.errors import BadInput
from steelyard.job import job_table, read_job
from steelyard.job.kept.recipes import parse_recipe
from steelyard.layout import parse
from steelyard.planner import estimate
from steelyard.step.tensors.recipe import ENTRIES
from steelyard.strategies.recipe_settings import RECIPE_SETTINGS
from steelyard.tables import Machine, StepMemory

JOB = {"model": "llama-3-8b", "tokens": "20B"}
NOWHERE = filled(Machine, memory_bytes=1e15, context_bytes=math.nan)


def held(stack_name: str, layout: str = "dp=1,ga=1,mbs=1", batch: int = 1, **job: object) -> tuple[StepMemory, float]:
    table = job_table(read_job(JOB | {"global_batch": batch} | job))
    laid = parse(layout, table, 1, 1, math.nan, load().capability(stack_name))
    return pipeline.peak(table, laid, NOWHERE, stack(stack_name)), table.workload.params


@pytest.mark.parametrize("states", [16, 18])
@pytest.mark.parametrize("name", ["megatron-core", "fsdp2", "hf-trainer", "deepspeed"])
def test_states_of_so_many_bytes_a_parameter_whatever_the_stack(states: int, name: str) -> None:
    zero = min(load().capability(name).zero)
    found, params = held(name, f"zero={zero}", recipe={"states": states, "gradients": "persistent"})
    assert found.weights_bytes + found.gradients_bytes + found.optimizer_bytes - _update(name, params) == (
        pytest.approx(states * params, rel=1e-3)
    )


def _update(name: str, params: float) -> float:
    """DeepSpeed's fp32 gradients beside its states, which a count of states leaves out."""
    return float(stack(name).update_bytes) * params


def test_gradients_that_are_fused_into_the_backward_pass_are_never_all_there() -> None:
    usual, fused = (held("any", **job)[0] for job in ({}, {"recipe": {"gradients": "fused"}}))
    assert usual.gradients_bytes > 0
    assert fused.gradients_bytes == 0


def test_a_word_of_the_user_holds_over_stack_loss_and_the_name_that_he_gives_it() -> None:
    spec = read_job(JOB | {"stack": "unsloth", "loss": "eager", "recipe": "logit_bytes=7, saved_on_host=0"})
    assert (job_table(spec).recipe.logit_bytes, job_table(spec).recipe.saved_on_host) == (7, 0)
    assert read_job(spec.given | {"recipe": None}).recipe == {}


def test_parameters_on_the_host_leave_the_device() -> None:
    asked = {"tokens": "10M", "task": "qlora", "sequence": 512, "stack": "hf-trainer", "on": "RTX-4090:2"}
    near, far = (
        estimate("llama-2-70b", layout="zero=3,recompute=full,offload=0", **asked, **job)
        for job in ({}, {"recipe": {"weights": "host"}})
    )
    assert (near.host_bytes, near.fits, near.fits_word) == (0, None, "may not fit")
    assert 33 * 2**30 < far.host_bytes < 38 * 2**30
    assert far.fits


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"gradient": "fused"}, "unknown setting 'gradient' of a recipe; nearest: gradients"),
        ({"gradients": "none"}, "gradients of a recipe is 'none'; it takes persistent or autograd or fused"),
        ({"states": 8}, "it takes 16 or 18; write precision: bf16-pure for states of 8 bytes"),
        ({"loss": "chunked"}, "the kind of loss is a field of its own, not of a recipe; write loss: chunked"),
        ({"packed_bytes": 0.5}, "unknown setting 'packed_bytes' of a recipe"),
        ({"logit_bytes": "four"}, "logit_bytes of a recipe is 'four'; it takes a number from 0 to 64"),
        ({"logit_bytes": -1}, "it takes a number from 0 to 64"),
        ({"logit_bytes": 65}, "it takes a number from 0 to 64"),
        ({"logit_bytes": "nan"}, "it takes a number from 0 to 64"),
        ({"states": 16, "grad_bytes": 4}, "the recipe says grad_bytes twice; keep one"),
        ("fused", "'fused' is no setting of a recipe with its value; write gradients=fused,weights=host"),
    ],
)
def test_what_a_recipe_cannot_say_is_refused(recipe: object, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_job(JOB | {"recipe": recipe})
    assert message in str(refused.value)


@given(st.sampled_from([(one.name, word) for one in RECIPE_SETTINGS for word in one.meanings]))
def test_every_word_says_entries_that_recipes_have(pair: tuple[str, str]) -> None:
    name, word = pair
    found = parse_recipe({name.upper(): word.upper()})
    assert found == parse_recipe(f" {name.replace('_', '-')} = {word} ")
    assert found
    assert found.keys() <= set(ENTRIES)


@given(st.sampled_from(sorted(set(ENTRIES) - {"packed_bytes"})), st.floats(0, 1))
def test_every_entry_may_be_given_by_number(name: str, number: float) -> None:
    assert parse_recipe({name: repr(number)}) == {name: number}
