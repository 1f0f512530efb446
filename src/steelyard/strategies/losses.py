"""Kinds of losses, a row each: the copies of every logit that one holds at the peak of a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.units import Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LossKind:
    """One way to compute softmax and cross-entropy of the vocabulary, forward and backward."""

    name: str  # as people write it
    copies: tuple[Bytes, ...] = ()  # of a logit at the peak, the bytes of each; none: logits are never whole
    follows: bool = False  # copies are of the type of the model's elements, given for 16 bits
    pattern: str = ""  # what rows of measured runs write of it; empty: they never name it
    source: str

    @property
    def logit_bytes(self) -> Bytes:
        """Bytes of one logit at the peak.

        >>> LOSSES["eager"].logit_bytes, LOSSES["chunked"].logit_bytes
        (16.0, 4.5)
        """
        return sum(self.copies, start=0.0)


_ROWS = (
    LossKind(
        name="fused-linear",
        pattern=r"liger|rl trainer|(fused[ _-]linear|cut)[ _-](cross.?entropy|ce\b)|\bcce\b"
        r"|(?<!\w)(no|without) (full )?logits (are )?materiali[sz](ed|ing)(?! in)|logits (are |were )?(not|never) "
        r"materiali[sz]ed",
        source="github.com/linkedin/Liger-Kernel, fused linear cross-entropy: projection and loss of a part of the "
        "tokens at a time; Wijmans et al. 2024, arXiv 2411.09009; PrimeIntellect-ai/prime-rl, whose RL trainer never "
        "forms whole logits either",
    ),
    LossKind(
        name="chunked",
        copies=(2.0, 2.0, 0.5),
        pattern=r"loss=chunked|chunked (loss|cross|output|ce\b)|cewithchunked",
        source="github.com/pytorch/torchtune modules/loss/ce_chunked_output_loss.py: 16-bit logits and their gradient, "
        "and an fp32 copy of one of eight chunks",
    ),
    LossKind(
        name="fused",
        copies=(2.0, 4.0),
        pattern=r"fused (cross.?entropy|ce\b)",
        source="chosen: 16-bit logits and an fp32 copy, whose place the gradients take (Megatron-core, "
        "cross_entropy_loss_fusion)",
    ),
    LossKind(
        name="triton",
        copies=(2.0, 4.0, 2.0),
        pattern=r"(triton|fast) (cross.?entropy|ce\b)",
        source="github.com/unslothai/unsloth kernels/cross_entropy_loss.py, which the plugin of fms-acceleration took "
        "over: 16-bit logits, their fp32 copy and a 16-bit gradient; log-softmax is never written",
    ),
    LossKind(
        name="plain",
        copies=(2.0, 2.0, 2.0),
        follows=True,
        pattern=r"plain pytorch.*loss=logits materialised",
        source="torch.nn.functional.cross_entropy without autocast: logits, log-softmax and a gradient, of one type",
    ),
    LossKind(
        name="unfused",
        copies=(2.0, 4.0, 4.0, 2.0),
        source="chosen: 16-bit logits, an fp32 copy, its gradient, the 16-bit gradient",
    ),
    LossKind(
        name="upcast",
        copies=(2.0, 4.0, 4.0, 4.0),
        pattern=r"fp32 upcast",
        source="github.com/huggingface/transformers loss/loss_utils.py, ForCausalLMLoss: 16-bit logits, an fp32 copy, "
        "its shift by a token, log-softmax in whose place the gradient comes",
    ),
    LossKind(
        name="upcast-in-model",
        copies=(4.0, 4.0, 4.0),
        source="github.com/huggingface/transformers, causal models before 4.46: as upcast, where the model itself "
        "makes its logits fp32 and forgets those of 16 bits, from memory",
    ),
    LossKind(
        name="shifted-16-bit",
        copies=(2.0, 2.0, 2.0, 2.0),
        follows=True,
        source="github.com/huggingface/transformers, GPT-2, OPT and GPTBigCode: as upcast without the upcast, logits "
        "are shifted and reduced in their own type, from memory",
    ),
    LossKind(
        name="fp32-logits",
        copies=(4.0, 4.0, 4.0, 4.0),
        pattern=r"logits materialised in fp32",
        source="as upcast, where an fp32 output projection makes the logits (github.com/huggingface/peft, "
        "prepare_model_for_kbit_training)",
    ),
    LossKind(
        name="eager",
        copies=(2.0, 4.0, 4.0, 4.0, 2.0),
        source="chosen: counted from torch.nn.functional.cross_entropy: 16-bit logits, an fp32 copy, log-softmax, two "
        "gradients",
    ),
    LossKind(
        name="shifted",
        copies=(2.0, 4.0, 4.0, 4.0, 4.0, 4.0),
        source="chosen: counted from torch.nn.functional.cross_entropy: 16-bit logits, an fp32 copy, its shift by a "
        "token, log-softmax, two gradients",
    ),
)

LOSSES: Mapping[str, LossKind] = MappingProxyType({one.name: one for one in _ROWS})
"""By their names, in the order in which patterns are tried."""
