"""Words of recipes of memory, a row each: what people say of how tensors are kept, and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GRADIENT_LIVES = ("persistent", "autograd", "fused")
"""Lives of gradients, by number: buffers from the start of training on (Megatron-core, DeepSpeed, nanotron); made in
the backward pass and freed at the step (`zero_grad(set_to_none=True)`: FSDP, DDP, Hugging Face, torchtune); consumed by
an optimizer in the backward pass as soon as they are there, so that one block's are alive at once."""

PERSISTENT, AUTOGRAD, FUSED = range(3)

LIGER = r"liger"
COMPILE = r"torch[._ ]?compile|\bcompiled?\b(?! time)"
"""How people write kernels that are fused by Liger (github.com/linkedin/Liger-Kernel), and by PyTorch's compiler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeTerm:
    """One thing that people write of a run, and the entries of `tables.Recipe` that follow from it."""

    name: str
    pattern: str  # what finds it in a run's stack and note
    entries: Mapping[str, float] = field(default_factory=dict)
    source: str


KBIT = RecipeTerm(
    name="prepared for k-bit training",
    pattern=r"prepare_model_for_kbit_training|norms and embeddings fp32|norms upcast by peft|unquantised=fp32(?!-)",
    entries={"base_upcast": 1.0, "frozen_bytes": 4.0},
    source="github.com/huggingface/peft src/peft/utils/other.py, prepare_model_for_kbit_training: every parameter "
    "that is not quantised becomes fp32, unless the base is GPTQ's, AWQ's, AQLM's, HQQ's or EETQ's",
)

RECIPE_TERMS = (
    RecipeTerm(
        name="optimizer in backward",
        pattern=r"optimi[sz]er[ _-]in[ _-](the )?b(ackward|wd)|gradients?[ _-]release|fused[ _-]gradients?"
        r"|gradients? (are |is |were )?(fused|released) (in|into|during|within) (the )?backward|gradients=fused"
        r"|layer-?wise gradient update",
        entries={"grad_life": FUSED, "step_copies": 0.0},
        source="docs.pytorch.org tutorials, intermediate/optimizer_step_in_backward_tutorial: each gradient is freed "
        "once its parameter is updated",
    ),
    RecipeTerm(
        name="fused optimizer",
        pattern=r"\bfused[ _]?adamw?\b|adamw?[ _]\(?fused|adamw?[ _](torch|apex)[ _]fused",
        entries={"step_copies": 0.0},
        source="docs.pytorch.org torch.optim.AdamW, fused: one kernel over all tensors, without temporaries",
    ),
    RecipeTerm(
        name="saved on the host",
        pattern=r"gradient[ _]checkpointing[\"' ]*[=:]?[\"' ]*unsloth|kept on the host"
        r"|(activation|gradient)[ _]checkpoints?[ _]offload",
        entries={"saved_on_host": 1.0},
        source="github.com/unslothai/unsloth-zoo gradient_checkpointing.py: the inputs of blocks are moved to the host",
    ),
    RecipeTerm(
        name="activations on the host",
        pattern=r"offload[a-z_ ]*activation|activation[s_ -]*((is|are|was|were) |cpu[ _-])?offload",
        entries={"saved_on_host": 1.0, "kept_on_host": 1.0},
        source="github.com/huggingface/trl models/activation_offloading.py, OffloadActivations: every tensor that "
        "autograd saves is moved to the host",
    ),
    RecipeTerm(
        name="fused block kernels",
        pattern=rf"fused rmsnorm|{LIGER}|{COMPILE}",
        entries={"norm_copies": 0.0, "rotary_copies": 0.0},
        source="github.com/linkedin/Liger-Kernel rms_norm.py, rope.py: the input of a norm is kept as it is, rotation "
        "is in place",
    ),
    RecipeTerm(
        name="fused gated activation",
        pattern=rf"{LIGER}|fused swiglu|{COMPILE}",
        entries={"activation_inputs": 0.0},
        source="github.com/linkedin/Liger-Kernel swiglu.py: gate and up are kept, the activation is computed again",
    ),
    RecipeTerm(
        name="gradients in buckets",
        pattern=r"gradient_as_bucket_view[\"' ]*[=:][\"' ]*(true|1)\b",
        entries={"bucket_copies": 0.0, "grad_life": PERSISTENT},
        source="docs.pytorch.org torch.nn.parallel.DistributedDataParallel, gradient_as_bucket_view: gradients are "
        "views of the buckets, which stay",
    ),
)
"""In the order in which they are applied: a later word overrides an earlier one."""
