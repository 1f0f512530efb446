"""Energy of a run at three boundaries: accelerators, IT equipment, facility. Each contains the one before."""

from steelyard.energy.boundaries import accelerator_j, energy, facility_j, host_j
from steelyard.energy.published import busy_device_s, inference_j, strubell_j
from steelyard.energy.waiting import held_w

__all__ = [
    "accelerator_j",
    "busy_device_s",
    "energy",
    "facility_j",
    "held_w",
    "host_j",
    "inference_j",
    "strubell_j",
]
