"""From the words of a training to entries of its recipe, whoever wrote them: a job file or a row of measured runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.catalog.stack_names import StackRule, upcast_entries, upcast_share
from steelyard.job.kept.drives import drive_entries
from steelyard.job.kept.dropouts import adapter_dropout, dropped_entries
from steelyard.job.kept.recipes import loss_entries, named_loss, term_entries
from steelyard.job.models.adapters import quantised_type
from steelyard.job.training import ADAPTERS, parse_loss
from steelyard.strategies.losses import LOSSES, LossKind
from steelyard.strategies.recipe_settings import QUANTISED_BYTES, UNQUANTISED
from steelyard.units import Bytes, Share

LOSS_FUNCTION = "2024-11"
"""Hugging Face Transformers 4.46 of October 2024 moved the loss, and its upcast, out of the models."""

MIXED_LOGITS = {"shifted-16-bit": 2 + 2 + 4.0, "triton": 4.0}
"""Bytes of a logit that mixed precision adds: softmax and gradient in fp32, and the fp32 copy that is returned."""

FP32_ADAPTERS: Mapping[str, float] = MappingProxyType({"weight_bytes": 0.0, "grad_bytes": 4.0, "step_copies": 0.0})
"""Adapters are fp32 beside a 16-bit base, with their gradients and moments: 16 bytes each
(github.com/huggingface/peft, `autocast_adapter_dtype`)."""

USUAL_QUANTISED = "nf4"
"""Type of a quantised base where nobody says: `BitsAndBytesConfig` quantises no constants unless it is asked to
(github.com/huggingface/transformers utils/quantization_config.py, bnb_4bit_use_double_quant=False)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingText:
    """What is written of a training, as far as its tensors follow from it."""

    stack: str  # as people write it
    task: str
    note: str = ""
    optimizer: str = ""
    offload: str = ""  # what a column of its own says of it
    loss: str = ""  # its kind, where it is named apart
    date: str = ""  # yyyy-mm; empty: now
    narrow: bool = False  # parameters, gradients and states are said to be of 16 bits
    fp16: bool = False  # products are in fp16
    base: str = ""  # type of its frozen weights, of `QUANTISED_BYTES`, where it is given apart

    @property
    def joined(self) -> str:
        """All of it, in small letters."""
        return f"{self.stack}; {self.note}; {self.optimizer}".lower()

    @property
    def drives(self) -> str:
        """What of it may say that states rest on drives."""
        away = self.offload.replace(";", ",")
        return f"{self.stack}; {self.note}; offload {away}" if away else f"{self.stack}; {self.note}"


def text_entries(text: TrainingText, rule: StackRule, element_bytes: Bytes, gated: bool) -> dict[str, float]:
    """Return the entries of a recipe that the words of a training say, a later word over an earlier.

    Args:
        text: what is written.
        rule: what the name of its stack implies.
        element_bytes: of its working precision.
        gated: whether its model has a gated MLP.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> rule = rule_of_name(load().stack_rules, "torchtune")
    >>> said = TrainingText(stack="torchtune", task="full_ft", note="optimizer in backward", loss="chunked")
    >>> text_entries(said, rule, 2.0, True)
    {'logit_bytes': 4.5, 'grad_life': 2, 'step_copies': 0.0}
    >>> text_entries(TrainingText(stack="torchtune", task="lora"), rule, 2.0, True)["grad_bytes"]
    4.0
    """
    found = dict(rule.recipe)
    if text.task in ADAPTERS and not text.narrow:
        found |= FP32_ADAPTERS
    found |= term_entries(text.joined)
    if text.task in ADAPTERS:
        found |= dropped_entries(adapter_dropout(text.joined))
    if open_upcast(text, rule) > 0:
        found |= upcast_entries(rule, text.joined, not text.fp16 and base_type(text) != "int8")
    found |= drive_entries(text.drives)
    loss = text_loss(text, rule, gated)
    return found | loss_entries(loss, element_bytes) | mixed_entries(text, rule, gated, loss)


def open_upcast(text: TrainingText, rule: StackRule) -> Share:
    """Return the share of the trainings that a text may mean in which what surrounds a quantised base is fp32.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> rule = rule_of_name(load().stack_rules, "HF Trainer")
    >>> notes = ("", "prepare_model_for_kbit_training", "GPTQ")
    >>> [open_upcast(TrainingText(stack="HF Trainer", task="qlora", note=note), rule) for note in notes]
    [0.5, 1.0, 0.0]
    """
    return upcast_share(rule, f"{text.joined}; {text.base}", text.task == "qlora")


