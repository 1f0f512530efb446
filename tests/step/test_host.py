"""What lies in the memory of a host: states, gradients, parameters and saved inputs of the devices that it feeds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.neutral import peak

from steelyard import catalog, pipeline
from steelyard.catalog.tabulate import host_memory_bytes
from steelyard.formatting.figures import number
from steelyard.job import job_table, read_job
from steelyard.job.kept.recipes import partial_recipe
from steelyard.job.optimizers import published_optimizer
from steelyard.planner import estimate, plan
from steelyard.reasons.terms import memory_terms
from steelyard.step import host_memory, stage_job
from steelyard.step.time import paging_s
from steelyard.tables import HostMemory, Job, Layout, Machine, Stack

GPT = gpt(4, 1024, 16, 50_000)
PARAMS = GPT.total_params
JOB = pretraining(GPT, 512, 64)


def kept(job: Job, laid: Layout, node_devices: float = 8.0, **constants: float) -> HostMemory:
    machine = filled(Machine, node_devices=node_devices)
    return host_memory(stage_job(job, laid), machine, filled(Stack, **{"host_buffers": 1.0, **constants}))


def test_states_and_gradients_of_eight_devices() -> None:
    laid = layout(JOB, dp=16.0, zero=2.0, shard_devices=16.0, offload=1.0)
    found = kept(JOB, laid, grad_bytes=2.0)
    assert found.optimizer_bytes == pytest.approx(8 * 12 * PARAMS / 16)  # 2104.07857, section 3: 12 bytes a parameter
    assert found.gradients_bytes == pytest.approx(8 * 2 * PARAMS / 16)
    assert (found.weights_bytes, found.activations_bytes) == (0, 0)
    assert found.total_bytes == pytest.approx(8 * 14 * PARAMS / 16)


def test_buffers_come_on_top_of_what_is_offloaded_and_of_nothing_else() -> None:
    """DeepSpeed's own estimate: half as much again (runtime/zero/stage_1_and_2.py)."""
    laid = layout(JOB, dp=8.0, zero=2.0, shard_devices=8.0, offload=1.0)
    plain, buffered = (kept(JOB, laid, grad_bytes=2.0, host_buffers=factor) for factor in (1.0, 1.5))
    assert buffered.total_bytes == pytest.approx(1.5 * plain.total_bytes)
    paged = (kept(JOB, replace(laid, offload=0.0), states_paged=1.0, host_buffers=factor) for factor in (1.0, 1.5))
    first, second = (one.optimizer_bytes for one in paged)
    assert first == second > 0
    assert [float(catalog.stack(name).host_buffers) for name in ("fsdp2", "deepspeed")] == [1.0, 1.5]


T5_3B = gpt(8, 5120, 64, 32_128)
"""As many parameters as the page's example to within a few per cent; bytes are compared a parameter."""


@pytest.mark.parametrize(
    ("zero", "devices", "params", "gib"),
    [
        (3.0, 8.0, 1.0, 71.69),  # offload of states and parameters, zero_init=1
        (3.0, 8.0, 0.0, 63.72),  # of states alone
        (2.0, 4.0, 0.0, 63.72),  # max(4 n_gpus, 16): of four devices the same
        (2.0, 1.0, 0.0, 63.72),
    ],
)
def test_deepspeed_says_24_bytes_a_parameter_and_27_with_parameters(
    zero: float, devices: float, params: float, gib: float
) -> None:
    """deepspeedai/DeepSpeed docs/code-docs/source/memory.rst: t5-3b, 2,851M parameters on one node."""
    job = replace(pretraining(T5_3B, 512, 64), recipe=partial_recipe(weights_on_host=params))
    laid = layout(job, dp=devices, zero=zero, shard_devices=devices, offload=1.0)
    for name in ("deepspeed", "megatron-deepspeed"):
        found = host_memory(stage_job(job, laid), filled(Machine, node_devices=8.0), catalog.stack(name))
        assert float(found.total_bytes) / T5_3B.total_params == pytest.approx(gib * 2**30 / 2851e6, rel=1e-3)


