"""What a run emits: alternatives by kind of grid intensity, never added together; embodied carbon and water apart."""

from steelyard.carbon.operational import carbon, embodied_kgco2e, operational_kgco2e, sci_kgco2e, water_m3
from steelyard.carbon.shift import avoided_kgco2e, hour_kg_per_j

__all__ = [
    "avoided_kgco2e",
    "carbon",
    "embodied_kgco2e",
    "hour_kg_per_j",
    "operational_kgco2e",
    "sci_kgco2e",
    "water_m3",
]
