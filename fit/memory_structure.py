"""What is known about each stack's memory before any fit, with its source; what is fitted, and how freely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEVER = 4.0  # no ZeRO stage shards the gradients


@dataclass(frozen=True)
class Known:
    """A constant that the stack's documentation or a table states."""

    value: float
    source: str


@dataclass(frozen=True)
class Prior:
    """How far a fitted constant may move, as log standard deviations: of all stacks together, and of one alone."""

    shared: float
    own: float


MIXED = "Micikevicius et al. 2018, arXiv 1710.03740: 16-bit working weights beside an fp32 master copy"
MEGATRON_STATES = (
    "Megatron-LM docs, dist_optimizer: bf16 parameters and fp32 gradients 6 + 12/d bytes; gradients stay whole"
)
FORMULA = "1: the formula of Korthikanti et al. 2022, arXiv 2205.05198, as it stands"
ZERO = "Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1 (16-bit gradients); ZeRO-2 shards them"
FSDP = "PyTorch FSDP2 documentation, fully_shard and MixedPrecisionPolicy: fp32 shards, cast when they are gathered"
PURE = "chosen: 16-bit gradients beside 16-bit weights (no master copy)"
NONE = "chosen: none documented"
EAGER_GATE = (
    "huggingface/nanotron models/llama.py, unfused: gate, its SiLU, up and their product are kept (8 f), and rotary "
    "copies of queries and keys (20 h): 1.3 times 16 h + 6 f"
)

COMMON: dict[str, Known] = {
    "weight_bytes": Known(2.0, MIXED),
    "cast": Known(0.0, MIXED),
    "frozen_bytes": Known(0.0, "chosen: frozen weights are kept as the job gives them"),
    "grad_bytes": Known(4.0, "chosen: gradients accumulated in fp32"),
    "grad_sharded_from": Known(2.0, ZERO),
    "update_bytes": Known(0.0, NONE),
    "step_bytes": Known(0.0, "chosen: fused or in-place optimizer step"),
    "load_bytes": Known(0.0, "chosen: weights are loaded in shards"),
    "fp8_copies": Known(0.0, "chosen: weights are cast at each use"),
    "gathered_units": Known(2.0, "Zhao et al. 2023, arXiv 2304.11277, section 3.3: the unit in use and one prefetched"),
    "activation_scale": Known(1.0, FORMULA),
    "selective_scale": Known(1.0, FORMULA),
    "quantised_scale": Known(1.0, FORMULA),
    "gathered_inputs": Known(
        0.0,
        "Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.2: only shards are kept, gathered again for gradients",
    ),
    "adapter_bytes": Known(0.0, "PEFT LoraConfig: lora_dropout is 0 by default, adapters read what is kept anyway"),
    "working_scale": Known(1.0, FORMULA),
    "logit_bytes": Known(12.0, "16-bit logits (2), an fp32 copy (4), its gradient (4), the 16-bit gradient (2)"),
    "fused_loss": Known(0.0, "chosen: whole logits unless the job says otherwise"),
    "workspace_bytes": Known(5e8, "order of a communication bucket and cuBLAS workspaces"),
    "base_bytes": Known(1.5e9, "order of a CUDA context with NCCL"),
    "reserved_scale": Known(
        1.04, "SimuMax@4dcaae5 docs/b200: reserved over allocated 1.03-1.09 on 43 rows, median 1.04"
    ),
}

FITTED: dict[str, Prior] = {
    "activation_scale": Prior(0.05, 0.25),
    "working_scale": Prior(0.3, 0.4),
    "logit_bytes": Prior(0.1, 0.4),
    "workspace_bytes": Prior(0.5, 0.7),
    "base_bytes": Prior(0.5, 0.7),
    "quantised_scale": Prior(0.3, 0.4),
    "gathered_units": Prior(0.3, 0.3),
}

XLA = {
    "reserved_scale": Known(1.0, "chosen: XLA plans buffers when it compiles: no fragmentation"),
    "cast": Known(1.0, "chosen: parameters kept in fp32 and cast when used"),
    "workspace_bytes": Known(3e8, "chosen: order of XLA's temporaries outside the program"),
    "base_bytes": Known(5e8, "chosen: order of the runtime's reservation"),
}
MEGATRON = {"grad_sharded_from": Known(NEVER, MEGATRON_STATES), "grad_bytes": Known(4.0, MEGATRON_STATES)}
TE_FP8 = Known(2.0, "Transformer Engine: rowwise and columnwise 8-bit copies beside the bf16 weights")

