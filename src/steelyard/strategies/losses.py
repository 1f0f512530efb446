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
    pattern: str = ""  # what rows of measured runs write of it; empty: they never name it
    source: str

    @property
    def logit_bytes(self) -> Bytes:
        """Bytes of one logit at the peak.

        >>> LOSSES["eager"].logit_bytes, LOSSES["chunked"].logit_bytes
        (16.0, 0.0)
        """
        return sum(self.copies, start=0.0)


_ROWS = (
    LossKind(
        name="chunked",
        pattern="liger|rl trainer",
        source="github.com/linkedin/Liger-Kernel, fused linear cross-entropy: projection and loss of a part of the "
        "tokens at a time; PrimeIntellect-ai/prime-rl, whose RL trainer never forms whole logits either",
    ),
    LossKind(
        name="fused",
        copies=(2.0, 4.0),
        pattern="fused cross-entropy",
        source="chosen: 16-bit logits and an fp32 copy, whose place the gradients take (Megatron-core, "
        "cross_entropy_loss_fusion)",
    ),
    LossKind(
        name="unfused",
        copies=(2.0, 4.0, 4.0, 2.0),
        source="chosen: 16-bit logits, an fp32 copy, its gradient, the 16-bit gradient",
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
