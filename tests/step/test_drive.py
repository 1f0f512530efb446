"""What rests on the NVMe drives of a node: bytes and traffic of ZeRO-Infinity, buffers of DeepSpeed, laws."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import JOB, LINK, PARAMS, PEAK, S, kernels, machine, peak, stack, step

from steelyard import catalog, pipeline
from steelyard.catalog.hosts.drives import drives_of
from steelyard.job.kept.recipes import partial_recipe
from steelyard.step import drive_memory, host_memory, stage_job
from steelyard.step.drive import drives_s, fetching_s, swapping_s
from steelyard.step.offload import heaviest_shard
from steelyard.tables import HostMemory, Job, Layout, Stack, StepMemory, join

WEIGHTS = {"weights_on_host": 1.0, "weights_on_nvme": 1.0}
STATES = {"states_on_nvme": 1.0}
READ, WRITE = 2e9, 1e9
RATES = {"nvme_read_bytes_per_s": READ, "nvme_write_bytes_per_s": WRITE}
INFINITE = dict.fromkeys(RATES, np.inf)


def kept_as(job: Job, **entries: float) -> Job:
    return replace(job, recipe=partial_recipe(**entries))


def sharded(job: Job, **given: float) -> Layout:
    return layout(job, **({"dp": 8.0, "zero": 3.0, "shard_devices": 8.0, "offload": 1.0} | given))


def on_host(job: Job, laid: Layout, made: Stack, node_devices: float = 8.0) -> HostMemory:
    return host_memory(stage_job(job, laid), machine(node_devices=node_devices), made)


def test_a_drive_holds_16_bytes_of_states_and_2_of_a_weight_of_each_parameter() -> None:
    """arXiv 2104.07857, section 3: fp32 parameter, momentum, variance and gradient, and the 16-bit parameter."""
    job = kept_as(JOB, **WEIGHTS, **STATES)
    found = drive_memory(stage_job(job, sharded(job)), machine(node_devices=8.0), stack())
    assert found.optimizer_bytes == pytest.approx(12 * PARAMS)
    assert found.gradients_bytes == pytest.approx(4 * PARAMS)
    assert found.weights_bytes == pytest.approx(2 * PARAMS)
    assert found.total_bytes == pytest.approx(18 * PARAMS)


@pytest.mark.parametrize(("billions", "fits"), [(1000, True), (1800, False)])
def test_a_trillion_parameters_are_trained_on_one_dgx_2(billions: float, fits: bool) -> None:
    """arXiv 2104.07857, abstract: fine-tuning of a trillion parameters on a single node, by its drives."""
    shape = gpt(128, 25_600, 160, 50_000, total_params=billions * 1e9)
    job = kept_as(pretraining(shape, 1024, 16.0), **WEIGHTS, **STATES)
    laid = sharded(job, dp=16.0, shard_devices=16.0)
    staged = stage_job(job, laid)
    scale = billions * 1e9 / 16 / float(heaviest_shard(staged))
    held = drive_memory(staged, machine(node_devices=16.0), stack()).total_bytes * scale
    assert (held <= drives_of("DGX-2", catalog.load().folder).capacity_bytes) == fits


def test_states_cross_twice_as_often_as_they_are_wide() -> None:
    """arXiv 2104.07857, section 4.1: read and written at least once a step, 2 x 16 bytes a parameter."""
    job = kept_as(JOB, **STATES)
    staged, one = stage_job(job, sharded(job)), machine(**dict.fromkeys(RATES, 1.0))
    assert float(fetching_s(staged, one, stack()) + swapping_s(staged, one, stack())) == pytest.approx(32 * PARAMS / 8)


def test_parameters_and_gradients_are_as_intense_as_the_paper_says() -> None:
    """arXiv 2104.07857, equation 9: seq x bsz FLOPs a byte of parameters (three loads) and 16-bit gradients."""
    job = kept_as(JOB, **WEIGHTS)
    laid = layout(job, zero=3.0, recompute=2.0, micro_batch=1.0, micro_batches=1.0)
    loaded = float(fetching_s(stage_job(job, laid), machine(**dict.fromkeys(RATES, 1.0)), stack(refetched=1.0)))
    assert loaded == pytest.approx(3 * 2 * PARAMS)
    intensity = 8 * S * PARAMS / (loaded + 2 * PARAMS)
    assert intensity == pytest.approx(S)
    rate, compute = 70e9, 70e12  # section 4.2: over half of the peak at batch 1 and 1024 tokens
    assert 0.5 < intensity / S * 1024 * rate / (intensity / S * 1024 * rate + compute) < 0.51


def test_states_are_read_updated_and_written_one_after_another() -> None:
    """DeepSpeed's offload_config.py: pipeline_read and pipeline_write are off by default."""
    job = kept_as(JOB, **STATES)
    taken = step(job, sharded(job), stack(), machine(node_devices=8.0, **RATES), kernels())
    assert float(taken.optimizer_s) == pytest.approx(16 * PARAMS / READ + 12 * PARAMS / WRITE)
    assert float(taken.dp_s) == pytest.approx(4 * PARAMS / WRITE)  # gradients leave beside the passes


