"""What a run emits: alternatives by kind of grid intensity, never added together; embodied carbon and water apart."""

from steelyard.carbon.operational import carbon, embodied_kgco2e, operational_kgco2e, sci_kgco2e, water_m3

__all__ = ["carbon", "embodied_kgco2e", "operational_kgco2e", "sci_kgco2e", "water_m3"]
