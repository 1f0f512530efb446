"""The space holds every valid layout inside its bounds, and nothing else; checked against counting one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shapes import gpt, pretraining

from steelyard.catalog import load
from steelyard.catalog.capabilities import Capability
from steelyard.errors import UnknownName
from steelyard.layout import BOUNDS, Bounds, problem, size, space
from steelyard.tables import Job, Layout

STACKS = sorted(load().capabilities)
SMALL = Bounds(
    tp_domains=1, pp_most=4, vpp_most=2, cp_least_tokens=256, micro_batch_most=4, micro_batch_most_tokens=4096, fill=1
)


JOBS = [
    pretraining(gpt(4, 256, 4), 1024, 16),
    pretraining(gpt(6, 256, 4, kv_heads=2.0), 1024, 12),
    pretraining(gpt(4, 256, 8, experts=8.0, top_k=2.0, moe_layers=4.0), 512, 8),
]


def one_by_one(job: Job, devices: int, domain: int, can: Capability, bounds: Bounds) -> set[tuple[float, ...]]:
    """Return the fields of every valid layout, by trying every combination of small whole numbers."""
    powers = [1, 2, 4, 8]
    layers, sequence = int(job.workload.divisible.blocks), int(job.workload.tokens)
    found = set()
    degrees = itertools.product(powers, range(1, bounds.pp_most + 1), powers, powers, (1, 2, 4), (1, 2), can.zero)
    for (tp, pp, cp, ep, mbs, vpp, zero), recompute, offload in itertools.product(degrees, can.recompute, (0, 1)):
        dp = devices // (tp * pp * cp)
        if dp < 1 or job.batch_sequences % (dp * mbs) or tp > bounds.tp_domains * domain:
            continue
        micro_batches = int(job.batch_sequences) // (dp * mbs)
        roomy = cp == 1 or sequence // cp >= bounds.cp_least_tokens
        short = mbs == 1 or mbs * sequence <= bounds.micro_batch_most_tokens
        useful = dp * cp > 1 or zero == min(can.zero)
        if not roomy or not short or not useful or (pp > 1 and micro_batches < bounds.fill * pp):
            continue
        sp = int(can.sp and tp > 1 and sequence % (cp * tp) == 0)
        inside = max(domain // tp, 1)
        for shard in {dp * cp} | ({inside} if can.hsdp and zero and 1 < inside < dp * cp else set()):
            row = (devices, tp, pp, vpp, cp, dp, ep, zero, shard, mbs, micro_batches, sp, recompute, 1, offload)
            layout = Layout(*map(float, row), stage_layers=float(-(-layers // pp)))
            if problem(job, layout, domain, 1e9, can) == 0:
                found.add((*row, -(-layers // pp)))
    return found


@settings(max_examples=40, deadline=None)
@given(
    job=st.sampled_from(JOBS),
    devices=st.sampled_from([1, 2, 3, 4, 6, 8, 16]),
    domain=st.sampled_from([1, 2, 4, 8]),
    stack=st.sampled_from(STACKS),
)
def test_space_is_every_valid_layout(job, devices, domain, stack):
    can = load().capability(stack)
    layouts = space(job, [devices], domain, can, SMALL)
    rows = {tuple(int(v) for v in row) for row in zip(*(getattr(layouts, f) for f in Layout.__slots__), strict=True)}
    assert len(rows) == size(layouts), "no layout twice"
    assert rows == one_by_one(job, devices, domain, can, SMALL)


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
    assert set(zip(layouts.pp, layouts.stage_layers, strict=True)) == {(1.0, 6.0), (2.0, 3.0), (4.0, 2.0)}


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
    assert all(row.source and row.checked for row in load().capabilities.values())
