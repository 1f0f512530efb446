"""What crosses the link between a device and its host while passes run: counted, never hidden below the link's rate."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled, gpt, layout, pretraining
from tests.step.neutral import EXPERTS, JOB, LINK, NETWORK, PARAMS, PEAK, B, H, L, S, peak, stack, step

from steelyard.job.kept.recipes import partial_recipe
from steelyard.planner import estimate
from steelyard.step import host_memory, stage_job
from steelyard.step.offload import resting_bytes
from steelyard.step.tensors.recipe import ENTRIES
from steelyard.strategies.recipe import AUTOGRAD, PERSISTENT
from steelyard.tables import Job, Layout, Machine, Stack, join

AWAY = replace(JOB, recipe=partial_recipe(weights_on_host=1.0))
WEIGHTS = 2 * PARAMS / 8  # bytes of a rank's shard


def total(job: Job, laid: Layout, *tables: Any, **rates: float) -> float:
    """Return the seconds of a step in which everything is free but what is given."""
    return float(step(job, laid, *tables, **rates).total_s)


def sharded(job: Job, **given: float):
    return layout(job, **({"dp": 8.0, "zero": 3.0, "shard_devices": 8.0} | given))


@pytest.mark.parametrize(
    ("recompute", "refetched", "fetches"),
    [(0.0, 0.0, 2), (2.0, 0.0, 2), (2.0, 1.0, 3), (0.0, 1.0, 2), (1.5, 1.0, 2.5)],
)
def test_parameters_come_for_each_pass_of_each_micro_batch(recompute: float, refetched: float, fetches: float) -> None:
    """arXiv 2104.07857, section 4.1: loaded for the forward pass, the backward pass, and for what runs again."""
    laid = sharded(AWAY, micro_batches=4.0, recompute=recompute)
    taken = total(AWAY, laid, stack(refetched=refetched), host_bytes_per_s=NETWORK)
    assert taken == pytest.approx(4 * fetches * WEIGHTS / NETWORK)


def test_parameters_that_stay_between_the_passes_come_once_a_micro_batch() -> None:
    laid = layout(AWAY, micro_batches=4.0)
    taken = total(AWAY, laid, host_bytes_per_s=NETWORK)
    assert taken == pytest.approx((4 + 1) * 2 * PARAMS / NETWORK)  # and go back once they are updated


def test_an_offloaded_update_leaves_weights_where_they_rest() -> None:
    """Of 32 bytes of an offloaded update (arXiv 2101.06840) 2 are of a weight that comes back: none comes here."""
    laid = sharded(AWAY, offload=1.0)
    taken = total(AWAY, laid, host_bytes_per_s=NETWORK)
    assert taken == pytest.approx((30 * PARAMS / 8 + 2 * WEIGHTS) / NETWORK)


def test_rows_that_offload_and_rows_whose_weights_alone_rest_on_the_host_are_one_call() -> None:
    """What leaves for the update of the one is no less for the other beside it."""
    each = [sharded(AWAY, offload=share, micro_batches=60.0) for share in (1.0, 0.0)]
    wide = stack(grad_bytes=4.0, grad_life=float(AUTOGRAD))  # more leaves than comes
    alone = [total(AWAY, laid, wide, host_bytes_per_s=NETWORK) for laid in each]
    both = step(AWAY, join(each), wide, host_bytes_per_s=NETWORK).total_s
    assert both == pytest.approx(alone)
    assert alone[0] != pytest.approx(alone[1])


@pytest.mark.parametrize("life", [float(PERSISTENT), float(AUTOGRAD)])
def test_gradients_leave_at_each_micro_batch_where_they_are_sharded(life: float) -> None:
    laid = layout(JOB, dp=8.0, zero=2.0, shard_devices=8.0, offload=1.0, micro_batches=5.0)
    link = {"host_bytes_per_s": NETWORK}
    more = total(JOB, laid, stack(grad_life=life), **link)
    once = total(JOB, replace(laid, zero=1.0), stack(grad_life=life), **link)
    assert more - once == pytest.approx(4 * WEIGHTS / NETWORK)  # the last one is of the update


@pytest.mark.parametrize(("life", "back"), [(float(PERSISTENT), 4), (float(AUTOGRAD), 0)])
def test_gradients_come_back_to_be_added_to_unless_the_host_adds(life: float, back: int) -> None:
    """DeepSpeed's stage3.py, partition_grads: adding on the host is very slow, so that its sum visits the device."""
    laid = sharded(AWAY, offload=1.0, micro_batches=5.0)
    taken = total(AWAY, laid, stack(grad_life=life), host_bytes_per_s=NETWORK)
    assert taken == pytest.approx((30 * PARAMS / 8 + (10 + back) * WEIGHTS) / NETWORK)


