"""What rows of measured runs say of how tensors were kept: words of their own, of their framework, of their task."""

import re

from steelyard.catalog.stack_names import StackRule
from steelyard.evidence.runs.columns import says
from steelyard.evidence.runs.run import Run
from steelyard.job.recipes import loss_entries, named_loss, partial_recipe, term_entries
from steelyard.job.training import ADAPTERS, parse_loss, says_mixed
from steelyard.strategies.denial import denied, named
from steelyard.strategies.losses import LOSSES, LossKind
from steelyard.strategies.recipe import KBIT
from steelyard.strategies.settings import spelled_number
from steelyard.tables import Recipe
from steelyard.units import Bytes

LOSS_FUNCTION = "2024-11"
"""Hugging Face Transformers 4.46 of October 2024 moved the loss, and its upcast, out of the models."""

PURE = r"(?:bf|fp)16-true|(?:pure|full)[ _-](?:bf|fp)16"
ZERO_STAGES = ("1", "2", "3")
"""Shardings that are DeepSpeed's, beside those of FSDP."""

MIXED_LOGITS = {"shifted-16-bit": 2 + 2 + 4.0, "triton": 4.0}
"""Bytes of a logit that mixed precision adds: softmax and gradient in fp32, and the fp32 copy that is returned."""

FP32_ADAPTERS = {"weight_bytes": 0.0, "grad_bytes": 4.0, "step_copies": 0.0}
"""Adapters are fp32 beside a 16-bit base, with their gradients and moments: 16 bytes each
(github.com/huggingface/peft, `autocast_adapter_dtype`)."""


def states_in_16_bits(run: Run, rule: StackRule) -> bool:
    """Tell whether nothing is kept in fp32: as a row says, else as its framework's recipes do; adapters are fp32.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.stacks import stack_rule
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> rule = stack_rule("HF Trainer", "", load())
    >>> runs = (blank_run(), blank_run(note="FSDP with mixed precision"), blank_run(task="lora"))
    >>> [states_in_16_bits(run, rule) for run in runs]
    [True, False, False]
    """
    if all_in_16_bits(run):
        return True
    if run.task in ADAPTERS or says_mixed(f"{run.note}; {run.stack}"):
        return False
    return rule.states in ("bf16", "open")


def all_in_16_bits(run: Run) -> bool:
    """Tell whether a row itself says that parameters, gradients and states are of 16 bits.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> runs = (blank_run(precision="bf16-pure"), blank_run(note="bf16-true"), blank_run(note="not pure bf16"))
    >>> [all_in_16_bits(run) for run in runs]
    [True, True, False]
    """
    return run.precision.endswith("-pure") or named(PURE, f"{run.note}; {run.stack}") is not None


def unsaid_recipe(run: Run) -> frozenset[str]:
    """Return which of loss, states and offload a row leaves to its framework, as `job.unstated.taken` calls them.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> [sorted(unsaid_recipe(blank_run(note=note, offload="no"))) for note in ("", "bf16-true; loss=chunked")]
    [['loss', 'states'], []]
    """
    found = {"loss"} if run_loss(run) is None else set()
    if run.task not in ADAPTERS and not (all_in_16_bits(run) or says_mixed(f"{run.note}; {run.stack}")):
        found.add("states")
    if not says(run.offload) and "offload" not in run.layout:
        found.add("offload")
    return frozenset(found)


def run_recipe(run: Run, rule: StackRule, element_bytes: Bytes, gated: bool = True) -> Recipe:
    """Return how the tensors of a run were kept, as far as its row or the name of its framework says so.

    Args:
        run: the row.
        rule: what the name of its framework implies.
        element_bytes: of its working precision.
        gated: whether its model has a gated MLP.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.stacks import stack_rule
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> run = blank_run(stack="torchtune", note="optimizer in backward; loss=chunked")
    >>> found = run_recipe(run, stack_rule(run.stack, "", load()), 2.0)
    >>> found.grad_life, found.logit_bytes, found.weight_bytes
    (2, 4.5, nan)
    """
    text = f"{run.stack}; {run.note}; {run.optimizer}".lower()
    sharded = one_type(run)
    found: dict[str, float] = dict(rule.recipe)
    if run.task in ADAPTERS:
        found |= {} if all_in_16_bits(run) else FP32_ADAPTERS
        if sharded and rule.stack == "hf-trainer":
            found["input_gradients"] = 1.0
    found |= term_entries(text, KBIT if sharded else None)
    if rule.stack == "hf-trainer" and run.sharding in ZERO_STAGES:
        found["offload_weights"] = 0.0  # under DeepSpeed, which moves what is named alone
    if "param" in run.offload.lower():
        found["weights_on_host"] = 1.0
    if "activation" in run.offload.lower():
        found["saved_on_host"] = 1.0
    loss = run_loss(run, rule, gated)
    return partial_recipe(**(found | loss_entries(loss, element_bytes) | mixed_entries(run, rule, gated, loss)))


