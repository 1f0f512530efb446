"""Adapters against all parameters: the same stack, layout and recomputation, what a step takes before its update."""

import pytest

from steelyard.job import read_job
from steelyard.planner import estimate

TASKS = ("full_ft", "lora", "qlora")


def passes_s(
    model: str, stack: str, layout: str, accelerator: str, recipe: str = "", **adapters: object
) -> list[float]:
    """Return the seconds of all forward and backward passes of a step, by task: the update of adapters is short."""
    found = []
    for task in TASKS:
        given = {**({"recipe": recipe} if recipe else {}), **(adapters if task != "full_ft" else {})}
        job = read_job(model, tokens="10M", task=task, stack=stack, sequence=2048, global_batch=8, **given)
        time = estimate(job, on=f"{accelerator}:1", layout=layout).time
        found.append(float(time.total_s - time.optimizer_s))
    return found


@pytest.mark.parametrize("stack", ["unsloth", "hf-trainer", "torchtune", "any"])
@pytest.mark.parametrize("model", ["llama-3.2-1b", "llama-3-8b", "mixtral-8x7b"])
@pytest.mark.parametrize(("recompute", "accelerator"), [("full", "H100"), ("none", "H100"), ("full", "A100")])
def test_adapters_save_time_and_a_packed_base_costs_some(stack, model, recompute, accelerator) -> None:
    """Frozen weights have no gradients (arXiv 2106.09685, section 4.1); packed ones are unpacked (2305.14314).

    Adapters on queries and values, as in the paper: modules on every matrix pass over memory as often as they are many.
    """
    few = {} if stack == "unsloth" else {"lora": {"targets": ["q", "v"]}}
    full, adapted, packed = passes_s(model, stack, f"mbs=2,recompute={recompute},offload=0", accelerator, **few)
    assert 2 / 3 * full < adapted < full * (1.02 if model == "llama-3.2-1b" else 1)  # launches, which adapters share
    assert adapted < packed


def test_adapters_in_place_take_less_than_modules_over_the_same_kernels() -> None:
    """unslothai/unsloth kernels/utils.py, matmul_lora: in fused kernels as in modules, the rest of a step is alike."""
    placed, modules = (
        passes_s(
            "llama-3-8b", stack, "mbs=2,recompute=full", "H100", "activations=device", lora={"targets": "all-linear"}
        )
        for stack in ("unsloth", "HF Trainer + Liger")
    )
    assert placed[0] == pytest.approx(modules[0])
    assert placed[1] < modules[1]
