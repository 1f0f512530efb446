"""A stack that nobody names: one that fits is shown, and nothing is surer for not being named."""

from typing import Any

import pytest

import steelyard
from steelyard.planner.answers import Estimate

TUNED = {"tokens": "100M", "sequence": 2048, "task": "full_ft"}
CASES = [
    ("llama-3-8b", "H100:2", TUNED),
    ("llama-3.2-1b", "RTX-4090:1", TUNED),
    ("llama-3.2-3b", "RTX-4090:2", TUNED),
    ("llama-3-8b", "L40S:4", {**TUNED, "sequence": 8192}),
    ("llama-3-8b", "H100:8", TUNED),
    ("llama-3-8b", "RTX-4090:4", {**TUNED, "task": "lora"}),
    ("llama-3-8b", "H100:8", {"tokens": "1B", "sequence": 8192}),
]
INTERVALS = ("time_s", "cost_usd", "energy_facility_kwh", "co2e_kg")


def silent_and_named(model: str, on: str, job: dict[str, Any]) -> tuple[Estimate, dict[str, Estimate]]:
    """Return an estimate without a stack, and one of each stack that its intervals are of, the shown one first."""
    silent = steelyard.estimate(model, on=on, **job)
    names = (silent.stack, *(one.stack for one in silent.other_stacks))
    return silent, {name: steelyard.estimate(model, on=on, stack=name, **job) for name in names}


@pytest.mark.parametrize(("model", "on", "job"), CASES)
def test_the_stack_that_is_shown_fits_where_any_does(model: str, on: str, job: dict[str, Any]) -> None:
    silent, named = silent_and_named(model, on, job)
    assert len(named) > 1
    assert silent.fits_shown is (True if any(one.fits_shown for one in named.values()) else None)
    assert named[silent.stack].fits_shown is silent.fits_shown
    assert silent.layout_text == named[silent.stack].layout_text
    assert all(one.fits is not False for one in named.values()), "what does not fit is no run that is possible"


@pytest.mark.parametrize(("model", "on", "job"), CASES)
def test_not_to_name_a_stack_makes_neither_end_surer(model: str, on: str, job: dict[str, Any]) -> None:
    silent, named = silent_and_named(model, on, job)
    shown = named[silent.stack]
    for name in INTERVALS:
        held, own = getattr(silent, name), getattr(shown, name)
        assert held.value == pytest.approx(own.value, nan_ok=True)
        if held.value == held.value:  # known
            assert held.low <= own.low * 1.001, name
            assert held.high >= own.high * 0.999, name
    assert silent.time_s.low <= min(one.time_s.value for one in named.values())


def test_where_nothing_fits_the_commonest_is_shown_and_said_not_to() -> None:
    found = steelyard.estimate("llama-3.1-405b", on="RTX-4090:2", layout="offload=0", **TUNED)
    assert found.fits is False
    assert found.fits_word == "does not fit"
    away = steelyard.estimate("llama-3.1-70b", on="DGX-H100:1", stack="hf-trainer", layout="offload=1", **TUNED)
    assert away.fits is None, "nobody says what its host has"
    assert "host memory unknown: needs " in away.fits_reason


@pytest.mark.parametrize("stack", ["hf-trainer", "torchtune", "fsdp2", "megatron-core", "deepspeed"])
@pytest.mark.parametrize("on", ["H100:1", "RTX-4090:1", "A100:1", "H100:2", "RTX-4090:4"])
@pytest.mark.parametrize("model", ["llama-3.2-1b", "llama-3-8b"])
def test_states_go_to_the_host_only_where_somebody_says_so_and_what_that_fits_is_said(
    stack: str, on: str, model: str
) -> None:
    found, kept = (steelyard.estimate(model, on=on, stack=stack, layout=laid, **TUNED) for laid in ("", "offload=0"))
    assert found.layout["offload"] == 0
    assert found.layout_text == kept.layout_text
    assert bool(found.fits_with) == (found.fits is not True)
    if found.fits_with.startswith("what fits: ") and "a device of" not in found.fits_with:
        *more, settings = found.fits_with.removeprefix("what fits: ").split(" (")[0].split(", ")
        chip, count = on.split(":")
        count = more[0].split(" × ")[0] if more else count
        told = dict(one.split("=") for one in f"{found.layout_text},{settings}".split(","))
        laid = ",".join(f"{key}={value}" for key, value in told.items() if key not in ("dp", "ga"))
        other = steelyard.estimate(model, on=f"{chip}:{count}", stack=stack, layout=laid, **TUNED)
        assert other.fits is True


@pytest.mark.parametrize("stack", ["hf-trainer", "torchtune", "deepspeed", "megatron-core"])
@pytest.mark.parametrize("model", ["llama-3.2-1b", "llama-3-8b", "llama-3.1-70b"])
def test_one_card_shares_states_with_nobody(stack: str, model: str) -> None:
    for on in ("RTX-4090:1", "H100:1"):
        for layout in ("", "offload=0"):
            found = steelyard.estimate(model, on=on, stack=stack, layout=layout, **TUNED)
            least = 1 if stack == "deepspeed" else 0
            assert found.layout["zero"] == least or found.layout["offload"] == 1


@pytest.mark.parametrize(
    ("stack", "words"),
    [
        ("DeepSpeed ZeRO-3 Offload", ("zero=3", "offload=1")),
        ("DeepSpeed zero2_offload", ("zero=2", "offload=1")),
        ("deepspeed zero2", ("zero=2",)),
        ("deepspeed zero1", ("zero=1",)),
        ("FSDP2 + CPU offload", ("zero=3", "offload=1")),
    ],
)
@pytest.mark.parametrize("model", ["qwen3-8b", "mixtral-8x7b"])
def test_words_of_a_stacks_name_hold_whether_it_fits_or_not(stack: str, words: tuple[str, ...], model: str) -> None:
    found = steelyard.estimate(model, on="RTX-4090:8", stack=stack, **TUNED)
    assert [word for word in words if word not in found.layout_text.split(",")] == []
