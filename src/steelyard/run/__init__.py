"""From one step to the whole run: steps, checkpoints, interruptions and power states end in a `Draw`.

>>> round(float(young_interval_s(mtbf_s=86400.0, save_s=60.0)))
3220
"""

from steelyard.run.clock import draw
from steelyard.run.interruptions import (
    availability,
    availability_at,
    availability_interval_s,
    failed_attempts,
    interruptions_per_s,
    mean_time_to_failure_s,
    reclaims_per_s,
    rework_share,
    save_share,
    unsaved_s,
    young_interval_s,
)
from steelyard.run.power import host_w, network_w, state_w, wait_w
from steelyard.run.schedule import checkpoint_bytes, evaluation_s, save_s, step_count, training_s

__all__ = [
    "availability",
    "availability_at",
    "availability_interval_s",
    "checkpoint_bytes",
    "draw",
    "evaluation_s",
    "failed_attempts",
    "host_w",
    "interruptions_per_s",
    "mean_time_to_failure_s",
    "network_w",
    "reclaims_per_s",
    "rework_share",
    "save_s",
    "save_share",
    "state_w",
    "step_count",
    "training_s",
    "unsaved_s",
    "wait_w",
    "young_interval_s",
]
