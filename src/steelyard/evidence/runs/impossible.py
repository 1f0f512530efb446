"""What no run can have: rows of it are refused with the reason, by every verb that reads runs, and counted."""

from collections.abc import Mapping
from types import MappingProxyType

from steelyard.catalog import Accelerator
from steelyard.errors import BadInput
from steelyard.evidence.runs.columns import is_count
from steelyard.evidence.runs.run import Run
from steelyard.units import GB_BYTES, GIB_BYTES, Bytes

AT_LEAST_ONE = (
    "devices",
    "sequence_tokens",
    "document_tokens",
    "batch_samples",
    "micro_batch",
    "tp",
    "pp",
    "dp",
    "layers",
    "hidden",
    "heads",
)
"""Columns of which no run has none; an unknown one is blank."""

MOST: Mapping[str, float] = MappingProxyType(
    {"devices": 1e6, "sequence_tokens": 1e8, "batch_samples": 1e8, "micro_batch": 1e6}
)
"""Far beyond every published run, chosen: ten times the longest context that a model is offered with (ten million
tokens: the card of Llama 4 Scout, huggingface.co/meta-llama), more devices than a cluster has."""


def check_sizes(run: Run) -> None:
    """Raise `BadInput` where no run can have what a row says of its size.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> check_sizes(blank_run(micro_batch=3.0, batch_samples=64.0))
    Traceback (most recent call last):
    steelyard.errors.BadInput: micro_batch 3 does not divide batch_samples 64; correct one, or leave micro_batch blank
    """
    for name in AT_LEAST_ONE:
        if getattr(run, name) == 0:
            raise BadInput(f"{name} is 0, and no run has none; correct it, or leave it blank")
    for name, most in MOST.items():
        if getattr(run, name) > most:
            raise BadInput(f"{name} is {getattr(run, name):g}, which no run has; correct it, or leave it blank")
    both = is_count(run.micro_batch) and is_count(run.batch_samples)
    if both and run.batch_samples % run.micro_batch:
        raise BadInput(
            f"micro_batch {run.micro_batch:g} does not divide batch_samples {run.batch_samples:g}; correct one, or "
            "leave micro_batch blank"
        )


def card_bytes(accelerator: Accelerator) -> Bytes:
    """Return the most that a counter of a card can show: a maker's whole gigabytes may be binary ones.

    >>> from steelyard.catalog import load
    >>> [round(card_bytes(load().accelerator(name)) / 2**30) for name in ("H100-80GB-SXM", "GB200")]
    [80, 185]
    """
    stated = accelerator.facts.value("memory")
    binary = stated / GB_BYTES * GIB_BYTES if stated % GB_BYTES == 0 else stated
    return max(accelerator.memory_bytes, binary)


def check_peak(run: Run, accelerator: Accelerator) -> None:
    """Raise `BadInput` where a row says that more was held than its card has, and that it ran."""
    most = card_bytes(accelerator)
    if run.peak_memory_bytes > most and not run.out_of_memory:
        raise BadInput(
            f"peak_memory_bytes is {run.peak_memory_bytes / GIB_BYTES:.4g} GiB, more than the "
            f"{most / GIB_BYTES:.4g} GiB of {accelerator.id}; correct the peak, its unit or the accelerator"
        )
