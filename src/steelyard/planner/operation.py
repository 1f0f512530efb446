"""What a point is billed for, and what interruptions make of it: figures for people and for `--json`."""

import math
from typing import Any

from steelyard.market.options import Deal
from steelyard.run import availability_interval_s, checkpoint_bytes, interruptions_per_s, save_s, unsaved_s
from steelyard.tables import Job, Layout, Machine, Money, Policy, Prediction

PARTS = ("compute_usd", "unused_usd", "energy_usd", "storage_usd", "moving_usd")


def bill_json(spent: Money, deal: Deal | None) -> dict[str, Any]:
    """Return the parts of a bill, and what is doubtful about it."""
    return {
        "bill": {name: float(getattr(spent, name)) for name in PARTS},
        "price_source": deal.price_source if deal else "",
        "price_doubts": list(deal.flags) if deal else [],
    }


def interruption_costs(
    job: Job, layout: Layout, machine: Machine, policy: Policy, found: Prediction
) -> dict[str, float]:
    """Return what interruptions make of a run: how many to expect, how often to save, and what they cost.

    Lost are the dollars paid while nothing new is learnt: saving, restarting, and doing work again.
    """
    rate = float(
        interruptions_per_s(
            layout.devices, policy.failures_per_device_s, machine.node_devices, policy.preemptions_per_node_s
        )
    )
    parameters = job.workload.params * job.trainable_share
    one = checkpoint_bytes(parameters, job.element_bytes, job.master_bytes, job.moment_bytes)
    blocking = save_s(one, layout.devices, policy.checkpoint_bytes_per_s) * policy.checkpoint_blocking
    saved = rate > 0 and policy.unsaved == 0 and blocking > 0
    interval = float(availability_interval_s(1 / rate, policy.restart_s, blocking)) if saved else math.nan
    draw = found.draw
    once = float(draw.wall_s * draw.goodput * (1 + policy.evaluation_share) + policy.warmup_s)
    lost = max(float(draw.wall_s) - once, 0.0) / float(draw.wall_s)
    return {
        "interruptions": rate * float(draw.wall_s),
        "interruption_mean_s": 1 / rate if rate > 0 else math.nan,
        "checkpoint_interval_s": interval,
        "checkpoint_bytes": float(one),
        "goodput": float(draw.goodput),
        "lost_usd": lost * float(found.money.compute_usd),
    }


def unsaved_loss_s(layout: Layout, machine: Machine, policy: Policy, found: Prediction) -> float:
    """Return the seconds that the same run loses on average if it saves nothing."""
    rate = interruptions_per_s(
        layout.devices, policy.failures_per_device_s, machine.node_devices, policy.preemptions_per_node_s
    )
    draw = found.draw
    work = draw.wall_s * draw.goodput * (1 + policy.evaluation_share)
    return float(unsaved_s(work, rate) * (1 + rate * policy.restart_s) - work)
