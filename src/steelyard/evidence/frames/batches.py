"""From the batch columns of a row to micro-batch and global batch: stated, implied by each other, or split."""

import re

from steelyard.catalog.stack_names import StackRule
from steelyard.errors import BadInput, BadLayout
from steelyard.evidence.frames.settings import run_settings
from steelyard.evidence.runs.columns import is_count
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.unstated.usual import usual_micro_batch

ONE_MICRO_BATCH = re.compile(
    r"\b(?:gas|ga|accum\w*|gradient accumulation(?: steps)?)[ =:]*1\b|\b(?:1|one|single) micro-?batch\b|no overlap"
)
"""A note that says of a pipeline that its batch is not split."""

SPLIT_INTO_ONES = ("fsdp2",)
"""Stacks whose pipeline splits the local batch into micro-batches of one sequence where nobody says otherwise:
torchtitan's `pipeline_parallel_microbatch_size`."""


def run_batch(
    run: Run, rule: StackRule, degrees: tuple[float, float], in_flight: float, assumed: set[str]
) -> tuple[float, float]:
    """Return micro-batch and global batch in samples; where one is missing it follows from the other.

    A rate (tokens/s, TFLOP/s) hardly depends on the batch as long as it fills the device: where neither is stated, one
    of `usual.TOKENS_IN_FLIGHT` tokens a device is taken, of a model by rows its usual batch. A step time without a
    batch means nothing. A micro-batch that is the whole batch of a pipeline was a local batch (`split_local_batch`).

    Args:
        run: the row.
        rule: what its stack implies.
        degrees: of data parallelism and of the pipeline.
        in_flight: samples of a micro-batch where nothing is stated.
        assumed: what the row does not say; added to where this guesses.
    """
    dp, pp = degrees
    if "layout" not in assumed:
        _check_whole_steps(run, dp)
    micro, total = _stated_batch(run, dp, pp, in_flight, assumed)
    unsplit = pp > 1 and micro > 1 and is_count(run.micro_batch) and total <= micro * dp
    said = ONE_MICRO_BATCH.search(run.note.lower()) or "micro_batches" in run_settings(run)
    if unsplit and not said and rule.stack != "hf-trainer":  # its device_map runs one micro-batch at a time
        assumed.add("micro-batch")
        micro = split_local_batch(micro, pp, rule)
    return micro, total


def _check_whole_steps(run: Run, dp: float) -> None:
    """Raise BadLayout where replicas of a stated layout cannot share a batch in whole micro-batches."""
    each, total = run.micro_batch * dp, run.batch_samples
    if is_count(run.micro_batch) and is_count(total) and total > each and total % each:
        raise BadLayout(
            f"a global batch of {total:g} is no multiple of micro-batch {run.micro_batch:g} x dp {dp:g}; correct one, "
            "or leave the micro-batch blank"
        )


def split_local_batch(local: float, pp: float, rule: StackRule) -> float:
    """Return the micro-batch of a local batch of a pipeline: 1 where the stack's default is so, else as many as stages.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.stacks import stack_rule
    >>> [split_local_batch(16, 4, stack_rule(name, "", load())) for name in ("torchtitan", "NeMo")]
    [1.0, 4.0]
    """
    if rule.stack in SPLIT_INTO_ONES:
        return 1.0
    return next((float(size) for size in range(int(local), 0, -1) if local % size == 0 and local / size >= pp), 1.0)


def _stated_batch(run: Run, dp: float, pp: float, in_flight: float, assumed: set[str]) -> tuple[float, float]:
    micro, total = run.micro_batch, run.batch_samples
    if not is_count(micro) and not is_count(total):
        if pp > 1 or is_known(run.step_time_s):
            raise BadInput("neither the micro-batch nor the global batch is stated")
        assumed.add("batch")
        micro = max(1.0, in_flight)
        return micro, micro * max(dp, run.devices)
    if not is_count(total):
        if pp > 1:
            raise BadInput(f"the global batch is not stated; with {pp:g} pipeline stages it decides the step")
        assumed.add("batch")
        return micro, micro * dp
    if not is_count(micro):
        assumed.add("micro-batch")
        micro = float(usual_micro_batch(total, dp, pp, in_flight))
    if total < micro * dp:
        if total % dp == 0 and "layout" not in assumed:
            raise BadLayout(f"a global batch of {total:g} is less than micro-batch {micro:g} x dp {dp:g}")
        micro = max(1.0, total / dp)
        if total < dp:
            raise BadLayout(f"a global batch of {total:g} sequences cannot feed {dp:g} data-parallel ranks")
    return micro, total
