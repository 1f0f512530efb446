"""Every pipeline schedule does what its file says, and each layout is timed and held by its own."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import PEAK, peak, stack, step
from tests.strategies import orders

from steelyard.catalog import load
from steelyard.errors import BadLayout
from steelyard.evidence.frames.layouts import layout_choices
from steelyard.evidence.frames.stacks import stack_rule
from steelyard.evidence.runs.reader import blank_run
from steelyard.layout import BOUNDS, frames, parse
from steelyard.step import schedule as stepping
from steelyard.step.schedule import bubble_ticks, in_flight, sends
from steelyard.step.stages import stages
from steelyard.strategies.partition import given_partition
from steelyard.strategies.registry import SCHEDULES, suiting, usual_code
from steelyard.strategies.schedule import THIRDS, Passes, PipelineSchedule
from steelyard.tables import Layout, StepTime, join

JOB = pretraining(gpt(16, 512, 8, vocab=8.0), 512, 64)


@pytest.mark.parametrize("one", SCHEDULES.values(), ids=SCHEDULES)
def test_a_lone_stage_idles_never_and_holds_no_more_than_there_are(one: PipelineSchedule) -> None:
    assert one.bubble_ticks(1, 1, 8, THIRDS) == 0
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
    assert (one.bubble_ticks(8, chunks, 64, THIRDS), one.sends(8, chunks, 64)) == (bubble, sent)
    assert [float(one.in_flight(8, chunks, rank, 64)) for rank in (0, 1, 7)] == held


def test_a_layout_is_asked_for_its_own_schedule() -> None:
    plain, many = layout(JOB, pp=4.0), layout(JOB, pp=4.0, vpp=2.0)
    both = join([plain, many])
    assert bubble_ticks(both, THIRDS).tolist() == [3, 1.5]
    assert sends(both).tolist() == [2 * (64 + 3), 2 * (128 + 3)]
    assert in_flight(both, 0).tolist() == [4, (2 * 3 + 4 + 1) / 2]


def test_an_unknown_schedule_is_unknown() -> None:
    assert np.isnan(bubble_ticks(layout(JOB, pp=4.0, schedule=99.0), THIRDS))


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


PUBLISHED = {
    "gpipe": orders.gpipe,
    "1f1b": orders.one_forward_one_backward,
    "zb-h1": orders.zero_bubble_h1,
    "zb-h2": orders.zero_bubble_h2,
    "zb-v": orders.zero_bubble_v,
    "dualpipe": orders.dual_pipe,
}


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(PUBLISHED)),
    stages=st.sampled_from([2, 4, 6, 8]),
    rounds=st.integers(2, 4),
    tenths=st.tuples(st.integers(10, 14), st.integers(10, 14), st.integers(6, 10)),
)
def test_bubble_and_held_are_those_of_the_order_run_pass_by_pass(
    name: str, stages: int, rounds: int, tenths: tuple[int, int, int]
) -> None:
    one, micro_batches = SCHEDULES[name], 2 * rounds * stages
    if name == "dualpipe":  # its table is of equal passes; with others its order idles less
        tenths = (10, 10, 10)
    if name == "zb-v":
        tenths = (sorted(tenths)[1], max(tenths), min(tenths))
    forward, inputs, weights = (part / sum(tenths) for part in tenths)
    seconds = {"F": forward, "B": inputs, "W": weights, "X": inputs + weights}
    chunks = 2 if one.chunked else 1
    places = {"zb-v": lambda way, rank: 2 * stages - 1 - rank if way else rank}
    places["dualpipe"] = lambda way, rank: (way, stages - 1 - rank if way else rank)
    spans, held = orders.run(
        [PUBLISHED[name](stages, micro_batches, rank) for rank in range(stages)],
        {kind: each / chunks for kind, each in seconds.items()},
        places.get(name, lambda way, rank: rank),
        chunks * stages - 1,
    )
    bubble = one.bubble_ticks(stages, chunks, micro_batches, Passes(forward, inputs, weights))
    assert max(spans) - micro_batches == pytest.approx(bubble, abs=1e-9)
    ranks = np.arange(stages)
    assert [each / chunks for each in held] == one.in_flight(stages, chunks, ranks, micro_batches).tolist()


shares = st.lists(st.floats(0.05, 1), min_size=3, max_size=3).map(lambda parts: Passes(*(np.array(parts) / sum(parts))))


@given(one=st.sampled_from(list(SCHEDULES.values())), passes=shares, stages=st.integers(1, 64), m=st.integers(1, 512))
def test_a_bubble_is_never_negative_and_no_stage_holds_more_than_there_are(
    one: PipelineSchedule, passes: Passes, stages: int, m: int
) -> None:
    chunks = 2 if one.chunked else 1
    assert one.bubble_ticks(stages, chunks, m, passes) >= 0
    assert np.all(one.in_flight(stages, chunks, np.arange(stages), m) <= m)


@given(passes=shares, stages=st.integers(2, 64))
def test_gradients_of_weights_that_wait_shorten_the_bubble(passes: Passes, stages: int) -> None:
    names = ("zb-h2", "zb-h1", "1f1b", "gpipe")
    second, first, plain, all_first = (float(SCHEDULES[one].bubble_ticks(stages, 1, 64, passes)) for one in names)
    assert second <= first <= plain == all_first
    folded = float(SCHEDULES["zb-v"].bubble_ticks(stages, 2, 64, passes))
    assert folded <= first
    assert folded <= second or passes.forward <= passes.weights
    assert float(SCHEDULES["dualpipe"].bubble_ticks(stages, 1, 64, passes)) <= plain


@pytest.mark.parametrize(
    ("name", "bubble", "first", "last"),
    [  # of 8 stages and 64 micro-batches, all three passes equal
        ("gpipe", 7, 64, 64),  # 1811.06965, section 2.3
        ("zb-h1", 7 / 3, 8, 8),  # 2401.10241, table 2: p M_B
        ("zb-h2", 0, 15, 15),  # (2p - 1) M_B
        ("zb-v", 0, 8, 8),  # section 6
        ("dualpipe", 2, 9, 9),  # 2412.19437, table 2: p + 1
    ],
)
def test_published_bubbles_and_micro_batches_held(name: str, bubble: float, first: float, last: float) -> None:
    one = SCHEDULES[name]
    chunks = 2 if one.chunked else 1
    assert one.bubble_ticks(8, chunks, 64, THIRDS) == pytest.approx(bubble)
    assert [float(one.in_flight(8, chunks, rank, 64)) for rank in (0, 7)] == [first, last]


def test_both_directions_hold_parameters_twice_and_both_ends_on_the_outer_devices() -> None:
    usual, both = (peak(JOB, layout(JOB, pp=4.0, schedule=code), weight_bytes=2.0) for code in (0.0, 6.0))
    blocks = 12 * 4 * 512**2
    table = 8 * 512  # embedding and output projection share it
    assert usual.weights_bytes == 2.0 * (blocks + table)
    assert both.weights_bytes == 2.0 * (2 * blocks + table)
    assert both.activations_bytes / usual.activations_bytes == pytest.approx(5 / 4, rel=0.02)


def test_folded_chunks_bring_the_logits_to_the_first_stage() -> None:
    folded, others = (layout(JOB, pp=4.0, vpp=2.0, schedule=code) for code in (5.0, 1.0))
    ends = [[(float(one.first), float(one.last)) for one in stages(JOB.workload, laid)] for laid in (folded, others)]
    assert ends == [[(1, 1), (0, 0)], [(1, 0), (0, 1)]]
    uneven = layout(JOB, pp=4.0, vpp=2.0, schedule=5.0, partition=float(given_partition((1, 2, 2, 2, 2, 2, 2, 3))))
    held = {float(one.rank): float(one.blocks[0].count) for one in stages(JOB.workload, uneven)}
    assert held[0.0] == 1 + 3


def test_a_split_backward_pass_shortens_a_step_by_what_its_passes_take() -> None:
    plain, split = (alone_step(layout(JOB, pp=8.0, schedule=code)) for code in (0.0, 3.0))
    tick = float(plain.gemm_s) / 64
    assert float(plain.bubble_s) == pytest.approx(7 * tick)
    assert float(split.bubble_s) == pytest.approx(7 * tick / 3)  # products alone: all three passes are equal


def alone_step(laid: Layout) -> StepTime:
    return step(
        replace(JOB, workload=replace(JOB.workload, cores=())), laid, stack(vocab_exposed=0.0), peak_flop_per_s=PEAK
    )


@pytest.mark.parametrize(
    ("stack_name", "asked", "schedules"),
    [
        ("any", {}, {0, 1}),
        ("any", {"schedule": (2, 3, 4, 5, 6)}, {2, 3, 4, 5, 6}),
        ("fsdp2", {"schedule": (2, 5)}, {2, 5}),
        ("megatron-core", {}, {0, 1}),
    ],
)
def test_a_search_looks_at_further_schedules_where_they_are_asked_for(
    stack_name: str, asked: dict, schedules: set[int]
) -> None:
    found = frames(JOB, [8], 8, load().capability(stack_name), BOUNDS, asked)
    assert set(np.asarray(found.schedule)[np.asarray(found.pp) > 1].tolist()) == schedules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pp=8,schedule=dualpipe,mbs=8", "of these at least two a stage, not pp = 8 and 8 micro-batches"),
        ("pp=4,vpp=4,schedule=zbv", "schedule = zb-v but vpp = 4; give vpp=2 or schedule=interleaved"),
        ("pp=4,schedule=zbv", "schedule = zb-v but vpp = 1; give vpp=2 or schedule=1f1b"),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_run_says_what_it_needs(text: str, message: str) -> None:
    with pytest.raises(BadLayout, match=re.escape(message)):
        parse(text, JOB, 8, 8, 1e9, load().capability("any"))


def test_a_stack_that_lacks_a_schedule_says_which_it_has() -> None:
    with pytest.raises(BadLayout, match="schedule 1f1b/interleaved, not zb-h1"):
        parse("pp=4,schedule=zb-h1", JOB, 8, 8, 1e9, load().capability("megatron-core"))


@pytest.mark.parametrize(
    ("note", "pp", "name", "chunks"),
    [
        ("DualPipe", 4, "dualpipe", 1),
        ("zero bubble", 4, "zb-h1", 1),
        ("ZB-2p schedule", 4, "zb-h2", 1),
        ("ZBV", 4, "zb-v", 2),
        ("gpipe", 4, "gpipe", 1),
        ("DualPipe", 1, "1f1b", 1),
        ("no DualPipe", 4, "1f1b", 1),
    ],
)
def test_words_of_rows_name_a_schedule(note: str, pp: int, name: str, chunks: int) -> None:
    shape = {"devices": 8.0, "tp": 1.0, "pp": float(pp), "sequence_tokens": 512.0, "micro_batch": 1.0}
    run = blank_run(**shape, batch_samples=64.0, note=note, recompute="none", flash_attention="yes")
    rule = stack_rule("", "", load())
    [found] = layout_choices(run, gpt(16, 512, 8), 80e9, rule, 8)
    assert (found.layout.schedule, found.layout.vpp) == (SCHEDULES[name].code, chunks)
