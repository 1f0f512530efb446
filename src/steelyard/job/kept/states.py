"""How wide the states of a training are: as somebody says, as the recipes of its stack have them, or open."""

from dataclasses import dataclass

from steelyard.catalog.stack_names import StackRule
from steelyard.job.training import LOADED, says_mixed, says_pure
from steelyard.strategies.denial import named
from steelyard.units import Share

MIXED, IN_16_BITS, OPEN_STATES, LOADED_IN_16 = "mixed", "bf16", "open", "loaded"
"""Beside an fp32 master copy; parameters, gradients and moments in 16 bits alike; as a script has it; of a model that
was loaded in 16 bits, beside which recipes of some stacks keep a master copy."""


@dataclass(frozen=True, slots=True)
class StatesChoice:
    """One width of states that scripts of a stack have."""

    name: str
    precision: str
    share: Share  # of such scripts


SCRIPTS = (StatesChoice("all in 16 bits", "bf16-pure", 0.5), StatesChoice("with an fp32 master copy", "bf16", 0.5))
"""What a script makes of a model that it does not hand to a stack with recipes of its own. Both alike: chosen. Of the
owners of carried rows on such stacks that say which, three have 16 bits (two of them only that), two a master copy."""


def named_states(precision: str, text: str = "") -> str:
    """Return what words say of states: `mixed`, `bf16` where all is in 16 bits; empty where they leave it open.

    A bare `bf16`, and the switch `bf16=True` of Hugging Face, say what products are computed in: autocast over a model
    that was loaded in 16 bits keeps nothing wider (huggingface.co/docs/transformers, TrainingArguments and
    `from_pretrained`, dtype).

    Args:
        precision: as it is written of a training.
        text: what else is written of it: its stack, a note.

    >>> [named_states(text) for text in ("bf16", "bf16=True", "bf16-mixed", "amp", "bf16-true", "pure bf16")]
    ['', '', 'mixed', 'mixed', 'bf16', 'bf16']
    >>> named_states("bf16", "torchtune, bf16-true"), named_states("bf16", "fp32 master weights")
    ('bf16', 'mixed')
    >>> named_states("bf16", "HF Trainer, torch_dtype=bfloat16"), named_states("bf16", "torch_dtype=float32")
    ('loaded', 'mixed')
    """
    if says_pure(precision, of_precision=True) or says_pure(text):
        return IN_16_BITS
    if says_mixed(precision, of_precision=True) or says_mixed(text):
        return MIXED
    return LOADED_IN_16 if named(LOADED, f"{precision}; {text}") else ""


def width_of_states(rule: StackRule, precision: str, stated: str, *, adapted: bool) -> str:
    """Return how wide states are: `mixed`, `bf16`, or `open` where scripts of a stack have either.

    What is named holds. Recipes of a stack speak of bf16 alone: fp16 needs fp32 parameters, as its gradients are scaled
    (docs.pytorch.org, torch.amp.GradScaler, which refuses fp16 gradients), fp8 and fp4 are products over master weights
    (`precisions.csv`). Adapters are fp32 (`texts.FP32_ADAPTERS`).

    Args:
        rule: what the name of a stack implies.
        precision: of the training, of `precisions.csv`.
        stated: of `named_states`.
        adapted: whether adapters alone are trained.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> rules = [rule_of_name(load().stack_rules, name) for name in ("HF Trainer", "torchtune", "torchtitan")]
    >>> [width_of_states(rule, "bf16", "", adapted=False) for rule in rules]
    ['open', 'bf16', 'mixed']
    >>> [width_of_states(rules[0], *said, adapted=False) for said in (("fp16", ""), ("bf16", "mixed"), ("fp8", ""))]
    ['mixed', 'mixed', 'mixed']
    >>> [width_of_states(rule, "bf16", "loaded", adapted=False) for rule in rules]
    ['bf16', 'bf16', 'mixed']
    """
    plain = "" if stated == LOADED_IN_16 else stated
    if plain or adapted or precision != "bf16":
        return plain or MIXED
    return IN_16_BITS if stated and rule.states == OPEN_STATES else rule.states
