"""Other names that people give to the fields of a claim, and to the words in them."""

from collections.abc import Mapping
from types import MappingProxyType

CLAIM_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "name": "title",
        "params": "parameters",
        "active": "active_parameters",
        "activated_parameters": "active_parameters",
        "gpus": "count",
        "chips": "count",
        "devices": "count",
        "accelerator": "hardware",
        "accelerators": "hardware",
        "gpu": "hardware",
        "duration": "hours",
        "time": "hours",
        "wall_hours": "hours",
        "days": "hours",
        "gpu_hours": "device_hours",
        "tpu_hours": "device_hours",
        "chip_hours": "device_hours",
        "accelerator_hours": "device_hours",
        "watts": "power",
        "power_w": "power",
        "carbon_intensity": "intensity",
        "intensity_kind": "co2e_kind",
        "emissions": "co2e",
        "carbon": "co2e",
        "tco2e": "co2e",
        "cost": "money",
        "usd": "money",
        "mfu": "utilisation",
        "utilization": "utilisation",
        "flops": "flop",
        "tflops": "speed",
        "achieved": "speed",
        "location": "place",
        "region": "place",
        "site": "place",
        "seq_len": "sequence",
        "batch": "batch_samples",
        "batch_size": "batch_samples",
        "global_batch_size": "batch_samples",
        "images": "samples",
        "dataset_size": "examples",
        "samples_per_s": "samples_per_second",
        "images_per_second": "samples_per_second",
        "images_per_s": "samples_per_second",
        "global_batch": "batch_samples",
        "batch_sequences": "batch_samples",
        "lines": "parts",
        "rows": "beside",
    }
)
BARE_UNITS = MappingProxyType({"hours": "h", "days": "days", "tco2e": "t", "tflops": "TFLOP/s"})
"""Units of bare numbers that the name of a field gives."""

CLAIM_SYNONYMS = MappingProxyType(
    {
        "final": "training", "pretraining": "training", "pre-training": "training", "train": "training",
        "finetuning": "fine-tuning", "finetune": "fine-tuning", "fine-tune": "fine-tuning",
        "nas": "search", "experiments": "development", "all": "development", "project": "development",
        "serving": "inference", "use": "inference", "lifecycle": "life-cycle", "life cycle": "life-cycle",
        "gpu": "accelerator", "chip": "accelerator", "device": "accelerator",
        "node": "it", "system": "it", "server": "it", "datacenter": "facility", "data center": "facility",
        "site": "facility", "gross": "location-gross", "location": "location-gross", "location-based": "location-gross",
        "net": "location-net", "market-based": "market", "rated": "tdp", "metered": "measured", "assumption": "assumed",
    }
)  # fmt: skip
