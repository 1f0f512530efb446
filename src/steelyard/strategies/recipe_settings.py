"""What a person may say of a recipe: readable settings, a row each, and what each of their words means."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.strategies.recipe import GRADIENT_LIVES

QUANTISED_BYTES: Mapping[str, float] = MappingProxyType(
    {
        "nf4-dq": 4 / 8 + 0.127 / 8,  # doubly quantised constants: arXiv 2305.14314, section 3, 0.127 bits a parameter
        "nf4": 4 / 8 + 4 / 64,  # an fp32 constant for 64 parameters: the same section
        "int8": 1.0,
        "int4-g128": 4 / 8 + 2.5 / 128,  # GPTQ: a 16-bit scale and a 4-bit zero for 128 parameters: arXiv 2210.17323
        "mxfp4": 4 / 8 + 1 / 32,  # a scale of 8 bits for 32 parameters: OCP Microscaling Formats (MX) 1.0, section 5
    }
)
"""Bytes of a frozen parameter inside the blocks, by its type."""


UNQUANTISED: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "fp32": {"base_upcast": 1.0, "frozen_bytes": 4.0},
        "fp32-norms": {"base_upcast": 1.0, "frozen_bytes": 0.0},
        "16-bit": {"base_upcast": 0.0, "frozen_bytes": 0.0},
    }
)
"""What surrounds a quantised base: all of it in fp32, its norms alone, nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSetting:
    """One thing that may be said of how tensors are kept, and the entries of `tables.Recipe` that follow."""

    name: str  # as people write it
    meanings: Mapping[str, Mapping[str, float]]
    source: str


RECIPE_SETTINGS = (
    RecipeSetting(
        name="states",
        meanings={
            "16": {"weight_bytes": 2.0, "cast": 0.0, "grad_bytes": 2.0, "reduce_bytes": 0.0},
            "18": {"weight_bytes": 2.0, "cast": 0.0, "grad_bytes": 4.0, "reduce_bytes": 0.0},
        },
        source="bytes of one parameter under AdamW beside an fp32 master copy: arXiv 1910.02054, section 3.1 (2 of a "
        "weight, 2 of a gradient, 12 of states); arXiv 2205.05198 (Megatron: gradients in fp32)",
    ),
    RecipeSetting(
        name="gradients",
        meanings={life: {"grad_life": float(number)} for number, life in enumerate(GRADIENT_LIVES)},
        source="docs.pytorch.org torch.optim.Optimizer.zero_grad (autograd: set_to_none) and tutorials, "
        "optimizer_step_in_backward_tutorial (fused); arXiv 1910.02054 (persistent)",
    ),
    RecipeSetting(
        name="weights",
        meanings={
            "device": {"weights_on_host": 0.0, "offload_weights": 0.0, "weights_on_nvme": 0.0},
            "host": {"weights_on_host": 1.0, "weights_on_nvme": 0.0},
            "nvme": {"weights_on_host": 1.0, "weights_on_nvme": 1.0},
        },
        source="PyTorch FSDP2 documentation, CPUOffloadPolicy; arXiv 2104.07857, section 5 (offload_param: cpu, nvme)",
    ),
    RecipeSetting(
        name="activations",
        meanings={
            "device": {"saved_on_host": 0.0, "kept_on_host": 0.0},
            "host": {"saved_on_host": 1.0, "kept_on_host": 1.0},
        },
        source="github.com/huggingface/trl models/activation_offloading.py, OffloadActivations, which torchtune has as "
        "well: every tensor that autograd saves is moved to the host, with full recomputation inputs of blocks",
    ),
    RecipeSetting(
        name="optimizer_step",
        meanings={"foreach": {"step_copies": 1.0}, "fused": {"step_copies": 0.0}},
        source="docs.pytorch.org torch.optim.AdamW, foreach and fused",
    ),
    RecipeSetting(
        name="optimizer_states",
        meanings={
            "device": {"states_paged": 0.0, "states_on_nvme": 0.0},
            "paged": {"states_paged": 1.0},
            "nvme": {"states_on_nvme": 1.0},
        },
        source="huggingface.co/docs/bitsandbytes, paged optimizers; on the host: layout offload=1; on its drives: the "
        "same and arXiv 2104.07857, section 5 (offload_optimizer: nvme)",
    ),
    RecipeSetting(
        name="kernels",
        meanings={
            "eager": dict.fromkeys(("norm_copies", "activation_inputs", "rotary_copies"), 1.0),
            "fused": dict.fromkeys(("norm_copies", "activation_inputs", "rotary_copies"), 0.0),
        },
        source="github.com/linkedin/Liger-Kernel rms_norm.py, swiglu.py, rope.py",
    ),
    RecipeSetting(
        name="quantised",
        meanings={name: {"packed_bytes": size} for name, size in QUANTISED_BYTES.items()},
        source="huggingface.co/docs/bitsandbytes, Linear4bit (nf4); arXiv 2305.14314, section 3 (nf4-dq: doubly "
        "quantised constants); arXiv 2210.17323 (int4-g128: GPTQ); OCP Microscaling Formats 1.0 (mxfp4)",
    ),
    RecipeSetting(
        name="unquantised",
        meanings=UNQUANTISED,
        source="github.com/huggingface/peft src/peft/utils/other.py, prepare_model_for_kbit_training (fp32); "
        "github.com/huggingface/trl trainer/utils.py, peft_module_casting_to_bf16 (embeddings and head go back)",
    ),
    RecipeSetting(
        name="logits",
        meanings={"parallel": {"logits_gathered": 0.0}, "gathered": {"logits_gathered": 1.0}},
        source="arXiv 1909.08053, section 3 (a vocabulary-parallel head)",
    ),
)
"""By their names; entries of `tables.Recipe` may be given by number as well."""
