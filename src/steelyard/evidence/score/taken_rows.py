"""What the reader took of each setting that a row does not state, in the words that estimates have."""

from functools import lru_cache

import numpy as np

from steelyard.catalog import Catalog
from steelyard.catalog.stack_names import FALLBACK, StackRule
from steelyard.evidence.frames.frame import RunFrame
from steelyard.evidence.frames.recipes import unsaid_recipe
from steelyard.evidence.runs.columns import says
from steelyard.evidence.runs.run import Run
from steelyard.job.kept.states import SCRIPTS
from steelyard.job.models.architecture import open_dropout
from steelyard.job.unstated.stack import common_stacks
from steelyard.job.unstated.taken import (
    TakenSettings,
    around_base,
    bytes_each,
    dropped_bytes,
    has_masks,
    taken_texts,
    weights_follow,
)
from steelyard.tables import take


@lru_cache(maxsize=2)
def taken_of_rows(found: RunFrame, catalog: Catalog) -> tuple[tuple[str, ...], ...]:
    """Return the lines of `job.unstated.taken.taken_texts` of each row.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.frame import run_frame
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> row = blank_run(model="gpt2", accelerator="H100", devices=1.0, sequence_tokens=1024.0, stack="torchtune",
    ...     batch_samples=8.0, micro_batch=8.0, task="full_ft", precision="bf16", flash_attention="yes")
    >>> for text in taken_of_rows(run_frame([row], load()), load())[0]:
    ...     print(text)
    recompute full: or none (recompute=)
    offload none: or optimizer (offload=)
    loss 4.5 B a logit: or 0 (fused-linear) to 22 (shifted) (loss:)
    sharding zero=0: or zero=2, zero=3 (zero=)
    states 8 B a parameter: or 16 to 18 with an fp32 master copy (precision:)
    """
    count = len(found)
    if not count:
        return ()
    bases = np.broadcast_to(found.job.recipe.packed_bytes, count)
    held, logits = (np.broadcast_to(one, count) for one in bytes_each(found.job, found.layout, found.stack))
    follow = np.broadcast_to(weights_follow(found.job, found.layout, found.stack), count)
    dropped = np.broadcast_to(dropped_bytes(found.job, found.stack), count)
    masks = np.broadcast_to(has_masks(found.job.workload), count)
    known = {name: catalog.capability(name if name in catalog.stack_files else FALLBACK) for name in found.labels.stack}
    each = [
        TakenSettings(
            stack=str(name),
            others=_others(found, index, catalog),
            capability=known[name],
            layout=take(found.layout, index),
            state_bytes=float(held[index]),
            logit_bytes=float(logits[index]),
            precision=str(found.labels.precision[index]),
            weights_follow=float(follow[index]),
            base_bytes=float(bases[index]),
            dropped_bytes=float(dropped[index]),
            masks=bool(masks[index]),
            unquantised=around_base(take(found.job.recipe, index), take(found.layout, index)) if bases[index] else "",
        )
        for index, name in enumerate(found.labels.stack)
    ]
    return tuple(
        (
            *taken_texts((assumed | _unsaid(run, rule)) - (assumed & {"states"}), [one]),
            *([OPEN] * ("states" in assumed)),
        )
        for assumed, run, rule, one in zip(found.assumed, found.runs, found.rules, each, strict=True)
    )


OPEN = f"states {' or '.join(one.name for one in SCRIPTS)}: the script decides, memory is of either (precision:)"
"""Of a run whose stack leaves it to scripts how wide states are, and that does not say."""


def _unsaid(run: Run, rule: StackRule) -> frozenset[str]:
    """Return what of its recipe, and of dropout, a row leaves to its framework."""
    masked = open_dropout(rule, f"{run.note}; {run.stack}")
    return unsaid_recipe(run) | (frozenset({"dropout"}) if masked else frozenset())


def _others(found: RunFrame, index: int, catalog: Catalog) -> tuple[str, ...]:
    """Return the stacks that a run may have had instead, where it names none."""
    run, labels = found.runs[index], found.labels
    if says(run.stack):
        return ()
    vendor = catalog.accelerator(str(labels.accelerator[index])).vendor
    return common_stacks(run.task, vendor, str(labels.kind[index]), catalog)
