"""One job, step, machine and policy that the tests of this room bend."""

from dataclasses import replace
from typing import Any

from tests.shapes import filled, gpt, layout, pretraining

from steelyard.run import draw
from steelyard.tables import Draw, Kernels, Machine, Policy, StepMemory, StepTime

JOB = pretraining(gpt(layers=96, hidden=12288, heads=96), sequence=2048, batch=1536, tokens=300e9)
LAYOUT = layout(JOB, tp=8.0, pp=8.0, dp=16.0)
STEP = filled(
    StepTime,
    gemm_s=7.0, attention_s=0.5, pointwise_s=1.2, optimizer_s=0.3, bubble_s=0.5, host_s=0.1, tp_s=0.3, dp_s=0.1,
    total_s=10.0,
)  # fmt: skip
MACHINE = filled(
    Machine, tdp_w=700.0, idle_w=float("nan"), host_w=575.0, node_devices=8.0, domain_devices=8.0, memory_bytes=80e9
)
KERNELS = filled(
    Kernels,
    compute_power=0.9, memory_power=0.7, communication_power=0.25, waiting_power=0.2, checkpoint_power=0.15,
    idle_power=0.125, host_power=0.35,
    network_power=0.17,
)  # fmt: skip
POLICY = Policy(
    warmup_s=300.0,
    evaluation_share=0.01,
    checkpoint_bytes_per_s=1e8,
    checkpoint_blocking=0.15,
    unsaved=0.0,
    failures_per_device_s=6.5e-9,
    restart_s=660.0,
    preemptions_per_node_s=0.0,
    lifetime_s=1.6e8,
)


def run(policy: Policy = POLICY, machine: Machine = MACHINE, step: StepTime = STEP, **changes: Any) -> Draw:
    """Draw the run with fields of its layout and job changed."""
    job = replace(JOB, **{name: value for name, value in changes.items() if hasattr(JOB, name)})
    laid = replace(LAYOUT, **{name: value for name, value in changes.items() if hasattr(LAYOUT, name)})
    return draw(job, step, filled(StepMemory), laid, machine, KERNELS, policy)