def test_saved_inputs_go_away_in_the_forward_pass_and_come_back_in_the_backward_pass() -> None:
    job = replace(JOB, recipe=partial_recipe(saved_on_host=1.0))
    laid = layout(job, micro_batch=2.0, micro_batches=3.0, recompute=2.0)
    taken = total(job, laid, host_bytes_per_s=NETWORK)
    assert taken == pytest.approx(2 * 3 * L * 2 * S * H * 2 / NETWORK)
    assert total(job, replace(laid, recompute=1.0), stack(step_host_s=1.0), host_bytes_per_s=1.0) == 1.0


def test_all_that_blocks_keep_crosses_twice_where_it_waits_on_the_host() -> None:
    laid = layout(JOB, micro_batch=2.0, micro_batches=3.0)
    job = replace(JOB, recipe=partial_recipe(kept_on_host=1.0, saved_on_host=1.0))
    once = float(peak(JOB, laid).activations_bytes - peak(job, laid).activations_bytes)
    assert total(job, laid, host_bytes_per_s=NETWORK) == pytest.approx(2 * 3 * once / NETWORK)


def test_saved_inputs_of_a_model_do_not_depend_on_those_it_is_predicted_with() -> None:
    """Kinds of blocks that a model lacks stand beside its own with other models' widths, and with no block."""
    small, wide = JOB, pretraining(gpt(2, 4096, 16, 50_000, **EXPERTS | {"moe_layers": 1.0}), S, B)
    alike = [replace(one, recipe=partial_recipe(saved_on_host=1.0)) for one in (small, wide)]
    each = [layout(one, recompute=2.0) for one in alike]
    link = {"host_bytes_per_s": NETWORK}
    together = step(join(alike), join(each), **link).total_s
    assert together == pytest.approx([total(*pair, **link) for pair in zip(alike, each, strict=True)])


def test_copies_run_beside_the_work_but_for_what_nothing_hides() -> None:
    laid = sharded(AWAY, micro_batches=4.0)
    wire = 8 * WEIGHTS / NETWORK
    busy = float(step(AWAY, laid, peak_flop_per_s=PEAK).total_s)
    given = {"peak_flop_per_s": PEAK, "host_bytes_per_s": NETWORK}
    for exposed in (0.0, 0.25, 1.0):
        taken = step(AWAY, laid, stack(dp_exposed=exposed), **given)
        assert taken.dp_s == pytest.approx(max(wire - busy, exposed * wire))


def test_of_two_links_the_slower_is_waited_for() -> None:
    """Both run beside the same work: their waits do not add up, or work that is repeated would save time."""
    laid = sharded(AWAY, micro_batches=4.0)
    rates = {"peak_flop_per_s": PEAK, "host_bytes_per_s": NETWORK, "nic_bytes_per_s": NETWORK}
    host, network = (step(AWAY, laid, **{**rates, name: 1e60}).dp_s for name in ("nic_bytes_per_s", "host_bytes_per_s"))
    both = step(AWAY, laid, **rates).dp_s
    assert both == pytest.approx(max(host, network))
    assert both < host + network


@given(
    st.integers(1, 16),
    st.sampled_from([1.0, 2.0, 8.0]),
    st.sampled_from([0.0, 1.0, 2.0, 3.0]),
    st.sampled_from([0.0, 2.0]),
    st.floats(1e11, 1e15),
    st.floats(0.0, 1.0),
)
def test_a_step_is_never_shorter_than_its_bytes_take_on_the_link(
    micro: int, dp: float, zero: float, recompute: float, peak: float, exposed: float
) -> None:
    laid = layout(AWAY, dp=dp, zero=zero, shard_devices=dp, micro_batches=float(micro), recompute=recompute)
    taken = step(AWAY, laid, stack(dp_exposed=exposed), peak_flop_per_s=peak, host_bytes_per_s=LINK)
    fetched = micro * 2 * PARAMS / (dp if zero >= 2 else 1) * (2 if zero >= 3 else 1)
    assert taken.total_s >= fetched / LINK * (1 - 1e-12)


@given(st.integers(1, 16), st.sampled_from([0.0, 3.0]), st.sampled_from([0.0, 1.0]))
def test_more_micro_batches_fetch_more(micro: int, zero: float, offload: float) -> None:
    laid = layout(AWAY, dp=4.0, zero=zero, shard_devices=4.0, micro_batches=float(micro), offload=offload)
    one, more = (
        total(AWAY, replace(laid, micro_batches=float(count)), host_bytes_per_s=NETWORK) for count in (micro, micro + 1)
    )
    assert more - one >= 2 * PARAMS / (4 if zero else 1) / NETWORK * (1 - 1e-12)


