"""The space holds every valid layout inside its bounds, and nothing else; checked against counting."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shapes import gpt, pretraining

from steelyard.catalog import load
from steelyard.catalog.stacks import Capability
from steelyard.errors import UnknownName
from steelyard.job import job_table, read_job
from steelyard.layout import BOUNDS, Bounds, frames, problem, size, space
from steelyard.strategies import registry
from steelyard.strategies.experts import AS_THE_REST, unstated_expert_tensor
from steelyard.strategies.partition import given_partition
from steelyard.tables import Job, Layout

STACKS = sorted(load().stack_files)
SMALL = Bounds(
    tp_domains=1, pp_most=4, vpp_most=2, cp_least_tokens=256, micro_batch_most=4, micro_batch_most_tokens=4096,
    micro_batch_most_elements=4096 * 64, fill=1,
)  # fmt: skip


JOBS = [
    pretraining(gpt(4, 256, 4), 1024, 16),
    pretraining(gpt(6, 256, 4, kv_heads=2.0), 1024, 12),
    pretraining(gpt(4, 256, 8, experts=8.0, top_k=2.0, moe_layers=4.0), 512, 8),
    pretraining(gpt(6, 384, 24, kv_heads=6.0, ffn=516.0, experts=6.0, top_k=2.0, moe_layers=3.0), 1544, 24),
    pretraining(gpt(3, 256, 8, kv_heads=1.0), 516, 16),
]
bounds = st.builds(
    Bounds,
    tp_domains=st.sampled_from([0.5, 1, 2]),
    pp_most=st.sampled_from([1, 2, 4]),
    vpp_most=st.sampled_from([1, 2]),
    cp_least_tokens=st.sampled_from([100, 256]),
    micro_batch_most=st.sampled_from([1, 4]),
    micro_batch_most_tokens=st.sampled_from([1024, 4096]),
    micro_batch_most_elements=st.sampled_from([1, 2**20, 2**22]),
    fill=st.sampled_from([0.5, 1, 2]),
)


def counted(job: Job, devices: int, domain: int, can: Capability, bounds: Bounds) -> set[tuple[float, ...]]:
    """Return the fields of every valid layout, by trying every combination of small whole numbers."""
    powers, stages = (1, 2, 4, 8), range(1, bounds.pp_most + 1)
    sequence, batch = int(job.workload.tokens), int(job.batch_samples)
    odd = max(factor for factor in range(1, int(batch) + 1, 2) if batch % factor == 0)
    sizes = sorted({*powers, 16, *(odd * power for power in (*powers, 16))})
    chunks = range(1, bounds.vpp_most + 1)
    orders = [one for one in registry.SCHEDULES.values() if one.name in (can.weighed or ("1f1b",))]
    runs = range(len(orders))
    axes = (powers, stages, powers, powers, sizes, chunks, runs, can.zero, can.recompute, (0, 1), (0, 1), (0, 1))
    tp, pp, cp, ep, mbs, vpp, run, zero, recompute, offload, hybrid, whole = map(
        np.ravel, np.meshgrid(*axes, indexing="ij")
    )
    own = unstated_expert_tensor(can.expert_tensor if job.workload.divisible.experts else AS_THE_REST, tp, ep)
    plain = next(index for index, one in enumerate(orders) if not one.chunked)
    dp = np.maximum(devices // (tp * pp * cp), 1)
    micro_batches, inside, ranks = batch // (dp * mbs), np.maximum(domain // tp, 1), dp * cp
    kept = (batch % (dp * mbs) == 0) & ((tp == 1) | (tp <= bounds.tp_domains * domain))
    kept &= (cp == 1) | (sequence // cp >= bounds.cp_least_tokens)
    few = (mbs <= bounds.micro_batch_most) & (mbs * sequence <= bounds.micro_batch_most_tokens)
    kept &= (mbs == 1) | few | (mbs * job.workload.hidden <= bounds.micro_batch_most_elements)
    kept &= (ranks > 1) | (zero == min(can.zero)) | ((zero >= 2) & (offload == 1))  # alone, what is offloaded is let go
    kept &= (pp == 1) | (micro_batches >= bounds.fill * pp)
    kept &= (pp > 1) | (run == plain)  # a lone stage has nothing to order
    kept &= (hybrid == 0) | (bool(can.hsdp) & (zero > 0) & (inside > 1) & (inside < ranks))
    kept &= (whole == 0) | (can.etp & (job.workload.divisible.experts > 0) & (ep > 1) & (own > 1))
    sp = can.sp * (tp > 1) * (sequence % (cp * tp) == 0)
    shard = np.where(hybrid, inside, ranks)
    every = (
        devices,
        tp,
        pp,
        vpp,
        np.where(pp == 1, 0, np.array([one.code for one in orders])[run]),
        cp,
        dp,
        ep,
        np.where(whole, 1, own),
        zero,
        shard,
        mbs,
        micro_batches,
        sp,
        recompute,
        1,
        offload,
        0,
    )
    columns = [np.broadcast_to(np.asarray(column, float), tp.shape) for column in every]
    valid = kept & (problem(job, Layout(*columns), domain, 1e9, can) == 0)
    return {tuple(int(value) for value in row) for row in np.stack(columns, axis=-1)[valid]}


@settings(max_examples=60, deadline=None)
@given(
    job=st.sampled_from(JOBS),
    devices=st.sampled_from([1, 2, 3, 4, 6, 8, 16]),
    domain=st.sampled_from([1, 2, 4, 8]),
    stack=st.sampled_from(STACKS),
    within=bounds,
)
def test_space_is_every_valid_layout(job, devices, domain, stack, within):
    can = load().capability(stack)
    layouts = space(job, [devices], domain, can, within)
    rows = {tuple(int(v) for v in row) for row in zip(*(getattr(layouts, f) for f in Layout.__slots__), strict=True)}
    assert len(rows) == size(layouts), "no layout twice"
    assert rows == counted(job, devices, domain, can, within)


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_in_the_space_is_invalid(stack):
    for job in JOBS:
        can = load().capability(stack)
        layouts = space(job, [1, 4, 8, 24, 64], 8, can, BOUNDS)
        assert not np.any(problem(job, layouts, 8, 1e9, can))


def test_several_counts_are_the_union_of_each():
    can = load().capability("megatron-core")
    together = size(space(JOBS[0], [2, 4, 8], 8, can, BOUNDS))
    assert together == sum(size(space(JOBS[0], [count], 8, can, BOUNDS)) for count in (2, 4, 8))


def test_stages_are_uneven_where_layers_do_not_divide():
    layouts = space(JOBS[1], [4], 8, load().capability("megatron-core"), BOUNDS)
    assert set(zip(layouts.pp, layouts.partition, strict=True)) == {(1.0, 0.0), (2.0, 0.0), (4.0, 0.0)}  # of 6 blocks


def test_stacks_differ_in_what_they_run():
    megatron = space(JOBS[0], [8], 8, load().capability("megatron-core"), BOUNDS)
    fsdp = space(JOBS[0], [8], 8, load().capability("fsdp2"), BOUNDS)
    deepspeed = space(JOBS[0], [8], 8, load().capability("deepspeed"), BOUNDS)
    assert megatron.zero.max() == 1
    assert set(fsdp.zero) == {2.0, 3.0}
    assert deepspeed.tp.max() == deepspeed.pp.max() == 1
    assert not load().planned_stacks("Graphcore")
    with pytest.raises(UnknownName, match="fsdp2"):
        load().capability("fsdp")


def test_hybrid_shards_stay_in_the_fast_domain():
    layouts = space(JOBS[0], [16], 4, load().capability("fsdp2"), BOUNDS)
    smaller = layouts.shard_devices < layouts.dp * layouts.cp
    assert smaller.any()
    assert np.all((layouts.shard_devices * layouts.tp)[smaller] == 4)


def test_every_capability_has_a_source_and_a_date():
    assert all(row.capability.source and row.capability.checked for row in load().stack_files.values())


@pytest.mark.parametrize("stack", ["any", "fsdp2", "deepspeed"])
def test_a_frame_shards_recomputes_and_offloads_least(stack):
    can = load().capability(stack)
    found = frames(JOBS[0], [8], 8, can, SMALL)
    assert np.all(found.zero == min(can.zero))
    assert np.all(found.recompute == min(can.recompute))
    assert (found.offload, found.flash, found.partition) == (0, 1, 0)
    assert np.all(found.shard_devices == found.dp * found.cp)


ODD = pretraining(gpt(6, 384, 24, kv_heads=8.0, ffn=516.0, experts=6.0, top_k=2.0, moe_layers=3.0), 1544, 24)
EDGES = [
    (pretraining(gpt(3, 256, 8), 516, 16), 8, 8),  # two pieces of 258 and four of 129, but no eight
    (pretraining(gpt(3, 256, 8), 258, 16), 8, 8),  # two pieces of 129, but no four
    (pretraining(gpt(3, 256, 8), 129, 16), 8, 8),  # one odd piece
    (pretraining(gpt(3, 256, 8), 64, 16), 8, 8),  # too short to be cut
    (ODD, 8, 8),  # eight tensor ranks divide the heads but not the width of 516
    (ODD, 24, 6),  # four tensor ranks leave no smaller shard group in a domain of six
    (pretraining(gpt(6, 384, 24, kv_heads=8.0), 1544, 24), 16, 8),  # 193 x 8 tokens: not for 2 x 8 ranks
]


@pytest.mark.parametrize(("job", "devices", "domain"), EDGES)
@pytest.mark.parametrize("sp", [True, False])
def test_the_space_of_odd_lengths_and_widths(job, devices, domain, sp):
    can = replace(load().capability("any"), sp=sp)
    within = replace(SMALL, cp_least_tokens=100)
    layouts = space(job, [devices], domain, can, within)
    rows = {tuple(int(v) for v in row) for row in zip(*(getattr(layouts, f) for f in Layout.__slots__), strict=True)}
    assert rows == counted(job, devices, domain, can, within)


ASKED = {
    "devices": (64,),
    "tp": (2,),
    "pp": (3,),
    "vpp": (9,),
    "schedule": (1,),
    "cp": (2,),
    "dp": (4,),
    "ep": (2,),
    "etp": (2,),
    "zero": (1,),
    "shard_devices": (2,),
    "micro_batch": (3,),
    "micro_batches": (24,),
    "sp": (0,),
    "recompute": (2,),
    "flash": (0,),
    "offload": (1,),
    "partition": (1, given_partition((2, 4, 3, 3, 3, 3, 3, 3, 3))),
}
"""Values of each field, most of which are not looked at unless somebody asks for them."""


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_for_enters_the_space_and_stays_valid(name: str) -> None:
    job = pretraining(gpt(27, 384, 24, experts=6.0, top_k=2.0, moe_layers=27.0), 1536, 288)
    devices, can = [48, 64, 72], load().capability("any")
    asked = {name: ASKED[name]}
    found = space(job, devices, 8, can, BOUNDS, asked)
    column = np.broadcast_to(getattr(found, name), size(found))
    if name in ("devices", "dp", "zero", "schedule", "recompute", "offload"):  # crossed anyway: a search drops the rest
        assert set(ASKED[name]) <= set(column.tolist())
    else:
        assert set(column.tolist()) == set(ASKED[name])
    assert not np.any(problem(job, found, 8, 0.0, can))
    rows = np.stack([np.broadcast_to(getattr(found, one), size(found)) for one in Layout.__slots__])
    assert np.unique(rows, axis=1).shape == rows.shape


def test_every_field_of_a_layout_can_be_asked_for() -> None:
    assert set(ASKED) == set(Layout.__slots__)


def test_asking_for_the_usual_values_changes_nothing() -> None:
    job, can = JOBS[2], load().capability("megatron-core")
    usual = space(job, [4, 8], 8, can, BOUNDS)
    alike = space(job, [4, 8], 8, can, BOUNDS, {"flash": (1,), "partition": (0,), "cp": (1,)})
    for name in Layout.__slots__:
        np.testing.assert_array_equal(getattr(usual, name), getattr(alike, name))


def test_images_and_rows_are_taken_by_the_elements_that_they_keep() -> None:
    """256 images of ResNet-50 at once, 408 of a batch of 3,264 on 8 devices where they are as small as a vector."""
    can = load().capability("fsdp2")
    images = job_table(read_job("resnet-50", samples="1M", global_batch=3264))
    assert set(space(images, [8], 8, can, BOUNDS).micro_batch) == {1, 2, 4, 8, 51, 102, 204}
    wide = replace(BOUNDS, micro_batch_most_elements=2**40)
    assert max(space(images, [8], 8, can, wide).micro_batch) == 408
    text = job_table(read_job("llama-3-8b", tokens="1B", global_batch=512))
    assert max(space(text, [8], 8, can, BOUNDS).micro_batch) == 8


@pytest.mark.parametrize(
    ("asked", "some"), [({}, True), ({"schedule": (0,)}, True), ({"schedule": (2,)}, False), ({"vpp": (2,)}, False)]
)
def test_a_stack_without_pipelines_has_no_layout_of_an_asked_one(asked, some):
    found = frames(JOBS[0], [8], 8, load().capability("hf-trainer"), SMALL, asked)
    assert (size(found) > 0) == some


def test_an_asked_schedule_of_pipelines_has_several_stages():
    found = frames(JOBS[0], [8], 8, load().capability("any"), SMALL, {"schedule": (2,)})
    assert size(found) > 0
    assert np.all(np.asarray(found.pp) > 1)