def test_a_gradient_is_widened_only_for_a_master_copy() -> None:
    laid = layout(JOB, dp=8.0, zero=2.0, shard_devices=8.0, offload=1.0)
    pure = replace(JOB, master_bytes=0.0, moment_bytes=4.0)
    found = [kept(job, laid, grad_bytes=2.0, host_gradient_bytes=4.0).gradients_bytes for job in (JOB, pure)]
    assert found == [pytest.approx(4 * PARAMS), pytest.approx(2 * PARAMS)]


def test_a_host_feeds_no_more_devices_than_there_are() -> None:
    laid = layout(JOB, dp=2.0, zero=1.0, shard_devices=2.0, offload=1.0)
    assert kept(JOB, laid).optimizer_bytes == pytest.approx(12 * PARAMS)


def test_parameters_go_with_the_states_where_a_stack_takes_them() -> None:
    laid = layout(JOB, dp=8.0, zero=3.0, shard_devices=8.0, offload=1.0)
    states, all_of_it = (kept(JOB, laid, weight_bytes=2.0, offload_weights=share) for share in (0.0, 1.0))
    assert states.weights_bytes == 0
    assert all_of_it.weights_bytes == pytest.approx(2 * PARAMS)
    on, off = (peak(JOB, laid, weight_bytes=2.0, offload_weights=share).weights_bytes for share in (0.0, 1.0))
    assert (on, off) == (pytest.approx(2 * PARAMS / 8), 0)


def test_parameters_that_rest_on_the_host_need_no_offloaded_states() -> None:
    job = replace(JOB, recipe=partial_recipe(weights_on_host=1.0))
    laid = layout(job, dp=8.0, zero=3.0, shard_devices=8.0)
    assert kept(job, laid, weight_bytes=2.0).total_bytes == pytest.approx(2 * PARAMS)


def test_a_quantised_base_stays_so_while_it_is_gathered() -> None:
    job = replace(JOB, trainable_share=0.0, frozen_bytes=0.5)
    away = replace(job, recipe=partial_recipe(weights_on_host=1.0))
    laid = layout(job)
    assert peak(away, laid).buffers_bytes - peak(job, laid).buffers_bytes == pytest.approx(0.5 * PARAMS)


SELECTIVE = filled(Stack, selective_scale=1.0, score_copies=1.0, score_gradients=1.0)


def test_inputs_of_blocks_that_wait_on_the_host() -> None:
    job = replace(JOB, recipe=partial_recipe(saved_on_host=1.0))
    laid = layout(job, dp=8.0, recompute=2.0, micro_batch=4.0, micro_batches=2.0)
    assert kept(job, laid).activations_bytes == 8 * 4 * 4 * 512 * 1024 * 2
    assert kept(job, replace(laid, recompute=0.0)).activations_bytes == 0


