"""Laws that peak memory keeps whatever the job, the layout and the stack."""

from dataclasses import fields, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled, gpt, layout, pretraining

from steelyard.catalog import load, stack, stacks
from steelyard.step import memory, stage_job
from steelyard.step.tensors.activations import unit_inputs_bytes
from steelyard.step.tensors.buffers import gathered_bytes, loading_bytes
from steelyard.step.tensors.recipe import resident, settled
from steelyard.tables import Job, Layout, Machine, join
from steelyard.workload import Architecture

NO_MACHINE = filled(Machine)
STACKS = {name: stack(name) for name in stacks(load())}


def model(layers: float, heads: float, vocab: float, experts: float, dropout: float) -> Architecture:
    hidden = heads * 128
    sparse = {
        "moe_layers": layers - 2,
        "experts": experts,
        "top_k": 2.0,
        "moe_ffn": hidden / 4,
        "routed_params": experts * 3 * hidden * hidden / 4,
        "shared_params": hidden * experts,
    }
    return gpt(layers, hidden, heads, vocab, dropout=dropout, **(sparse if experts else {}))


powers = st.sampled_from([1.0, 2.0, 4.0, 8.0])
models = st.builds(
    model,
    layers=st.sampled_from([8.0, 16.0, 61.0]),
    heads=st.sampled_from([8.0, 32.0, 64.0]),
    vocab=st.sampled_from([1000.0, 32000.0, 256000.0]),
    experts=st.sampled_from([0.0, 8.0, 64.0]),
    dropout=st.sampled_from([0.0, 1.0]),
)


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Job, Layout, str]:
    sequence = draw(st.sampled_from([512.0, 2048.0, 8192.0]))
    job = pretraining(draw(models), sequence, 1024, trainable_share=draw(st.sampled_from([1.0, 0.01])))
    pp = draw(st.sampled_from([1.0, 2.0, 4.0]))
    degrees: dict[str, Any] = {
        "tp": draw(powers),
        "pp": pp,
        "dp": draw(powers),
        "ep": draw(st.sampled_from([1.0, 8.0])) if job.workload.copies else 1.0,
        "zero": draw(st.sampled_from([0.0, 1.0, 2.0, 3.0])),
        "sp": draw(st.sampled_from([0.0, 1.0])),
        "flash": draw(st.sampled_from([0.0, 1.0])),
        "recompute": draw(st.sampled_from([0.0, 1.0, 2.0])),
        "micro_batch": draw(powers),
    }
    return job, layout(job, **degrees), draw(st.sampled_from(sorted(STACKS)))


def device(job: Job, laid: Layout, name: str) -> float:
    return float(memory(stage_job(job, laid), NO_MACHINE, STACKS[name]).device_bytes)


@given(candidates())
def test_parts_sum_to_what_is_allocated(candidate):
    job, laid, name = candidate
    peak = memory(stage_job(job, laid), NO_MACHINE, STACKS[name])
    parts = [getattr(peak, field.name) for field in fields(peak)][:6]
    assert all(part >= 0 for part in parts), (name, [float(part) for part in parts], laid)
    assert sum(parts) == pytest.approx(peak.allocated_bytes)
    assert peak.allocated_bytes <= peak.reserved_bytes <= peak.device_bytes


@given(candidates())
def test_more_samples_never_take_less(candidate):
    job, laid, name = candidate
    assert device(job, replace(laid, micro_batch=2 * laid.micro_batch), name) >= device(job, laid, name)


@given(models, candidates())
def test_longer_sequences_never_take_less(shape, candidate):
    _, laid, name = candidate
    laid = replace(laid, pp=1.0)
    short, long = (device(pretraining(shape, sequence, 1024), laid, name) for sequence in (1024.0, 2048.0))
    assert long >= short


@given(candidates(), st.sampled_from(["tp", "cp", "shard_devices", "sp", "flash", "offload"]))
def test_splitting_never_takes_more(candidate, degree):
    job, laid, name = candidate
    flag = degree in ("sp", "flash", "offload")
    if degree == "shard_devices" and laid.shard_devices == 1:
        laid = replace(laid, shard_devices=2.0)  # a single device gathers nothing
    if degree == "cp" and laid.dp * laid.cp == 1:
        laid = replace(laid, dp=2.0)  # nor has it buckets of gradients
    before = replace(laid, **{degree: 0.0}) if flag else laid
    after = replace(laid, **{degree: 1.0 if flag else 2 * getattr(laid, degree)})
    assert device(job, after, name) <= device(job, before, name) * (1 + 1e-12)


