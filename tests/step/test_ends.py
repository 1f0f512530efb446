"""What comes before the first block is on the first stage, and what follows the last one is computed and held whole."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.neutral import PEAK, kernels, machine, peak, stack, step

from steelyard.step import stage_job
from steelyard.step.compute import head
from steelyard.step.rank import Rank
from steelyard.tables import Divisible, Job
from steelyard.workload import collapse
from steelyard.workload.row import Kind, Model, Row

H, PATCHES, PIXELS, L = 256, 196.0, 768.0, 8
VIT = gpt(
    L, H, 4, 10.0, patches=PATCHES, patch_params=PIXELS * H, pooled=1.0, head_params=10.0 * H, embedding_params=0.0
)
BODY = 2 * (PATCHES + 1) * 12 * H**2  # forward FLOPs of one block's products
PATCH = 2 * PATCHES * PIXELS * H


def gemm_s(pp: float, sizes: str = "", **changes: Any) -> float:
    """Return the seconds of products of one step of 32 images, one at a time, at a peak of 1 TFLOP/s."""
    from steelyard.strategies.partition import given_partition

    job = pretraining(VIT, PATCHES + 1, 32.0)
    partition = float(given_partition(tuple(map(int, sizes.split("-"))))) if sizes else 0.0
    laid = layout(job, pp=pp, partition=partition, **changes)
    return float(step(job, laid, stack(vocab_exposed=0.0), peak_flop_per_s=PEAK, peak16_flop_per_s=PEAK).gemm_s)


@pytest.mark.parametrize(
    ("pp", "sizes", "forward"),
    [
        (1.0, "", 8 * BODY + PATCH),
        (2.0, "", 4 * BODY + PATCH),  # the first stage, which has both
        (2.0, "3-5", 5 * BODY),  # the second, which has no patches
        (4.0, "2-2-2-2", 2 * BODY + PATCH),
        (4.0, "1-3-2-2", 3 * BODY),
    ],
)
def test_patches_are_projected_on_the_first_stage_alone(pp: float, sizes: str, forward: float) -> None:
    """2104.04473, section 2.2: a step waits for its slowest stage; three forwards in each of 32 micro-batches."""
    assert gemm_s(pp, sizes) == pytest.approx(32 * 3 * forward / PEAK, rel=1e-9)


@pytest.mark.parametrize(("pp", "tp"), [(1.0, 1.0), (2.0, 1.0), (1.0, 4.0), (4.0, 2.0)])
def test_the_first_stage_holds_the_patches_whole(pp: float, tp: float) -> None:
    """2 bytes a weight; a stage of the eight blocks' 12 h^2, divided by tensor ranks, which patches are not."""
    job = pretraining(VIT, PATCHES + 1, 32.0)
    ends = PIXELS * H + (10 * H / tp if pp == 1 else 0)
    found = peak(job, layout(job, pp=pp, tp=tp), weight_bytes=2.0)
    assert float(found.weights_bytes) == pytest.approx(2 * (12 * H**2 * L / pp / tp + ends), rel=1e-9)


def test_zero_3_gathers_patches_where_they_are_the_largest_unit() -> None:
    job = pretraining(gpt(2, H, 4, 10.0, patches=1.0, patch_params=99.0 * H**2, embedding_params=0.0), 16, 32.0)
    for pp, unit in ((1.0, 99), (2.0, 99)):
        found = peak(job, layout(job, pp=pp, dp=2.0, zero=3.0), gathered_units=1.0)
        less = peak(job, layout(job, pp=pp, dp=2.0, zero=3.0))
        assert float(found.buffers_bytes - less.buffers_bytes) == pytest.approx(2 * unit * H**2, rel=1e-9)


def by_rows(rows: Sequence[Row]) -> Job:
    """Return a job of a model by rows: one block of nothing, and the end given."""
    body = Row(name="body", block="body", params=1.0, split_params="whole")
    made = Model(
        kinds=(Kind(name="body", count=1.0),),
        rows=(body, *rows),
        divisible=Divisible(1, 1, 1, 1, 0, 0, 1, 0),
        hidden=1.0,
        ring=1.0,
        copies=0.0,
        expert_groups=0.0,
        top_k_groups=0.0,
        tokens=1.0,
    )
    return filled(
        Job, **{name: getattr(JOB, name) for name in Job.__dataclass_fields__} | {"workload": collapse(made, 2.0)}
    )


JOB = pretraining(VIT, PATCHES + 1, 32.0)
LAST = Row(name="last", block="head", m=3.0, k=64.0, n=10.0, params=640.0, split_params="whole")
HIDDEN = Row(
    name="hidden", block="head", repeats=2.0, m=5.0, k=32.0, n=64.0, params=2048.0, split_params="whole", moved=100.0,
    moved_kind="inside",
)  # fmt: skip


def test_an_end_takes_the_time_of_all_its_products_and_of_what_it_moves() -> None:
    """At 1 FLOP/s and 1 B/s: 2 x 2 x 5 x 32 x 64 and 2 x 3 x 64 x 10; 2 x 100 elements of 2 bytes; 30 logits of 8."""
    job = by_rows((HIDDEN, LAST))
    laid = layout(job, micro_batch=4.0, sp=0.0)
    rates = {"peak16_flop_per_s": 1.0}
    rank = Rank(stage_job(job, laid), 4.0, machine(**rates), kernels(), stack(loss_bytes=8.0))
    assert float(head(rank).product_s) == pytest.approx(4 * (2 * 2 * 5 * 32 * 64 + 2 * 3 * 64 * 10))
    slow = Rank(stage_job(job, laid), 4.0, machine(memory_bytes_per_s=1.0), kernels(), stack(loss_bytes=8.0))
    assert float(head(slow).moved_s) == pytest.approx(4 * 2 * 100 * 2)
    assert float(head(slow).loss_s) == pytest.approx(4 * 30 * 8)


def test_an_end_holds_all_its_parameters() -> None:
    job = by_rows((HIDDEN, LAST))
    found = peak(job, layout(job), weight_bytes=2.0)
    assert float(found.weights_bytes) == 2 * (1 + 2 * 2048 + 640)