@pytest.mark.parametrize("recompute", [0.0, 0.25, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("flash", [0.0, 1.0])
def test_all_that_blocks_keep_waits_on_the_host_where_autograd_s_tensors_go_there(
    recompute: float, flash: float
) -> None:
    """huggingface/trl models/activation_offloading.py: whatever the policy, what leaves one side comes to the other."""
    entries = {"saved_on_host": 1.0, "kept_on_host": 1.0}
    away = replace(JOB, recipe=partial_recipe(**entries))
    laid = layout(JOB, recompute=recompute, flash=flash, micro_batch=2.0)
    near, far = (float(peak(job, laid).activations_bytes) for job in (JOB, away))
    hosted = float(host_memory(stage_job(away, laid), filled(Machine, node_devices=1.0), SELECTIVE).activations_bytes)
    ends = float(peak(replace(JOB, recipe=partial_recipe(**entries)), replace(laid, recompute=2.0)).activations_bytes)
    assert far == ends
    assert near - far == pytest.approx(hosted)
    assert hosted > 0


@given(st.sampled_from([0.0, 1.0, 2.0, 3.0]), st.sampled_from([1.0, 2.0, 4.0]), st.sampled_from([0.0, 1.0]))
def test_what_leaves_the_device_is_what_comes_to_the_host(zero: float, dp: float, weights: float) -> None:
    """Under one host of one device a rank's states are on either side, never on both and never on neither."""
    constants = {"weight_bytes": 2.0, "grad_bytes": 4.0, "offload_weights": weights}
    there = layout(JOB, dp=dp, zero=zero, shard_devices=dp, offload=1.0)
    near, far = (peak(JOB, replace(there, offload=offload), **constants) for offload in (0.0, 1.0))
    found = kept(JOB, there, 1.0, **constants)
    assert near.optimizer_bytes - far.optimizer_bytes == pytest.approx(found.optimizer_bytes)
    rests = dp if zero == 2 else 1.0  # whole on the device only while it is gathered: its shard goes
    assert near.weights_bytes - far.weights_bytes == pytest.approx(found.weights_bytes * rests)
    assert (found.weights_bytes > 0) == (weights > 0 and zero >= 2)


@pytest.mark.parametrize("offload", [0.0, 1.0])
@pytest.mark.parametrize("zero", [2.0, 3.0])
def test_a_weight_that_is_only_cast_goes_with_its_master_copy(zero: float, offload: float) -> None:
    """PyTorch FSDP2 documentation, MixedPrecisionPolicy: the shard is fp32 and is the parameter."""
    job = replace(JOB, recipe=partial_recipe(weights_on_host=1.0))
    laid = layout(job, dp=4.0, zero=zero, shard_devices=4.0, offload=offload)
    constants = {"weight_bytes": 2.0, "grad_bytes": 4.0, "cast": 1.0}
    found, device = kept(job, laid, 1.0, **constants), peak(job, laid, **constants)
    held = 0 if offload else 8 * PARAMS / 4
    assert device.optimizer_bytes == pytest.approx(held)
    assert found.weights_bytes + found.optimizer_bytes == pytest.approx(12 * PARAMS / 4 - held)


def test_qlora_of_70b_parameters_on_two_24_gb_cards() -> None:
    """answer.ai/posts/2024-03-06-fsdp-qlora: FSDP, 4 bits and offload to the CPU train Llama-2 70B on two cards."""
    asked = {"tokens": "10M", "task": "qlora", "sequence": 512, "stack": "fsdp2"}
    laid = "zero=3,mbs=1,recompute=full"
    near, far = (estimate("llama-2-70b", on="RTX-4090:2", layout=f"{laid},offload={one}", **asked) for one in (0, 1))
    assert not near.fits
    assert far.fits
    assert far.memory_bytes.high < 10 * 2**30
    assert 33 * 2**30 < far.host_bytes < 40 * 2**30  # 35 GB of packed weights and scales, adapters with states


def test_what_exceeds_the_memory_of_a_host_is_refused_where_it_is_known() -> None:
    asked = {"tokens": "10M", "stack": "fsdp2", "layout": "zero=3,recompute=full,offload=1"}
    small = estimate("llama-2-70b", on="p3.16xlarge", precision="fp16", **asked)
    assert small.host_limit_bytes == 488 * 2**30
    assert small.host_bytes > small.host_limit_bytes
    assert not small.fits
    assert any(one.text.startswith("host memory: ") for one in small.bound_by)
    assert np.isnan(estimate("llama-3-8b", on="RTX-4090:8", **asked).host_limit_bytes)


def test_a_search_proposes_nothing_that_a_host_has_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"tokens": "10M", "accelerators": "A100-40GB:8", "layout": {"offload": 1}, "stack": "fsdp2"}
    assert plan("llama-2-70b", **asked).points
    monkeypatch.setattr("steelyard.catalog.tabulate.host_memory_bytes", lambda system, catalog: 64 * 2.0**30)
    assert not plan("llama-2-70b", **asked).points


def test_hosts_of_the_catalog_have_at_most_a_terabyte_a_device() -> None:
    known = catalog.load()
    found = {name: host_memory_bytes(name, known) / row.node_devices for name, row in known.systems.items()}
    held = {name: each / 2**30 for name, each in found.items() if not np.isnan(each)}
    assert len(held) > 100
    assert all(8 <= each <= 1024 for each in held.values()), held
    assert np.isnan(host_memory_bytes("node-H100-NVL", known))


def test_an_instance_whose_name_says_its_memory_has_it() -> None:
    known = catalog.load()
    found = {name: host_memory_bytes(name, known) / 2**30 for name in known.systems if "vcpu-" in name}
    assert found
    assert all(f"vcpu-{gib:.0f}gb" in name for name, gib in found.items())
    cards = [name for name in known.systems if "gb" in name and "vcpu-" not in name]
    assert cards  # what their names say is the memory of a card
    assert all(np.isnan(host_memory_bytes(name, known)) for name in cards)
    asked = {"tokens": "10M", "layout": "offload=1,zero=3", "stack": "deepspeed", "global_batch": 64}
    full = estimate("llama-3-70b", on="gpu-l40s-d_4gpu-128vcpu-768gb:4", **asked)
    assert not full.fits
    assert any("offloaded where a host has 768; it does not fit; offload less" in one.text for one in full.bound_by)


@pytest.mark.parametrize(("model", "said"), [("llama-3-8b", True), ("gpt2", False)])
def test_a_host_of_unknown_memory_is_told_where_much_is_put_there(model: str, said: bool) -> None:
    asked = {"tokens": "10M", "layout": "offload=1,zero=3", "stack": "deepspeed", "global_batch": 64}
    found = estimate(model, on="node-RTX-4090:4", **asked)
    texts = [one.text for one in found.bound_by if "host memory unknown" in one.text]
    assert texts == [f"host memory unknown: needs {found.host_bytes / 2**30:,.0f} GiB a host"] * said
    assert (found.host_bytes > 100 * 2**30) == said
    assert any(one.text.startswith("host memory") for one in found.bound_by)  # little is told as well
    known = estimate(model, on="p5.48xlarge:8", **asked)
    (told,) = (one.text for one in known.bound_by if one.text.startswith("host memory"))
    assert told == f"host memory: needs {number(known.host_bytes / 2**30)} of 2,048 GiB a host"
    assert not any("host memory" in one.text for one in estimate(model, on="p5.48xlarge:8", tokens="10M").bound_by)


def test_bytes_of_a_host_are_asked_for_apart() -> None:
    laid = layout(JOB, dp=8.0, zero=1.0, shard_devices=8.0, offload=1.0)
    found = pipeline.host(JOB, laid, filled(Machine, node_devices=4.0), filled(Stack, host_buffers=1.0))
    assert found.total_bytes == pytest.approx(4 * (12 + 2) * PARAMS / 8)


@given(st.floats(0.0, 2.0))
def test_paged_states_fill_what_room_there_is_and_need_none(share: float) -> None:
    job = replace(JOB, recipe=partial_recipe(states_paged=1.0))
    laid, tool = layout(job), filled(Stack, weight_bytes=2.0, grad_bytes=2.0, reserved_scale=1.0)
    states = 12 * PARAMS
    near, paged = (pipeline.peak(one, laid, filled(Machine, memory_bytes=1e15), tool) for one in (JOB, job))
    assert near.needed_bytes - paged.needed_bytes == pytest.approx(states)
    assert (near.paged_bytes, paged.paged_bytes) == (0, pytest.approx(states))
    assert near.allocated_bytes - paged.allocated_bytes == pytest.approx(states)  # not the allocator's
    assert paged.device_bytes == pytest.approx(near.device_bytes)
    room = filled(Machine, memory_bytes=float(paged.needed_bytes) + share * states)
    assert pipeline.peak(job, laid, room, tool).device_bytes - paged.needed_bytes == (
        pytest.approx(min(share, 1.0) * states, abs=1.0)
    )
    assert kept(job, laid, 1.0).optimizer_bytes == pytest.approx(states)


@given(st.floats(0.0, 2.0))
def test_pages_without_room_cross_the_bus_twice_a_step(share: float) -> None:
    job = replace(JOB, recipe=partial_recipe(states_paged=1.0))
    laid, tool = layout(job), filled(Stack, weight_bytes=2.0, grad_bytes=2.0, reserved_scale=1.0)
    states = 12 * PARAMS
    least = float(pipeline.peak(job, laid, filled(Machine, memory_bytes=1e15), tool).needed_bytes)
    room = filled(Machine, memory_bytes=least + share * states, host_bytes_per_s=32e9)
    staged = stage_job(job, laid)
    assert paging_s(staged, room, tool) == pytest.approx(2 * max(1 - share, 0.0) * states / 32e9, abs=1e-6)
    stays = replace(job, recipe=partial_recipe(states_paged=0.0))
    assert paging_s(stage_job(stays, laid), room, tool) == 0


def test_a_step_that_pages_is_slower_by_as_much() -> None:
    asked = {"tokens": "10M", "on": "RTX-4090:1", "stack": "hf-trainer", "sequence": 512, "precision": "bf16-pure"}
    laid = {"layout": "mbs=1,recompute=full,offload=0", "global_batch": 4}
    stays = {"recipe": "optimizer_states=device"}

    def seconds(model: str, **told: str) -> float:
        return float(estimate(model, optimizer="paged_adamw_32bit", **asked, **laid, **told).time.optimizer_s)

    paged = estimate("qwen2.5-3b", optimizer="paged_adamw_32bit", **asked, **laid)
    away = paged.host_bytes - float(paged.memory.paged_bytes)  # one device: of all states, what is not on it
    bus = catalog.machine(catalog.load().system("node-RTX-4090"), "bf16").host_bytes_per_s
    assert away > 2**30
    more_s = seconds("qwen2.5-3b") - seconds("qwen2.5-3b", **stays)
    assert 0.5 < more_s / (2 * away / bus) < 2  # but for what scales all times of the stack
    assert seconds("gpt2") == seconds("gpt2", **stays)


@pytest.mark.parametrize(
    ("name", "moments"),
    [("paged_adamw_8bit", 2 + 8 / 2048), ("paged_adamw_32bit", 8), ("paged AdamW 8-bit", 2 + 8 / 2048)],
)
def test_paged_optimizers_are_known_by_their_names(name: str, moments: float) -> None:
    found = published_optimizer(name)
    assert found.paged
    assert found.moment_bytes == moments
    if "_" in name:
        job = job_table(read_job("llama-3-8b", tokens="10M", optimizer=name))
        assert (job.recipe.states_paged, job.moment_bytes) == (1.0, pytest.approx(moments, rel=1e-3))
        stays = read_job("llama-3-8b", tokens="10M", optimizer=name, recipe={"optimizer_states": "device"})
        assert job_table(stays).recipe.states_paged == 0


def test_a_paged_optimizer_decides_what_fits_a_small_card() -> None:
    asked = {"tokens": "10M", "on": "RTX-4090:1", "stack": "hf-trainer", "sequence": 512, "precision": "bf16-pure"}
    laid = {"layout": "mbs=1,recompute=full,offload=0", "global_batch": 4}
    usual, paged = (estimate("qwen2.5-3b", optimizer=name, **asked, **laid) for name in ("adamw", "paged_adamw_32bit"))
    assert paged.memory.needed_bytes < usual.memory.needed_bytes
    assert paged.memory_bytes.high <= usual.memory_bytes.high
    assert paged.memory.paged_bytes > 0 == usual.memory.paged_bytes
    outside = [
        float(term.value)
        for one in (paged, usual)
        for term in memory_terms(one.memory)
        if term.name == "context and communication library"
    ]
    assert outside[0] == pytest.approx(outside[1])
    for one in (paged, usual):
        assert sum(float(term.value) for term in memory_terms(one.memory)) == pytest.approx(one.memory.device_bytes)
    assert paged.host_bytes > usual.host_bytes == 0
