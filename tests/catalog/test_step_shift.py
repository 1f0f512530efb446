"""The law of the shift: what n measured steps make of an offset, on the pair they are of and on others."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog import kernels_rows, load, stack, stack_rows, step_shift_row
from steelyard.catalog.local.layer import Layer, read_calibration, write_calibration
from steelyard.catalog.local.step_shift import (
    ANYWHERE,
    FARTHEST_RUN_SDS,
    PAIR_LOG_SD,
    PUBLISHER_LOG_SD,
    RUN_LOG_SD,
    STEP_SHIFT,
    ShiftPrior,
    narrowed_log_sd,
    pair_name,
    pair_of,
    shifts_of,
)
from steelyard.catalog.schema import Fitted
from steelyard.market.tools import stack_options

MINE, OTHER = "fsdp2 on H100-80GB-SXM", "megatron-core on H100-80GB-SXM"
S2, R2, Q2 = PUBLISHER_LOG_SD**2, RUN_LOG_SD**2, PAIR_LOG_SD**2


@pytest.mark.parametrize("count", [1, 2, 3, 10])
@pytest.mark.parametrize("gap", [-0.2, 0.1, 0.3])
def test_runs_of_one_pair_move_it_by_the_shrunken_mean(count: int, gap: float) -> None:
    found = shifts_of([gap] * count, [MINE] * count)
    assert found[MINE].log == pytest.approx(gap * count * S2 / (count * S2 + R2))
    assert found[MINE].log_sd ** 2 == pytest.approx(S2 * R2 / (count * S2 + R2))
    assert found[ANYWHERE].log == pytest.approx(gap * count * (S2 - Q2) / (count * S2 + R2))


def test_many_runs_move_it_by_their_mean() -> None:
    gaps = 0.2 + RUN_LOG_SD * np.linspace(-1, 1, 4001)
    found = shifts_of(list(gaps), [MINE] * len(gaps))
    assert found[MINE].log == pytest.approx(float(np.mean(gaps)), rel=1e-3)
    assert found[MINE].log_sd < 0.003
    assert found[ANYWHERE].log == pytest.approx(0.2 * (S2 - Q2) / S2, rel=1e-3)
    assert found[ANYWHERE].log_sd == pytest.approx(math.sqrt(S2 - (S2 - Q2) ** 2 / S2), rel=1e-2)


def test_two_pairs_share_what_is_the_publisher_s_and_keep_what_is_their_own() -> None:
    found = shifts_of([0.3] * 50 + [0.1] * 50, [MINE] * 50 + [OTHER] * 50)
    assert 0.1 < found[OTHER].log < found[ANYWHERE].log < found[MINE].log < 0.3
    alone = shifts_of([0.3] * 50, [MINE] * 50)
    assert found[ANYWHERE].log < alone[ANYWHERE].log
    assert found[ANYWHERE].log_sd < alone[ANYWHERE].log_sd


def test_no_run_leaves_the_prior() -> None:
    (only,) = shifts_of([], []).items()
    assert only[0] == ANYWHERE
    assert (only[1].log, only[1].log_sd) == (0.0, pytest.approx(PUBLISHER_LOG_SD))


def test_one_run_that_went_wrong_does_not_carry_the_rest() -> None:
    found = shifts_of([0.0, 0.0, 0.0, math.log(4)], [MINE] * 4)
    assert 0 < found[MINE].log <= FARTHEST_RUN_SDS * RUN_LOG_SD / 4


@given(st.lists(st.floats(-0.3, 0.3), min_size=1, max_size=6))
def test_a_shift_lies_between_nothing_and_the_farthest_run(gaps: list[float]) -> None:
    found = shifts_of(gaps, [MINE] * len(gaps))[MINE]
    assert min(0.0, *gaps) - 1e-9 <= found.log <= max(0.0, *gaps) + 1e-9
    assert 0 < found.log_sd < PUBLISHER_LOG_SD


def test_steps_one_after_another_say_what_they_say_together() -> None:
    first = shifts_of([0.2], [MINE])[MINE]
    left = ShiftPrior(common=first.log_sd**2, pair=0.0)
    second = shifts_of([0.2 - first.log], [MINE], left)[MINE]
    both = shifts_of([0.2, 0.2], [MINE, MINE])[MINE]
    assert first.log + second.log == pytest.approx(both.log)
    assert second.log_sd == pytest.approx(both.log_sd)


@given(st.floats(0.01, 0.6), st.floats(0.0, PUBLISHER_LOG_SD))
def test_a_spread_only_narrows_and_not_below_what_runs_scatter_by(before: float, left: float) -> None:
    after = narrowed_log_sd(before, left)
    assert after <= before
    assert after >= min(before, RUN_LOG_SD)
    if before**2 - S2 >= R2:
        assert after**2 == pytest.approx(before**2 - S2 + left**2)


def test_a_name_of_a_pair_is_read_back() -> None:
    assert pair_of(pair_name("my-stack-v2.1", "TPU-v5p")) == ("my-stack-v2.1", "TPU-v5p")


def shifted(**factors: float) -> Layer:
    names = {"mine": MINE, "rest": ANYWHERE}
    rows = [
        Fitted(names[one], "any", STEP_SHIFT, value, "1", 0.09, 3, 1, "calibration x", "", "2026-11-30", "")
        for one, value in factors.items()
    ]  # fmt: skip
    return Layer(steps={(row.entity, row.precision, row.quantity): row for row in rows})


def test_a_stack_is_shifted_on_the_chip_and_elsewhere_by_the_common_part() -> None:
    plain, known = load(), load().over(shifted(mine=1.2, rest=1.1))
    base = stack_rows("fsdp2", plain)["time_scale"]
    for chip, factor in (("H100-80GB-SXM", 1.2), ("A100-80GB-SXM", 1.1), ("", 1.1)):
        row = stack_rows("fsdp2", known, accelerator=chip)["time_scale"]
        assert row.value == pytest.approx(base.value * factor)
        assert row.log_sd == narrowed_log_sd(base.log_sd, 0.09)
        assert stack("fsdp2", known, accelerator=chip).time_scale == row.value
    other = stack_rows("deepspeed", known, accelerator="H100-80GB-SXM")["time_scale"]
    assert other.value == pytest.approx(1.1 * stack_rows("deepspeed", plain)["time_scale"].value)
    changed = {name for name, row in stack_rows("fsdp2", known).items() if row != stack_rows("fsdp2", plain)[name]}
    assert changed == {"time_scale"}
    assert kernels_rows(known.accelerator("H100"), "bf16", known) == kernels_rows(
        plain.accelerator("H100"), "bf16", plain
    )
    assert step_shift_row("fsdp2", "H100-80GB-SXM", plain) is None


def test_a_market_has_the_shifted_stack_on_its_chip_alone() -> None:
    known = load().over(shifted(mine=1.2, rest=1.1))
    tools, of_vendor = stack_options(["NVIDIA", "AMD"], "fsdp2", known)
    scales = {
        chip: [tools[i].stack.time_scale for i in of_vendor[vendor] if tools[i].runs_on(chip)]
        for vendor, chip in (("NVIDIA", "H100-80GB-SXM"), ("NVIDIA", "A100-80GB-SXM"), ("AMD", "MI300X"))
    }
    base = stack_rows("fsdp2", load())["time_scale"].value
    assert scales == {
        "H100-80GB-SXM": [pytest.approx(1.2 * base)],
        "A100-80GB-SXM": [pytest.approx(1.1 * base)],
        "MI300X": [pytest.approx(1.1 * base)],
    }
    assert len(stack_options(["NVIDIA"], "fsdp2", load())[0]) == 1


def test_a_calibration_with_a_shift_is_read_back(tmp_path) -> None:
    made = shifted(mine=1.2, rest=1.1)
    write_calibration(tmp_path, "ours", made)
    assert read_calibration(tmp_path, "ours").steps == made.steps
    assert (made | Layer()).steps == made.steps
    assert (Layer() | made).steps == made.steps
    later = shifted(mine=1.4)
    assert (made | later).steps == {**made.steps, **later.steps}