def mixed_entries(run: Run, rule: StackRule, gated: bool, loss: LossKind | None) -> dict[str, float]:
    """Return what mixed precision makes of a quantised model without gates, whose logits stay in 16 bits.

    Quantised models are trained under autocast. It computes LayerNorm (of models without gates; RMSNorm is the model's
    own code) in fp32, which quantised products give back and pass on, and the loss; Accelerate returns fp32 logits.

    Source: github.com/foundation-model-stack/fms-acceleration scripts/benchmarks/scenarios.yaml (`fp16: True` of its
    quantised runs alone); docs.pytorch.org torch.amp, ops that autocast to float32: layer_norm, cross_entropy;
    github.com/bitsandbytes-foundation/bitsandbytes nn/modules.py, Linear4bit: an output of its input's type;
    github.com/huggingface/accelerate utils/operations.py, convert_outputs_to_fp32; the last two from memory.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.stacks import stack_rule
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> rule = stack_rule("HF Trainer", "", load())
    >>> [mixed_entries(blank_run(task=task), rule, False, LOSSES["triton"]) for task in ("lora", "qlora")]
    [{}, {'stream_bytes': 4.0, 'logit_bytes': 12.0}]
    """
    if run.task != "qlora" or rule.stack != "hf-trainer" or gated:
        return {}
    more = MIXED_LOGITS.get(loss.name, 0.0) if loss else 0.0
    return {"stream_bytes": 4.0} | ({"logit_bytes": float(loss.logit_bytes) + more} if loss and more else {})


def run_loss(run: Run, rule: StackRule | None = None, gated: bool = True) -> LossKind | None:
    """Return the kind of loss that a run names, in its own column or in what it says of its stack; None: its stack's.

    Causal models of Hugging Face upcast their logits in the model until 4.46 (October 2024),
    those without a gate never.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> named = [blank_run(stack="LLaMA-Factory + Liger"), blank_run(loss="eager"), blank_run(stack="NeMo 25.04")]
    >>> [kind and kind.name for kind in map(run_loss, named)]
    ['fused-linear', 'eager', None]
    """
    if run.loss:
        return parse_loss(run.loss)
    found = named_loss(f"{run.stack}; {run.note}")
    if rule is None or rule.stack != "hf-trainer" or (found or LOSSES["upcast"]).name != "upcast":
        return found
    if not gated:
        return LOSSES["shifted-16-bit"]
    version = re.search(r"transformers (\d+)\.(\d+)", run.stack)
    early = (int(version[1]), int(version[2])) < (4, 46) if version else bool(run.date) and run.date < LOSS_FUNCTION
    return LOSSES["upcast-in-model"] if early else found


def one_type(run: Run) -> bool:
    """Tell whether a row shards parameters in flat ones, which have one type: preparation for k-bit training is off.

    Source: Zhao et al. 2023, arXiv 2304.11277, section 3.2.1: a FlatParameter is one-dimensional and of one type.
    """
    return spelled_number("zero", run.sharding) == 3


def outside_bytes(run: Run) -> float | None:
    """Return the bytes of a parameter that quantisation leaves as it is; None: those of the working precision.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> outside_bytes(blank_run(note="norms and embeddings fp32 (prepare_model_for_kbit_training)"))
    4.0
    """
    return 4.0 if named(KBIT.pattern, run.note) and not one_type(run) else None


def trained_dropout(run: Run, usual: float) -> float:
    """Return whether a row trains with dropout masks: as its note says, else as its framework does.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> trained_dropout(blank_run(note="dropout 0.1; learned positions"), 0.0), trained_dropout(blank_run(), 1.0)
    (1.0, 1.0)
    >>> [trained_dropout(blank_run(note=note), 1.0) for note in ("no dropout", "dropout off", "dropout: 0.0")]
    [0.0, 0.0, 0.0]
    """
    stated = re.search(r"(?<![a-z_])dropout[ =:]+([\d.]+)", run.note.lower())
    if stated is None:
        return 0.0 if denied(r"(?<![a-z_])(?:attention |hidden )?dropout", run.note) else usual
    return float(float(stated[1].rstrip(".") or 0) > 0)
