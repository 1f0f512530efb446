"""Less work never takes longer: whatever hides behind it, and whoever waits for it."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shapes import filled, gpt, layout, pretraining

from steelyard.step import stage_job, time
from steelyard.strategies.registry import SCHEDULES
from steelyard.tables import Job, Kernels, Layout, Machine, Stack
from steelyard.workload import collapse, model

MACHINE = filled(
    Machine, peak_flop_per_s=1e15, peak16_flop_per_s=1e15, memory_bytes=80e9, memory_bytes_per_s=3e12,
    domain_devices=8.0, node_devices=8.0, link_bytes_per_s=400e9, nic_bytes_per_s=50e9, host_bytes_per_s=50e9,
)  # fmt: skip
KERNELS = filled(
    Kernels, gemm_efficiency=0.7, gemm_half_width=100.0, attention_efficiency=0.6, attention_half_tokens=300.0,
    attention_half_dim=20.0, attention_legacy=0.6, unfused_efficiency=0.3, memory_efficiency=0.8, link_efficiency=0.8,
    nic_efficiency=0.8, link_hop_s=2e-5, nic_hop_s=1.5e-5, time_scale=1.0,
)  # fmt: skip
STACK = filled(
    Stack, time_scale=1.0, step_host_s=0.02, vocab_exposed=0.5, pointwise_passes=12.0, adapter_share=1.0,
    loss_bytes=16.0, attention_native=1.0, attention_share=1.0, recompute_scale=1.0, eager_scale=1.0, upcast_scale=1.0,
    attention_upcast_scale=1.0, tp_exposed=0.7, dp_exposed=0.2, ep_exposed=0.7, pp_exposed=0.6, weight_bytes=2.0,
    gather_bytes=2.0, grad_bytes=4.0, logit_bytes=12.0,
)  # fmt: skip
SEQUENCE = 8192.0


def job(document: float) -> Job:
    shape = gpt(16, 2048, 16)
    return replace(pretraining(shape, SEQUENCE, 64.0), workload=collapse(model(shape, SEQUENCE, document), 2.0))


def step_s(work: Job, laid: Layout, launch_s: float, wire: float, attention: float = 0.6) -> float:
    stack, kernels = replace(STACK, layer_host_s=launch_s), replace(KERNELS, attention_efficiency=attention)
    machine = replace(MACHINE, link_bytes_per_s=400e9 * wire, nic_bytes_per_s=50e9 * wire)
    return float(time(stage_job(work, laid), machine, kernels, stack).total_s)


def exact(found: float) -> object:
    return pytest.approx(found, rel=1e-9)


settings = given(
    cp=st.sampled_from([1.0, 2.0, 8.0]),
    pp=st.sampled_from([1.0, 4.0]),
    recompute=st.sampled_from([0.0, 1.0, 1.5, 2.0]),
    schedule=st.sampled_from(["1f1b", "zb-h1"]),
    launch_s=st.floats(0.0, 0.1),
    wire=st.floats(0.01, 10.0),
    flash=st.sampled_from([0.0, 1.0]),
)


@settings
def test_shorter_documents_never_take_longer(cp, pp, recompute, schedule, launch_s, wire, flash) -> None:
    laid = {"cp": cp, "pp": pp, "recompute": recompute, "flash": flash, "schedule": float(SCHEDULES[schedule].code)}
    times = []
    for document in (0.0, 4096.0, 1024.0, 256.0):
        work = job(document)
        times.append(step_s(work, layout(work, **laid), launch_s, wire))
    assert all(later <= earlier or later == exact(earlier) for earlier, later in itertools.pairwise(times))


@settings
def test_faster_attention_never_takes_longer(cp, pp, recompute, schedule, launch_s, wire, flash) -> None:
    work = job(0.0)
    laid = layout(
        work, cp=cp, pp=pp, recompute=recompute, flash=flash, schedule=float(SCHEDULES[schedule].code)
    )  # fmt: skip
    slow, fast = (step_s(work, laid, launch_s, wire, share) for share in (0.3, 0.6))
    assert fast <= slow or fast == exact(slow)


def test_the_host_launches_while_keys_and_values_go_round() -> None:
    """Of a step that waits for its launches, all that keys and values take beyond attention is hidden."""
    work = job(0.0)
    laid = layout(work, cp=8.0)
    bound = {wire: step_s(work, laid, 0.1, wire) for wire in (0.2, 10.0)}
    assert bound[0.2] == pytest.approx(bound[10.0], rel=0.02)  # the rest is of the gradients' exchange
    assert step_s(work, laid, 0.0, 0.2) > 1.05 * step_s(work, laid, 0.0, 10.0)


def test_dual_pipe_hides_tokens_on_their_way_behind_what_it_computes() -> None:
    """Both directions of all-to-all are hidden (DeepSeek-V3, arXiv 2412.19437, section 3.2.1) up to what computes."""
    shape = gpt(16, 2048, 16, experts=64.0, top_k=8.0, moe_layers=16.0, moe_ffn=1024.0, routed_params=1e9)
    work, stack = pretraining(shape, SEQUENCE, 64.0), replace(STACK, ep_exposed=1.0)
    for wire in (0.02, 0.2, 50.0):
        machine = replace(MACHINE, link_bytes_per_s=400e9 * wire, nic_bytes_per_s=50e9 * wire)
        plain, dual = (
            time(stage_job(work, laid), machine, KERNELS, stack)
            for laid in (
                layout(work, pp=4.0, dp=8.0, ep=8.0, schedule=float(SCHEDULES[name].code))
                for name in ("1f1b", "dualpipe")
            )
        )
        busy = dual.gemm_s + dual.attention_s + dual.pointwise_s + dual.vocab_s + dual.recompute_s
        assert float(dual.ep_s) == pytest.approx(max(float(plain.ep_s - busy), 0.0))
        assert (dual.ep_s == 0) == (wire > 1)