def mixed_entries(text: TrainingText, rule: StackRule, gated: bool, loss: LossKind | None) -> dict[str, float]:
    """Return what mixed precision makes of a quantised model without gates, whose logits stay in 16 bits.

    Quantised models are trained under autocast. It computes LayerNorm (of models without gates; RMSNorm is the model's
    own code) in fp32, which quantised products give back and pass on, and the loss; Accelerate returns fp32 logits.

    Source: github.com/foundation-model-stack/fms-acceleration scripts/benchmarks/scenarios.yaml (`fp16: True` of its
    quantised runs alone); docs.pytorch.org torch.amp, ops that autocast to float32: layer_norm, cross_entropy;
    github.com/bitsandbytes-foundation/bitsandbytes nn/modules.py, Linear4bit: an output of its input's type;
    github.com/huggingface/accelerate utils/operations.py, convert_outputs_to_fp32; the last two from memory.

    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> rule = rule_of_name(load().stack_rules, "HF Trainer")
    >>> some = [TrainingText(stack="HF Trainer", task=task) for task in ("lora", "qlora")]
    >>> [mixed_entries(one, rule, False, LOSSES["triton"]) for one in some]
    [{}, {'stream_bytes': 4.0, 'logit_bytes': 12.0}]
    """
    if text.task != "qlora" or rule.stack != "hf-trainer" or gated:
        return {}
    more = MIXED_LOGITS.get(loss.name, 0.0) if loss else 0.0
    return {"stream_bytes": 4.0} | ({"logit_bytes": float(loss.logit_bytes) + more} if loss and more else {})


def text_loss(text: TrainingText, rule: StackRule | None = None, gated: bool = True) -> LossKind | None:
    """Return the kind of loss that is named, apart or with the stack; None: that of the stack.

    Causal models of Hugging Face upcast their logits in the model until 4.46 (October 2024),
    those without a gate never.

    >>> said = [TrainingText(stack=name, task="") for name in ("LLaMA-Factory + Liger", "NeMo 25.04")]
    >>> [kind and kind.name for kind in map(text_loss, said)]
    ['fused-linear', None]
    >>> text_loss(TrainingText(stack="NeMo", task="", loss="eager")).name
    'eager'
    """
    if text.loss:
        return parse_loss(text.loss)
    found = named_loss(f"{text.stack}; {text.note}")
    if rule is None or rule.stack != "hf-trainer" or (found or LOSSES["upcast"]).name != "upcast":
        return found
    if not gated:
        return LOSSES["shifted-16-bit"]
    version = re.search(r"transformers (\d+)\.(\d+)", text.stack)
    early = (int(version[1]), int(version[2])) < (4, 46) if version else bool(text.date) and text.date < LOSS_FUNCTION
    return LOSSES["upcast-in-model"] if early else found


def packed_type(recipe: Mapping[str, float]) -> str:
    """Return the type of frozen weights that entries of a recipe give, of `QUANTISED_BYTES`; empty where they do not.

    >>> packed_type({"packed_bytes": 1.0}), packed_type({})
    ('int8', '')
    """
    return next((name for name, size in QUANTISED_BYTES.items() if size == recipe.get("packed_bytes")), "")


def quantised_text(recipe: Mapping[str, float]) -> str:
    """Return what entries of a recipe say of a quantised base and of what surrounds it, in words.

    >>> quantised_text({"packed_bytes": 1.0, "base_upcast": 0.0, "frozen_bytes": 0.0}), quantised_text({})
    ('quantised=int8; unquantised=16-bit', '')
    """
    kind = packed_type(recipe)
    around = next((word for word, meant in UNQUANTISED.items() if meant.items() <= recipe.items()), "")
    return "; ".join([f"quantised={kind}"] * bool(kind) + [f"unquantised={around}"] * bool(around))


def base_type(text: TrainingText) -> str:
    """Return the type of the frozen weights of a quantised training, of `QUANTISED_BYTES`; empty of any other.

    >>> said = [TrainingText(stack=name, task="qlora") for name in ("PEFT", "LLaMA-Factory", "PEFT, double quant")]
    >>> [base_type(one) for one in said], base_type(TrainingText(stack="PEFT", task="qlora", base="int8"))
    (['nf4', 'nf4-dq', 'nf4-dq'], 'int8')
    """
    if text.task != "qlora":
        return ""
    return text.base or quantised_type(f"{text.note}; {text.stack}".lower()) or USUAL_QUANTISED