@given(candidates())
def test_recompute_never_takes_more(candidate):
    """From 8 blocks on a stage: recompute works on a whole block at once, which one or two blocks do not repay."""
    job, laid, name = candidate
    laid = replace(laid, pp=1.0)
    full, selective, none = (device(job, replace(laid, recompute=depth), name) for depth in (2.0, 1.0, 0.0))
    assert selective <= none * (1 + 1e-12)
    assert full <= max(selective, none) * (1 + 1e-12)


@given(candidates(), st.sampled_from([1.0, 2.0, 3.0]))
def test_sharded_states_never_take_more(candidate, zero):
    """Parameters that are gathered take buffers of their own: only states are compared."""
    job, laid, name = candidate
    laid = replace(laid, pp=1.0)
    one, other = (
        memory(stage_job(job, replace(laid, zero=stage)), NO_MACHINE, STACKS[name]) for stage in (zero - 1, zero)
    )
    states = [peak.weights_bytes + peak.gradients_bytes + peak.optimizer_bytes for peak in (one, other)]
    assert states[1] <= states[0] * (1 + 1e-12)


@given(candidates(), st.sampled_from([0.0, 0.5625, 2.0]), st.sampled_from([1.0, 2.0, 3.0]))
def test_a_higher_zero_stage_takes_no_more_than_buffers_that_are_named(candidate, frozen, zero):
    """Units that are gathered, their inputs under flat parameters, whole weights while shards load: nothing else."""
    job, laid, name = candidate
    job = tuned(job, frozen)
    laid = replace(laid, pp=1.0)
    one, more = (
        float(memory(stage_job(job, replace(laid, zero=stage)), NO_MACHINE, STACKS[name]).allocated_bytes)
        for stage in (zero - 1, zero)
    )
    assert more <= one * (1 + 1e-12) + named_bytes(job, replace(laid, zero=zero), name)


@pytest.mark.parametrize("name", sorted(STACKS))
@pytest.mark.parametrize("frozen", [0.0, 0.5625, 2.0])
def test_one_device_takes_no_more_by_sharding_offloading_or_recomputing(name: str, frozen: float) -> None:
    """It shards nothing with anybody; a block that runs again is small beside the sixteen that need not wait."""
    job = tuned(pretraining(model(16.0, 8.0, 1000.0, 0.0, 0.0), 2048.0, 4.0), frozen)
    before = device(job, layout(job, micro_batch=4.0), name)
    for zero, offload, recompute in product((0.0, 1.0, 2.0, 3.0), (0.0, 1.0), (0.0, 1.0, 2.0)):
        laid = layout(job, micro_batch=4.0, zero=zero, offload=offload, recompute=recompute)
        assert device(job, laid, name) <= before * (1 + 1e-12), laid


def tuned(job: Job, frozen: float) -> Job:
    """Return a job whose base is frozen in so many bytes a parameter (0: that is trained), packed below 2."""
    if not frozen:
        return replace(job, trainable_share=1.0)
    packed = {"packed_bytes": frozen} if frozen < 2 else {}
    return replace(job, trainable_share=0.01, frozen_bytes=frozen, recipe=replace(job.recipe, **packed))


def named_bytes(job: Job, laid: Layout, name: str) -> float:
    """Return what a stack holds on a device besides its states because of the stage at which it shards them."""
    staged, tool = stage_job(job, laid), STACKS[name]
    recipe = resident(settled(job.recipe, tool), laid)
    stage, params = staged.stages[0], staged.params
    units = gathered_bytes(job, laid, recipe, staged.by, stage, params.blocks, tool.gather_bytes)
    inputs = unit_inputs_bytes(job, laid, recipe, staged.by, stage.blocks)
    return float(units + inputs * np.any(recipe.input_gradients) + loading_bytes(laid, recipe, params.ranks[0]))


@given(st.lists(candidates(), min_size=2, max_size=5))
def test_many_at_once_equal_each_alone(found):
    jobs, laid = join([job for job, _, _ in found]), join([laid for _, laid, _ in found])
    together = memory(stage_job(jobs, laid), NO_MACHINE, STACKS["megatron-core"])
    for index, (job, one, _) in enumerate(found):
        alone = memory(stage_job(job, one), NO_MACHINE, STACKS["megatron-core"])
        for field in fields(alone):
            value = np.broadcast_to(getattr(together, field.name), (len(found),))[index]
            assert value == pytest.approx(getattr(alone, field.name))
