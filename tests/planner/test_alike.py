"""What measured steps tell of configurations like the measured ones: worked by hand from the law."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.catalog.local.step_shift import REPEAT_LOG_SD, RUN_LOG_SD, Shift, shifts_of
from steelyard.planner.measured.alike import COMPARED_SIZES, alike_logs, alikeness, scatter_covariance

HERE = (
    "64 x H100-80GB-SXM, tp=2,pp=4,cp=2,ep=8,dp=4,mbs=2,ga=8,zero=1,recompute=full, fsdp2 (rule 30): "
    "parameters 8e+09, FLOPs a sample 4e+14, tokens 8192, batch 64, bytes of an element 2, in products 2, "
    "half bytes of a frozen parameter 0"
)
SHARED, OWN = 0.75 * RUN_LOG_SD**2, 0.25 * RUN_LOG_SD**2 - REPEAT_LOG_SD**2


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("64 x", "256 x"), ("tp=2", "tp=8"), ("pp=4,", "pp=16,"), ("pp=4,", "pp=1,"), ("cp=2", "cp=8"),
        (",ep=8", ",ep=2"), ("mbs=2", "mbs=8"), ("ga=8", "ga=2"), ("parameters 8e", "parameters 3.2e1"),
        ("4e+14", "1e+14"), ("8192", "2048"), ("H100-80GB-SXM", "L4"), ("fsdp2 (rule 30)", "torchtune (rule 2)"),
        ("zero=1", "zero=3"), ("=full", "=selective"),
        (",recompute=full", ""), ("zero=1", "zero=1,flash=0"), ("element 2", "element 4"), ("products 2", "products 1"),
        ("parameter 0", "parameter 1"),
    ],
)  # fmt: skip
def test_a_factor_of_four_or_one_word_is_one_length(written: str, instead: str) -> None:
    other = HERE.replace(written, instead).replace("3.2e1+09", "3.2e+10")
    assert other != HERE
    assert alikeness([HERE, other], [HERE, other])[0].tolist() == pytest.approx([1.0, math.exp(-0.5)])


def test_what_decides_no_likeness_leaves_its_own_part_apart() -> None:
    """Another batch of the same micro-batches is as like as can be, but not exactly what was measured."""
    other = HERE.replace("batch 64", "batch 128")
    here, there = alike_logs([HERE, other], {HERE: 0.1})
    assert here == pytest.approx(0.1 * (SHARED + OWN) / RUN_LOG_SD**2)
    assert there == pytest.approx(0.1 * SHARED / RUN_LOG_SD**2)


def test_two_measured_ones_are_solved_for_together() -> None:
    other, asked = HERE.replace("64 x", "256 x"), HERE.replace("64 x", "128 x")
    near, far = (math.exp(-((math.log(by) / math.log(4)) ** 2) / 2) for by in (2, 4))
    same = np.array([[RUN_LOG_SD**2, SHARED * far], [SHARED * far, RUN_LOG_SD**2]])
    wanted = SHARED * near * np.ones(2) @ np.linalg.solve(same, [0.1, -0.05])
    assert alike_logs([asked], {HERE: 0.1, other: -0.05}) == pytest.approx([wanted])


@given(st.floats(-3, 3))
def test_a_step_that_went_wrong_counts_as_three_spreads(gap: float) -> None:
    held = min(max(gap, -3 * RUN_LOG_SD), 3 * RUN_LOG_SD)
    assert alike_logs([HERE], {HERE: gap}) == pytest.approx([held * (SHARED + OWN) / RUN_LOG_SD**2])


@given(
    st.lists(st.sampled_from([1, 2, 8, 64]), min_size=len(COMPARED_SIZES), max_size=len(COMPARED_SIZES)),
    st.floats(-0.3, 0.3),
)
def test_nothing_moves_by_more_than_what_was_measured(sizes: list[int], gap: float) -> None:
    degrees = ",".join(
        f"{name}={size}" for name, size in zip(("tp", "pp", "cp", "ep", "mbs", "ga"), sizes[1:], strict=False)
    )
    other = f"{sizes[0]} x H100-80GB-SXM, {degrees},zero=1, fsdp2 (rule 30): parameters {sizes[7]}e9, tokens {sizes[9]}"
    (moved,) = alike_logs([other], {HERE: gap})
    assert 0 <= moved * np.sign(gap) <= abs(gap)


def test_runs_that_are_alike_tell_less_of_who_ran_them() -> None:
    """Ten repetitions of one configuration are one witness of the offset, ten that differ are ten."""
    gaps, pairs = [math.log(1.2)] * 10, ["fsdp2 on H100"] * 10

    def offset(texts: list[str]) -> Shift:
        return shifts_of(gaps, pairs, scatter=scatter_covariance(texts))["fsdp2 on H100"]

    repeated, apart = (
        offset([HERE] * 10),
        offset([HERE.replace("zero=1", f"zero={one}").replace("tp=2", f"tp={8**one}") for one in range(10)]),
    )
    once = shifts_of(gaps[:1], pairs[:1])["fsdp2 on H100"]
    each = shifts_of(gaps, pairs)["fsdp2 on H100"]
    assert once.log < repeated.log < 1.1 * once.log
    assert apart.log == pytest.approx(each.log, rel=0.05)
    assert repeated.log_sd > 2 * apart.log_sd
