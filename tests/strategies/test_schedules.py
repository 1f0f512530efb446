"""Every pipeline schedule does what its file says, and each layout is timed and held by its own."""

from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import peak

from steelyard.step import schedule as stepping
from steelyard.step.schedule import bubble_ticks, in_flight, sends
from steelyard.strategies.registry import SCHEDULES, suiting, usual_code
from steelyard.strategies.schedule import PipelineSchedule
from steelyard.tables import join

JOB = pretraining(gpt(16, 512, 8, vocab=8.0), 512, 64)


@pytest.mark.parametrize("one", SCHEDULES.values(), ids=SCHEDULES)
def test_a_lone_stage_idles_never_and_holds_no_more_than_there_are(one: PipelineSchedule) -> None:
    assert one.bubble_ticks(1, 1, 8) == 0
    assert 1 <= one.in_flight(1, 1, 0, 8) <= 8


@pytest.mark.parametrize("one", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_falls_where_later_stages_hold_no_more(one: PipelineSchedule) -> None:
    held = one.in_flight(8, 2 if one.chunked else 1, np.arange(8), 64)
    assert one.falls == np.all(np.diff(held) <= 0)


@pytest.mark.parametrize(
    ("name", "code", "chunked", "bubble", "sent", "held"),
    [
        ("1f1b", 0, False, 7, 2 * (64 + 7), [8, 7, 1]),  # 2104.04473, section 2.2.1: p - 1 ticks, p - r micro-batches
        ("interleaved", 1, True, 7 / 4, 2 * (4 * 64 + 7), [39 / 4, 37 / 4, 25 / 4]),  # section 2.2.2: (p - 1)/v ticks
    ],
)
def test_what_a_schedule_says_of_eight_stages(
    name: str, code: int, chunked: bool, bubble: float, sent: float, held: list[float]
) -> None:
    one, chunks = SCHEDULES[name], 4 if chunked else 1
    assert (one.code, one.chunked) == (code, chunked)
    assert (one.bubble_ticks(8, chunks, 64), one.sends(8, chunks, 64)) == (bubble, sent)
    assert [float(one.in_flight(8, chunks, rank, 64)) for rank in (0, 1, 7)] == held


def test_a_layout_is_asked_for_its_own_schedule() -> None:
    plain, many = layout(JOB, pp=4.0), layout(JOB, pp=4.0, vpp=2.0)
    both = join([plain, many])
    assert bubble_ticks(both).tolist() == [3, 1.5]
    assert sends(both).tolist() == [2 * (64 + 3), 2 * (128 + 3)]
    assert in_flight(both, 0).tolist() == [4, (2 * 3 + 4 + 1) / 2]


def test_an_unknown_schedule_is_unknown() -> None:
    assert np.isnan(bubble_ticks(layout(JOB, pp=4.0, schedule=99.0)))


def test_a_stack_runs_the_first_of_its_schedules_that_suits_the_chunks() -> None:
    assert usual_code(SCHEDULES, 1) == SCHEDULES["1f1b"].code
    assert usual_code(SCHEDULES, 4) == SCHEDULES["interleaved"].code
    assert suiting(("1f1b",), 4) == []


@pytest.mark.parametrize("fullest", [1, 3, 6])
def test_where_later_stages_may_hold_more_all_are_weighed(fullest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    late = replace(
        SCHEDULES["1f1b"], name="late", code=9, falls=False, in_flight=lambda p, v, r, m: np.where(r == fullest, 20, 1)
    )
    monkeypatch.setattr(stepping, "SCHEDULES", {**SCHEDULES, "late": late})
    usual, other = (peak(JOB, layout(JOB, pp=8.0, schedule=code)) for code in (0.0, 9.0))
    assert other.activations_bytes == pytest.approx(20 / 8 * usual.activations_bytes, rel=0.05)
    plain, other_layout = layout(JOB, pp=8.0), layout(JOB, pp=8.0, schedule=9.0)
    assert stepping.falling(plain)
    assert not stepping.falling(other_layout)
    assert not stepping.falling(join([plain, other_layout]))
