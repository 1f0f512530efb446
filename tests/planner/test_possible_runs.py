"""What nobody states of a run widens its time: over the stacks and settings that exist, as often as they are met."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import steelyard
from steelyard.catalog import load
from steelyard.catalog.usual.rows import ADAPTED, WHOLE, usual_setting_of_row
from steelyard.catalog.usual.shares import KINDRED_OWNERS, TAKEN_OWNERS, stack_share, usual_shares
from steelyard.planner.answers import Estimate
from steelyard.planner.questions import job_of
from steelyard.planner.unstated.configuring import configure
from steelyard.planner.unstated.possible import possible_text, weighted_ends

JOB = {"model": "llama-3-8b", "tokens": "1B", "sequence": 8192, "global_batch": 512}
ON = "H100:8"
TOLD = ("tp=1,zero=3", "tp=1,zero=3,mbs=1", "tp=1,zero=3,mbs=1,recompute=full")
"""More and more of one layout."""


def estimated(layout: str = "", **given: str) -> Estimate:
    return steelyard.estimate({**JOB, **given}, ON, layout=layout)


def width(found: Estimate) -> float:
    return math.log(found.time_s.high / found.time_s.low)


@pytest.mark.parametrize("task", ["pretrain", "lora"])
def test_a_stack_that_nobody_names_is_neither_the_fastest_nor_surer(task: str) -> None:
    found = estimated(task=task)
    named = [estimated(task=task, stack=one) for one in (found.stack, *(one.stack for one in found.other_stacks))]
    assert len(named) > 1
    seconds = [one.time.total_s for one in named if one.time]
    assert found.time is not None
    assert found.time.total_s == pytest.approx(seconds[0])
    assert min(seconds) < found.time.total_s <= max(seconds)
    assert found.time_s.low <= min(one.time_s.value for one in named)
    assert width(found) > width(named[0])
    (text,) = (one for one in found.assumptions if one.startswith("intervals are over"))
    assert all(f"stack {one.stack} " in text for one in found.other_stacks)


def test_the_more_is_told_the_narrower_is_the_interval() -> None:
    """Nothing of the rest is open once the layout is whole: what is left is what the fit leaves open."""
    found = [estimated(layout, stack="fsdp2") for layout in TOLD]
    assert all(width(after) <= width(before) * 1.01 for before, after in pairwise(found))
    assert width(found[-1]) < 0.9 * width(found[0])
    assert not [one for one in found[-1].assumptions if one.startswith("intervals are over")]


def test_money_energy_and_co2e_are_as_open_as_time() -> None:
    open_run, told = (estimated(layout, stack="fsdp2") for layout in (TOLD[0], TOLD[-1]))
    for name in ("cost_usd", "energy_facility_kwh", "co2e_kg"):
        ends = [math.log(getattr(one, name).high / getattr(one, name).low) for one in (open_run, told)]
        assert ends[0] > ends[1], name


def test_what_cannot_be_run_or_does_not_fit_is_no_possible_run() -> None:
    made = configure(job_of(JOB, stack="fsdp2", model="llama-3.1-70b"), "H100", 16)
    assert made.possible[0].setting == made.setting
    machine = made.setting.hardware.machine
    for one in made.possible[1:]:
        laid = one.setting.layout
        assert laid.dp * laid.micro_batch * laid.micro_batches == 512
        assert one.setting.hardware.machine is machine
    words = {word for one in made.possible for word in one.changed}
    assert "recompute none" not in words  # 16 H100s hold no 70B without


def test_a_measured_step_leaves_no_setting_open() -> None:
    plain = estimated(stack="fsdp2")
    assert plain.time is not None
    found = estimated(stack="fsdp2", step_time=f"{plain.time.total_s:.4f}")
    assert width(found) < 0.15
    assert not [one for one in found.assumptions if one.startswith("intervals are over")]


def test_a_saved_estimate_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "estimate.json"
    found = estimated()
    file.write_text(json.dumps(found.to_dict()), encoding="utf-8")
    again = steelyard.explain(str(file))
    assert again.time_s == found.time_s
    assert again.other_stacks == found.other_stacks


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(1, 100), st.floats(0.01, 0.5)), min_size=1, max_size=6),
    st.integers(0, 5),
)
def test_a_mixture_lies_within_its_parts_and_knows_no_order(
    parts: list[tuple[float, float, float]], turned: int
) -> None:
    normal = np.linspace(-2, 2, 401)
    drawn = np.stack([middle * np.exp(spread * normal) for _, middle, spread in parts], axis=1)[..., None]
    shares = np.array([share for share, _, _ in parts])
    low, high = weighted_ends(drawn, shares)[:, 0]
    alone = np.array([weighted_ends(drawn[:, [place]], np.ones(1))[:, 0] for place in range(len(parts))])
    assert alone[:, 0].min() * 0.95 <= low <= high <= alone[:, 1].max() * 1.05
    place = np.roll(np.arange(len(parts)), turned)
    assert weighted_ends(drawn[:, place], 7 * shares[place])[:, 0] == pytest.approx([low, high], rel=0.02)


def test_a_mixture_has_the_percentiles_of_its_law() -> None:
    """Nine tenths at one value and a tenth at ten times of it: 95 of 100 are in the second half of the tenth."""
    drawn = np.stack([np.full(200, 1.0), np.linspace(10, 12, 200)], axis=1)[..., None]
    low, high = weighted_ends(drawn, np.array([0.9, 0.1]))[:, 0]
    assert low == 1.0
    assert high == pytest.approx(11.0, rel=0.01)
    assert np.isnan(weighted_ends(np.where(drawn > 11.9, np.nan, drawn), np.array([0.9, 0.1]))).all()


def test_shares_are_those_of_owners_filled_up() -> None:
    """Worked by hand from two tables of owners: two of one stack, all of any."""
    catalog = load()
    everyone = usual_shares("recompute", "any", WHOLE, catalog)
    plain = usual_shares("recompute", "megatron-core", WHOLE, catalog)
    own = 2.0  # owners of megatron-core who say which: both have none
    assert plain[0.0] == pytest.approx((own + KINDRED_OWNERS * everyone[0.0]) / (own + KINDRED_OWNERS))
    taken = usual_shares("recompute", "megatron-core", WHOLE, catalog, taken=2.0)
    whole = own + KINDRED_OWNERS + TAKEN_OWNERS
    assert taken[2.0] == pytest.approx((KINDRED_OWNERS * everyone[2.0] + TAKEN_OWNERS) / whole)
    assert usual_shares("no such setting", "fsdp2", ADAPTED, catalog) == {}
    names = ("fsdp2", "megatron-core", "deepspeed")
    assert sum(stack_share(one, names, WHOLE, catalog) for one in names) == pytest.approx(1)


@pytest.mark.parametrize("wrong", [{"trained": "half"}, {"share": "0"}, {"share": "1.2"}])
def test_a_row_of_shares_that_cannot_be_is_refused(wrong: dict[str, str]) -> None:
    row = {"setting": "recompute", "stack": "any", "trained": WHOLE, "value": "2", "share": "0.4", "owners": "3"}
    row |= {"source": "runs", "command": "fit", "checked": "2026-11-30"}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        usual_setting_of_row(row | wrong)


def test_nothing_open_is_not_told() -> None:
    made = configure(job_of(JOB, stack="fsdp2"), "H100", 8, TOLD[-1])
    assert possible_text(made.possible) == ""


def test_of_an_unknown_step_no_factor_is_told() -> None:
    """TPU v3 publishes no bandwidth of its links."""
    assert not [text for text in steelyard.estimate("gpt2", "TPU-v3:8", tokens="2B").assumptions if "nan" in text]