def test_what_rests_on_the_device_asks_no_link() -> None:
    laid = sharded(JOB)
    assert not math.isnan(float(step(JOB, laid, host_bytes_per_s=math.nan).total_s))
    both = layout(JOB, dp=8.0, zero=3.0, shard_devices=8.0, offload=np.array([0.0, 1.0]))
    assert np.isnan(step(JOB, both, host_bytes_per_s=math.nan).total_s).tolist() == [False, True]
    saved = replace(JOB, recipe=partial_recipe(saved_on_host=1.0))
    unknown = step(saved, layout(saved, recompute=2.0), host_bytes_per_s=math.nan, peak_flop_per_s=PEAK)
    assert unknown.dp_s == 0  # taken to hide behind the work
    assert np.isnan(step(AWAY, sharded(AWAY), host_bytes_per_s=math.nan).total_s)


def test_a_cast_copy_is_made_behind_the_link() -> None:
    """FSDP's shards are fp32 and cast on the device: 4 bytes cross, of pure 16-bit ones 2, of packed ones a half."""
    cast = partial_recipe(**(dict.fromkeys(ENTRIES, 0.0) | {"weight_bytes": 2.0, "cast": 1.0}))
    assert float(resting_bytes(JOB, cast)) == 4.0
    assert float(resting_bytes(replace(JOB, master_bytes=0.0), cast)) == 2.0
    packed = replace(JOB, trainable_share=0.0, frozen_bytes=0.5)
    assert float(resting_bytes(packed, cast)) == 0.5


FLAG = st.sampled_from([0.0, 1.0])


@given(FLAG, FLAG, FLAG, st.sampled_from([0.0, 1.0, 2.0, 3.0]), st.sampled_from(["weights", "saved", "offload"]))
def test_more_offload_never_takes_fewer_bytes_of_a_host(
    weights: float, saved: float, offload: float, zero: float, more: str
) -> None:
    def kept(weights: float, saved: float, offload: float) -> float:
        job = replace(JOB, recipe=partial_recipe(weights_on_host=weights, saved_on_host=saved))
        laid = layout(job, dp=4.0, zero=zero, shard_devices=4.0, offload=offload, recompute=2.0)
        made = filled(Stack, weight_bytes=2.0, grad_bytes=4.0, host_buffers=1.0)
        return float(host_memory(stage_job(job, laid), filled(Machine, node_devices=4.0), made).total_bytes)

    given = {"weights": weights, "saved": saved, "offload": offload}
    assert kept(**(given | {more: 1.0})) >= kept(**given)
    assert kept(**dict.fromkeys(given, 0.0)) == 0.0


@pytest.mark.parametrize("zero", [1.0, 2.0, 3.0])
def test_a_host_has_gradients_of_the_shard_that_it_updates(zero: float) -> None:
    laid = layout(JOB, dp=4.0, zero=zero, shard_devices=4.0, offload=1.0)
    made = filled(Stack, grad_bytes=4.0, host_buffers=1.0)
    found = host_memory(stage_job(JOB, laid), filled(Machine, node_devices=1.0), made)
    assert found.gradients_bytes == pytest.approx(4 * PARAMS / 4)


def test_one_device_under_full_sharding_has_a_block_at_a_time_of_what_rests_on_its_host() -> None:
    """arXiv 2104.07857, section 5.1: parameters come to the one device as its blocks need them."""
    asked = {"tokens": "10M", "stack": "deepspeed", "global_batch": 1, "sequence": 2048, "recipe": "weights=host"}
    found = estimate("llama-2-13b", on="RTX-4090:1", layout="zero=3,mbs=1,recompute=full,offload=1", **asked)
    assert found.memory_bytes.high < 16 * 2**30  # 26 GB of weights would not fit
    assert found.time.dp_s + found.time.optimizer_s > 3 * 26e9 / 32e9  # three passes of all parameters over PCIe 4


@pytest.mark.parametrize("stack_name", ["trl", "hf-trainer", "fsdp2", "torchtune"])
def test_offload_under_fsdp_takes_the_quantised_base_along(stack_name: str) -> None:
    """answer.ai/posts/2024-03-06-fsdp-qlora: a 70B model on two cards of 24 GB, all of it in the host's memory."""
    asked = {"tokens": "1M", "task": "qlora", "sequence": 512, "stack": stack_name}
    found = estimate("llama-2-70b", on="RTX-4090:2", layout="zero=3,mbs=1,recompute=full,offload=1", **asked)
    assert found.fits
    assert found.host_bytes > 33 * 2**30


def test_offload_under_deepspeed_takes_states_alone() -> None:
    asked = {"tokens": "1M", "global_batch": 64, "layout": "zero=3,mbs=1,recompute=full,offload=1"}
    alone_s, along = (
        estimate("llama-3-8b", on="RTX-4090:8", stack="deepspeed", **asked, **more)
        for more in ({}, {"recipe": "weights=host"})
    )
    assert along.host_bytes - alone_s.host_bytes == pytest.approx(1.5 * 2 * 8.03e9, rel=0.01)  # buffers among them
    assert along.time.dp_s >= alone_s.time.dp_s
