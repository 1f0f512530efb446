"""What rows of measured runs say of how tensors were kept: words of their own, of their framework, of their task."""

from collections.abc import Mapping

from steelyard.catalog.stack_names import StackRule
from steelyard.catalog.training import Precision
from steelyard.evidence.runs.columns import says
from steelyard.evidence.runs.run import Run
from steelyard.job.kept.dropouts import adapter_dropout, model_dropout
from steelyard.job.kept.recipes import parse_recipe, partial_recipe, tells_states
from steelyard.job.kept.states import IN_16_BITS, MIXED, OPEN_STATES, named_states, width_of_states
from steelyard.job.kept.texts import TrainingText, open_upcast, packed_type, text_entries, text_loss
from steelyard.job.training import ADAPTERS
from steelyard.strategies.denial import named
from steelyard.strategies.losses import LossKind
from steelyard.tables import Recipe
from steelyard.units import Bytes

ZERO_STAGES = ("1", "2", "3")
"""Shardings that are DeepSpeed's, beside those of FSDP."""


def run_text(run: Run) -> TrainingText:
    """Return what a row writes of its training, as far as its tensors follow from it.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> run_text(blank_run(stack="TRL", note="bf16-true; packed", task="full_ft")).narrow
    True
    """
    return TrainingText(
        stack=run.stack,
        task=run.task,
        note=run.note,
        optimizer=run.optimizer,
        offload=run.offload,
        loss=run.loss,
        date=run.date,
        narrow=run_states(run) == IN_16_BITS,
        fp16=named(r"(?<!b)(?:fp16|float16|half)", run.precision) is not None,
        base=packed_type(run_entries(run)),
    )


def run_states(run: Run) -> str:
    """Return what a row says of its states, as `kept.states.named_states`; a recipe in its column says it, too.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> runs = (blank_run(precision="bf16-pure"), blank_run(note="bf16-true"), blank_run(note="not pure bf16"))
    >>> [run_states(run) for run in runs]
    ['bf16', 'bf16', '']
    """
    return named_states(run.precision, f"{run.note}; {run.stack}") or (MIXED if tells_states(run_entries(run)) else "")


def has_open_states(run: Run, rule: StackRule, precision: Precision) -> bool:
    """Tell whether the scripts of a row's stack decide how wide its states are, and it does not say.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.stacks import stack_rule
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> rule, bf16 = stack_rule("HF Trainer", "", load()), load().precisions["bf16"]
    >>> runs = (blank_run(), blank_run(note="FSDP with mixed precision"), blank_run(task="lora"))
    >>> [has_open_states(run, rule, bf16) for run in runs]
    [True, False, False]
    """
    found = width_of_states(rule, precision.precision, run_states(run), adapted=run.task in ADAPTERS)
    return found == OPEN_STATES


def open_of_scripts(run: Run, rule: StackRule, precision: Precision) -> set[str]:
    """Return what the scripts of a row's stack decide and it does not say, as `job.unstated.taken` calls it."""
    found = {"states"} if has_open_states(run, rule, precision) else set()
    return found | ({"unquantised"} if has_open_base(run, rule) else set())


def has_open_base(run: Run, rule: StackRule) -> bool:
    """Tell whether scripts of a row's stack differ in what they make of what surrounds a quantised base, untold.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.stacks import stack_rule
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> runs = [blank_run(stack=name, task="qlora") for name in ("HF Trainer + PEFT", "axolotl")]
    >>> [has_open_base(run, stack_rule(run.stack, "", load())) for run in runs]
    [True, False]
    """
    share = float(open_upcast(run_text(run), rule))
    return 0 < share < 1 and "base_upcast" not in run_entries(run)


def run_entries(run: Run) -> Mapping[str, float]:
    """Return the entries of a recipe that a row gives in a column of their own, as job files do; none of most rows.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> dict(run_entries(blank_run(recipe="gradients=fused"))), dict(run_entries(blank_run()))
    ({'grad_life': 2.0}, {})
    """
    return parse_recipe(run.recipe) if says(run.recipe) else {}


def unsaid_recipe(run: Run) -> frozenset[str]:
    """Return what of its recipe a row leaves to its framework, as `job.unstated.taken` calls them.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> [sorted(unsaid_recipe(blank_run(note=note, offload="no"))) for note in ("", "bf16-true; loss=chunked")]
    [['loss', 'states'], []]
    """
    found = {"loss"} if run_loss(run) is None else set()
    if run.task not in ADAPTERS and not run_states(run):
        found.add("states")
    if (
        run.task in ADAPTERS
        and adapter_dropout(run_text(run).joined) is None
        and "adapter_bytes" not in run_entries(run)
    ):
        found.add("adapter dropout")
    if not says(run.offload) and "offload" not in run.layout:
        found.add("offload")
    return frozenset(found)


def run_loss(run: Run, rule: StackRule | None = None, gated: bool = True) -> LossKind | None:
    """Return the kind of loss that a run names (`kept.texts.text_loss`); None: that of its stack.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> run_loss(blank_run(loss="eager")).name
    'eager'
    """
    return text_loss(run_text(run), rule, gated)


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
    found = text_entries(run_text(run), rule, element_bytes, gated)
    if rule.stack == "hf-trainer" and run.sharding in ZERO_STAGES:
        found["offload_weights"] = 0.0  # under DeepSpeed, which moves what is named alone
    if "param" in run.offload.lower():
        found["weights_on_host"] = 1.0
    if "activation" in run.offload.lower():
        found |= {"saved_on_host": 1.0, "kept_on_host": 1.0}
    return partial_recipe(**(found | dict(run_entries(run))))


def trained_dropout(run: Run, usual: float) -> float:
    """Return whether a row trains with dropout masks: as its note says, else as its framework does.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> trained_dropout(blank_run(note="dropout 0.1; learned positions"), 0.0), trained_dropout(blank_run(), 1.0)
    (1.0, 1.0)
    >>> [trained_dropout(blank_run(note=note), 1.0) for note in ("no dropout", "dropout off", "dropout: 0.0")]
    [0.0, 0.0, 0.0]
    """
    said = model_dropout(f"{run.note}; {run.stack}")
    return usual if said is None else said