def test_an_update_writes_weights_that_rest_on_drives() -> None:
    job = kept_as(JOB, **WEIGHTS)
    taken = step(job, sharded(job), stack(), machine(node_devices=8.0, **RATES), kernels())
    assert float(taken.optimizer_s) == pytest.approx(2 * PARAMS / WRITE)
    assert float(taken.dp_s) == pytest.approx(2 * 2 * PARAMS / READ)


def test_reads_hide_behind_the_work_but_for_what_nothing_hides() -> None:
    job = kept_as(JOB, **WEIGHTS)
    laid, made = sharded(job, micro_batches=4.0), stack(dp_exposed=0.0)
    near = {"peak_flop_per_s": PEAK}
    busy = float(step(job, laid, made, machine(node_devices=8.0, **near, **INFINITE), kernels()).total_s)
    for rate in (1e9, 1e12):
        on = machine(node_devices=8.0, **near, nvme_read_bytes_per_s=rate, nvme_write_bytes_per_s=np.inf)
        wire = 4 * 2 * 2 * PARAMS / rate
        assert float(step(job, laid, made, on, kernels()).dp_s) == pytest.approx(max(wire - busy, 0.0))


def test_of_link_and_drives_the_slower_is_waited_for() -> None:
    job = kept_as(JOB, **WEIGHTS)
    laid = sharded(job)
    for link in (LINK, 1e6):
        on = machine(node_devices=8.0, host_bytes_per_s=link, **RATES)
        crossing = 2 * 2 * PARAMS / 8 / link
        taken = step(job, laid, stack(), on, kernels())
        assert float(taken.dp_s) == pytest.approx(max(crossing, 2 * 2 * PARAMS / READ))


def test_drives_of_all_nodes_work_at_once() -> None:
    """arXiv 2104.07857, section 6.1: bandwidth-centric partitioning; of one node all ranks share them."""
    job = kept_as(JOB, **WEIGHTS, **STATES)

    def taken(devices: float, node: float) -> float:
        laid = sharded(job, dp=devices, shard_devices=devices, micro_batches=1.0)
        staged, on = stage_job(job, laid), machine(node_devices=node, **RATES)
        return float(fetching_s(staged, on, stack()) + swapping_s(staged, on, stack()))

    assert taken(16.0, 8.0) == pytest.approx(taken(8.0, 8.0) / 2)
    assert taken(8.0, 8.0) == pytest.approx(taken(4.0, 8.0))  # a node of fewer ranks has the same bytes
    assert taken(8.0, 1.0) == pytest.approx(taken(8.0, 8.0) / 8)


def test_unknown_rates_make_a_step_unknown_only_where_something_is_on_drives() -> None:
    unknown = machine(**dict.fromkeys(RATES, np.nan))
    plain = step(JOB, sharded(JOB), unknown).total_s
    assert plain == step(JOB, sharded(JOB)).total_s
    for entries in (WEIGHTS, STATES):
        job = kept_as(JOB, **entries)
        assert np.isnan(step(job, sharded(job), unknown).total_s)
        assert (
            not np.isnan(step(kept_as(job, **entries), sharded(job, offload=0.0), unknown).total_s)
            or entries is WEIGHTS
        )
    assert float(drives_s(0.0, 0.0, unknown)) == 0.0
    plain_job = stage_job(JOB, sharded(JOB))
    assert float(fetching_s(plain_job, unknown, stack())) == float(swapping_s(plain_job, unknown, stack())) == 0.0


def test_a_rank_with_no_more_than_the_buffer_in_memory_keeps_its_weights_there() -> None:
    """DeepSpeed's stage3.py: a group that max_in_cpu has room for moves into it for good."""
    job, made = kept_as(JOB, **WEIGHTS), stack(nvme_weights_kept=1e9)
    laid = sharded(job)
    assert float(drive_memory(stage_job(job, laid), machine(node_devices=8.0), made).total_bytes) == 0.0
    assert float(fetching_s(stage_job(job, laid), machine(**RATES), made)) == 0.0
    assert on_host(job, laid, made).weights_bytes == pytest.approx(2 * PARAMS)


def test_a_frozen_base_rests_on_drives_and_its_adapters_in_memory() -> None:
    job = replace(kept_as(JOB, **WEIGHTS), trainable_share=0.01)
    made = stack(nvme_weights_kept=1e9)
    found = drive_memory(stage_job(job, sharded(job)), machine(node_devices=8.0), made)
    assert found.weights_bytes == pytest.approx(0.99 * 2 * PARAMS)
    assert float(swapping_s(stage_job(job, sharded(job)), machine(**RATES), made)) == 0.0


