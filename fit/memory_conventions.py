"""What each group of rows shares and does not print: the stack, the metric, the precision of states, the shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Convention:
    """What a group of rows shares and does not print."""

    stack: str
    metric: str  # allocated, reserved or device
    gib: bool = False  # the figures are GiB
    sp: bool = True  # sequence parallel where tp > 1
    job: Mapping[str, float] = field(default_factory=dict)


BF16_ADAM = {"master_bytes": 0.0, "moment_bytes": 4.0}  # weights and moments in bf16
CONVENTIONS = {
    "nanotron-ultrascale-sweep": Convention("nanotron", "allocated", gib=True),
    "bigscience-a100": Convention("megatron-deepspeed", "device", sp=False),
    "bigscience-v100": Convention("megatron-deepspeed", "device", sp=False),
    "sailor-sosp25": Convention("megatron-deepspeed", "device", sp=False),
    "ms-swift-2024": Convention("hf-trainer", "reserved", gib=True, job=BF16_ADAM),
    "llamafactory-unsloth-table": Convention("hf-trainer", "reserved", job=BF16_ADAM),
    "unsloth-2023-12": Convention("hf-trainer", "reserved", job=BF16_ADAM | {"moment_bytes": 2.0}),
    "prime-rl-ci": Convention("fsdp2", "reserved", gib=True),
    "torchtitan-2025-06-h200": Convention("fsdp2", "reserved", gib=True),
    "aws-torchtitan-p5": Convention("fsdp2", "reserved", gib=True),
    "litgpt-2023-10": Convention("litgpt", "reserved", job=BF16_ADAM),
    "litgpt-config-hub": Convention("litgpt", "reserved", job=BF16_ADAM),
    "lightning-thunder": Convention("litgpt", "allocated", job=BF16_ADAM),
    "internevo": Convention("internevo", "device"),
    "stas00-h200-b200": Convention("deepspeed", "reserved", gib=True),
    "chenyaofo-a800": Convention("deepspeed", "device", gib=True),
    "ms-swift-megatron": Convention("deepspeed", "device"),
    "mcore-golden": Convention("megatron-core", "allocated", sp=False),
    "dgxc-v25.04": Convention("megatron-core", "allocated"),
    "simumax-b200": Convention("megatron-core", "allocated"),
    "gb200-nvfp4-8b": Convention("pytorch-eager", "allocated", gib=True),
    "axlearn": Convention("maxtext", "device"),
    "bmtrain-v100": Convention("deepspeed", "device", sp=False),
}

UNUSABLE = {
    "R1888": "no layout published",
    "R1891": "no layout published",
    "R1893": "no layout published",
    "R1892": "no layout published",
    "R0927": "no micro-batch published",
    "R1590": "hybrid Mamba blocks of unknown shape",
    "R1523": "peak below its own activations at any precision",
    "R1524": "peak below its own activations at any precision",
    "R3789": "peak below its own sharded activations",
    "R0793": "no batch published",
    "R0795": "no batch published",
    "R4528": "parameters on the host, which Layout does not describe",
    "R0909": "parameters on the host, which Layout does not describe",
}
ALIASES = {
    "INTELLECT-3": "glm-4.5-air",
    "llama3-70b": "llama-3-70b",
    "llama3-405b": "llama-3.1-405b",
    "gemma2b": "gemma-2b",
    "Llama 3.1 8b": "llama-3.1-8b",
    "Nemotron4 15b": "nemotron-4-15b",
}
PLAIN = {"bigscience-a100", "bigscience-v100", "sailor-sosp25", "bmtrain-v100", "mcore-golden"}  # MLP not gated
DROPOUT = {"bigscience-a100", "bigscience-v100", "bmtrain-v100"}
TIED = {"bigscience-a100", "bigscience-v100", "sailor-sosp25", "bmtrain-v100"}
FULL_IF_UNKNOWN = {"hf-trainer", "litgpt"}  # their recipes turn it on
SHAPES: dict[str, dict[str, Any]] = {
    # layers, hidden, ffn, heads, vocab, gated; model cards of stabilityai and microsoft
    "StableLM-Alpha-3B": {"layers": 16, "hidden": 4096, "ffn": 16384, "heads": 32, "vocab": 50688, "mlp": "gelu"},
    "phi-1.5": {"layers": 24, "hidden": 2048, "ffn": 8192, "heads": 32, "vocab": 51200, "mlp": "gelu"},
}
SHAPES["stablelm-base-alpha-3b"] = SHAPES["StableLM-Alpha-3B"]