STRUCTURE: dict[str, dict[str, Known]] = {
    "megatron-core": {**MEGATRON, "fp8_copies": TE_FP8},
    "megatron-lm": MEGATRON,
    "mindspeed": MEGATRON,
    "megatron-deepspeed": {
        "grad_bytes": Known(2.0, ZERO),
        "update_bytes": Known(4.0, "DeepSpeed fp16 optimizer: an fp32 gradient beside the master copy, 4 + 16/d bytes"),
    },
    "deepspeed": {
        "grad_bytes": Known(2.0, ZERO),
        "workspace_bytes": Known(2e9, "DeepSpeed config: reduce and allgather buckets of 5e8 elements of 2 bytes"),
    },
    "optimum-habana": {"grad_bytes": Known(2.0, ZERO)},
    "fsdp2": {
        "cast": Known(1.0, FSDP),
        "frozen_bytes": Known(4.0, FSDP),
        "logit_bytes": Known(16.0, "16-bit logits, an fp32 copy, log-softmax, two gradients: torch cross_entropy"),
        "selective_scale": Known(
            0.45, "torchtitan activation_checkpoint: every second matrix product and the attention's output are kept"
        ),
    },
    "llm-foundry": {"cast": Known(1.0, FSDP), "logit_bytes": Known(16.0, "as fsdp2")},
    "hf-trainer": {
        "grad_bytes": Known(2.0, PURE),
        "step_bytes": Known(2.0, "torch.optim.AdamW foreach: temporaries of the size of the parameters"),
        "logit_bytes": Known(22.0, "16-bit logits (2); fp32 copy, its shift, log-softmax, two gradients (4 each)"),
    },
    "litgpt": {
        "grad_bytes": Known(2.0, PURE),
        "adapter_bytes": Known(3.0, "LitGPT config_hub: lora_dropout 0.05 or 0.1, a 16-bit copy and its mask"),
        "load_bytes": Known(2.0, "LitGPT resource-tables.md: LoRA on 2 devices peaks at a whole copy and the shard"),
    },
    "nanotron": {
        "grad_bytes": Known(6.0, "nanotron FP32GradientAccumulator: bf16 gradients beside the fp32 accumulator"),
        "grad_sharded_from": Known(NEVER, "nanotron shards optimizer states alone (ZeRO-1)"),
        "gathered_inputs": Known(
            1.0, "huggingface/nanotron tensor_parallel/functional.py without tp_recompute_allgather"
        ),
        "activation_scale": Known(1.3, EAGER_GATE),
    },
    "internevo": {
        "grad_bytes": Known(2.0, ZERO),
        "update_bytes": Known(11.0, "InternEvo train_performance.md: 27 B a parameter from its memory over 1/N"),
    },
    "nanogpt": {"cast": Known(1.0, "chosen: fp32 parameters under torch.autocast"), "weight_bytes": Known(2.0, MIXED)},
    "pytorch-eager": {},
    "maxtext": XLA,
    "axlearn": XLA,
    "paxml": XLA,
}
FAMILY = {
    "megatron-lm": "megatron-core",
    "mindspeed": "megatron-core",
    "llm-foundry": "fsdp2",
    "nanogpt": "pytorch-eager",
    "optimum-habana": "deepspeed",
}
"""Stacks without a row of their own, and the relative whose fitted constants they borrow."""
BY_PRECISION: dict[tuple[str, str], dict[str, Known]] = {
    ("megatron-deepspeed", "bf16"): {
        "grad_bytes": Known(6.0, "DeepSpeed BF16_Optimizer: 8 + 16/d bytes; fp32 accumulators beside bf16 gradients"),
    },
}


def documented(stacks: NDArray[np.str_], precisions: NDArray[np.str_]) -> dict[str, Array]:
    """Return every constant before any fit, an entry a row: common, the stack's, the stack's at its precision."""
    tables = {
        pair: COMMON | STRUCTURE.get(pair[0], {}) | BY_PRECISION.get(pair, {})
        for pair in sorted(set(zip(stacks.tolist(), precisions.tolist(), strict=True)))
    }
    pairs = list(zip(stacks.tolist(), precisions.tolist(), strict=True))
    return {name: np.array([tables[pair][name].value for pair in pairs]) for name in COMMON}