def test_buffers_in_the_memory_of_a_host_are_those_of_deepspeed() -> None:
    """offload_config.py: 5 buffers of 1e8 parameters and 1e9 kept; 4 of a group of 1e9 in fp32; all gradients."""
    real = catalog.stack("deepspeed")
    shape = gpt(80, 8192, 64, 128_000, total_params=70e9)
    job = kept_as(pretraining(shape, 1024, 8.0), **WEIGHTS, **STATES)
    laid = sharded(job, dp=4.0, shard_devices=4.0)
    shard = float(heaviest_shard(stage_job(job, laid)))
    assert shard > 1e9
    found = on_host(job, laid, real, 4.0)
    assert found.weights_bytes == pytest.approx(4 * 2 * (5e8 + 1e9 + 1e9))
    assert found.optimizer_bytes == pytest.approx(4 * 4 * 4 * 1e9)
    assert found.gradients_bytes == pytest.approx(4 * 2 * shard)


SIZES = st.sampled_from([1.0, 2.0, 8.0])
ENTRIES = st.sampled_from([WEIGHTS, STATES, WEIGHTS | STATES])
REAL = catalog.stack("deepspeed")


@given(SIZES, SIZES, ENTRIES, st.sampled_from([0.0, 2.0]), st.floats(1e8, 1e11), st.floats(1e8, 1e11))
def test_drives_are_never_faster_than_memory_and_never_slower_where_there_are_more(
    dp: float, node: float, entries: dict[str, float], recompute: float, read: float, write: float
) -> None:
    near = kept_as(JOB, **{name: value for name, value in entries.items() if name == "weights_on_host"})
    far = kept_as(JOB, **entries)
    laid = sharded(far, dp=dp, shard_devices=dp, recompute=recompute)
    given = {"node_devices": node, "peak_flop_per_s": PEAK, "host_bytes_per_s": LINK}

    def seconds(job: Job, times: float) -> float:
        rates = {"nvme_read_bytes_per_s": read * times, "nvme_write_bytes_per_s": write * times}
        return float(step(job, laid, machine(**given, **rates), stack(dp_exposed=0.1)).total_s)

    assert seconds(near, 1.0) <= seconds(far, 2.0) <= seconds(far, 1.0)
    assert seconds(near, 1.0) == pytest.approx(seconds(far, np.inf), rel=1e-9)


@given(SIZES, ENTRIES, st.sampled_from([0.0, 2.0]))
def test_a_device_holds_the_same_and_its_host_no_more_states(
    dp: float, entries: dict[str, float], again: float
) -> None:
    near = kept_as(JOB, **{name: value for name, value in entries.items() if name == "weights_on_host"})
    far = kept_as(JOB, **entries)
    laid = sharded(far, dp=dp, shard_devices=dp, recompute=again)
    held = [peak(job, laid, weight_bytes=2.0, grad_bytes=2.0) for job in (near, far)]
    for one in fields(StepMemory):
        assert getattr(held[0], one.name) == pytest.approx(getattr(held[1], one.name)), one.name
    one, other = (on_host(job, laid, REAL) for job in (near, far))
    assert float(other.optimizer_bytes + other.gradients_bytes) <= float(one.optimizer_bytes + one.gradients_bytes)


def test_rows_with_and_without_drives_are_one_call() -> None:
    jobs = [JOB, kept_as(JOB, **WEIGHTS), kept_as(JOB, **STATES), kept_as(JOB, weights_on_host=1.0)]
    laid = [sharded(job) for job in jobs]
    on = machine(node_devices=8.0, host_bytes_per_s=LINK, **RATES)
    each = [float(step(job, one, on).total_s) for job, one in zip(jobs, laid, strict=True)]
    assert step(join(jobs), join(laid), on).total_s == pytest.approx(each)
    alone = [on_host(job, one, REAL).total_bytes for job, one in zip(jobs, laid, strict=True)]
    assert on_host(join(jobs), join(laid), REAL).total_bytes == pytest.approx([float(one) for one in alone])
    drives = [float(pipeline.drives(job, one, on, stack()).total_bytes) for job, one in zip(jobs, laid, strict=True)]
    assert pipeline.drives(join(jobs), join(laid), on, stack()).total_bytes == pytest.approx(drives)
    assert drives[0] == drives[3] == 0.0


def test_drives_of_the_catalog_have_what_a_node_can_have() -> None:
    known = catalog.load()
    found = {name: drives_of(name, known.folder) for name in known.systems}
    held = {name: one.capacity_bytes / 1e12 for name, one in found.items() if not np.isnan(one.capacity_bytes)}
    assert len(held) > 100
    assert all(0 <= each <= 62 for each in held.values()), held
    timed = [one for one in found.values() if not np.isnan(one.read_bytes_per_s)]
    assert timed
    assert all(1e9 < one.write_bytes_per_s <= one.read_bytes_per_s < 1e11 for one in timed)
    assert all(
        np.isnan(drives_of(name, known.folder).capacity_bytes) for name in known.systems if name.startswith("node-")
    )
