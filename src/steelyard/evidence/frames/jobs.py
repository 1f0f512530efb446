"""From the training columns of a row (precision, optimizer, task) to its `Job`, by the words and rules of job files."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from steelyard.catalog import Catalog
from steelyard.catalog.stack_names import StackRule
from steelyard.catalog.stacks import Capability
from steelyard.catalog.training import Precision
from steelyard.errors import BadInput, BadLayout
from steelyard.evidence.frames.recipes import run_recipe, run_states, run_text
from steelyard.evidence.frames.shapes import ModelShape, RowsShape
from steelyard.evidence.runs.columns import says
from steelyard.evidence.runs.packing import document_length_of_note, masked_documents
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.job_spec import training_job
from steelyard.job.kept.states import IN_16_BITS, width_of_states
from steelyard.job.kept.texts import base_type
from steelyard.job.models.adapters import USUAL_TARGETS, Adapters, listed_targets
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.optimizers import is_refused, parse_optimizer, published_optimizer
from steelyard.job.sample_work import sample_workload
from steelyard.job.training import (
    ADAPTERS,
    MatrixShape,
)
from steelyard.layout import Reason, keeps_weights, lacks_drives, sentence
from steelyard.strategies.denial import named
from steelyard.strategies.recipe import FUSED
from steelyard.tables import Job, Layout, Workload
from steelyard.workload import UNMASKED, Architecture, collapse
from steelyard.workload import model as workload_model


def run_job(
    run: Run,
    model: ModelSpec | RowsSpec,
    arch: ModelShape,
    rule: StackRule,
    precision: Precision,
    batch_samples: float,
    catalog: Catalog,
) -> Job:
    """Return the job of a run at the precision and global batch that were settled for it."""
    if width_of_states(rule, precision.precision, run_states(run), adapted=run.task in ADAPTERS) == IN_16_BITS:
        precision = precision.without_master()
    if says(run.optimizer) and is_refused(run.optimizer, catalog):
        parse_optimizer(run.optimizer, catalog)  # refuses it, with the nearest
    optimizer = published_optimizer(run.optimizer, catalog)
    sizes = {"samples": batch_samples, "batch_samples": batch_samples}
    if isinstance(model, RowsSpec) or isinstance(arch, RowsShape):
        if run.task in ADAPTERS:
            raise BadInput(f"task is {run.task} but {run.model} is described by rows; adapters need a transformer")
        assert isinstance(model, RowsSpec)  # noqa: S101  # both are of one model
        work = sample_workload(model, element_bytes=float(precision.element_bytes))
        return training_job(
            work,
            MatrixShape.of_rows(model.rows),
            precision,
            optimizer,
            None,
            run_recipe(run, rule, float(precision.element_bytes)),
            **sizes,
        )
    return training_job(
        _workload(arch, run.sequence_tokens, run_documents(run), float(precision.element_bytes)),
        MatrixShape.of_transformer(arch, bool(rule.wide_embeddings) and run.task not in ADAPTERS),
        precision,
        optimizer,
        run_adapters(run, model, rule),
        run_recipe(run, rule, float(precision.element_bytes), not arch.gelu),
        **sizes,
    )


def run_documents(run: Run) -> float:
    """Return the mean tokens of a row's documents that are masked from each other; `UNMASKED` where none is said to be.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> notes = ("packed, document masking, mean document length 600", "packed sequences", "varlen attention")
    >>> [run_documents(blank_run(note=note)) for note in notes], run_documents(blank_run(document_tokens=512.0))
    ([600.0, 0.0, 0.0], 512.0)
    """
    if is_known(run.document_tokens):
        return run.document_tokens
    return document_length_of_note(run.note) or UNMASKED if masked_documents(run.note) else UNMASKED


@cache
def _workload(arch: Architecture, sequence_tokens: float, document_tokens: float, element_bytes: float) -> Workload:
    return collapse(workload_model(arch, sequence_tokens, document_tokens), element_bytes)


def adapted_matrices(run: Run) -> tuple[str, ...]:
    """Return the matrices that a row says have adapters, in its column or beside the rank in its note; else none.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> notes = ("rank 16 on q_proj,k_proj,v_proj,o_proj; nf4", "rank 8 on q_proj,v_proj (PEFT default)", "rank 8")
    >>> [adapted_matrices(blank_run(note=note)) for note in notes]
    [('q', 'k', 'v', 'o'), ('q', 'v'), ()]
    >>> adapted_matrices(blank_run(note="rank 64 on q_proj,v_proj,output_proj and MLP; trainable 2,000"))
    ('q', 'v', 'o', 'gate', 'up', 'down')
    """
    if says(run.lora_targets):
        return listed_targets(run.lora_targets)
    noted = re.search(r"rank \d+ on ((?:\w+_proj|c_attn|mlp|,| |and)+)", run.note.lower())
    return listed_targets(noted[1]) if noted else ()


def run_adapters(run: Run, model: ModelSpec, rule: StackRule) -> Adapters | None:
    """Return the adapters of a run, stated or as the defaults of its library or stack have them, or None.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.evidence.frames.models import run_model
    >>> tuned = blank_run(model="llama-2-7b", task="lora", note="LoRA rank 16")
    >>> from steelyard.catalog import load
    >>> from steelyard.catalog.stack_names import rule_of_name
    >>> run_adapters(tuned, run_model(tuned)[0], rule_of_name(load().stack_rules, "LLaMA-Factory")).params
    39976960
    """
    if run.task not in ADAPTERS:
        return None
    stated = re.search(r"trainable ([\d,]+)", run.note)
    rank = re.search(r"rank (\d+)", run.note)
    usual = USUAL_TARGETS["all" if named(r"\ball[ -]linear\b", run.note) else rule.adapters]
    return Adapters(
        model,
        int(run.lora_rank) if is_known(run.lora_rank) else int(rank[1]) if rank else int(rule.rank),
        adapted_matrices(run) or usual,
        base_type(run_text(run)),
        float(stated[1].replace(",", "")) if stated else None,
    )


def kept_layouts(
    layouts: Sequence[Layout], free: Sequence[bool], job: Job, capability: Capability
) -> list[Layout | None]:
    """Return the layouts that a row may mean under which its stack keeps tensors as its job says; None for the rest.

    Args:
        layouts: that the row may mean.
        free: of each, whether the row leaves its micro-batch open.
        job: its numbers.
        capability: what its stack can run.
    """
    check_places(layouts, job, capability)
    return unsummed(layouts, free, job, capability.fused_gradients)


def check_places(layouts: Sequence[Layout], job: Job, capability: Capability) -> None:
    """Raise BadLayout where the stack of a row puts nothing on drives, or the host, that the row says is there.

    Args:
        layouts: that the row may mean.
        job: its numbers.
        capability: what its stack can run.
    """
    rules = ((Reason.NVME, lacks_drives), (Reason.HOST_WEIGHTS, keeps_weights))
    for reason, broken in rules:
        if layouts and all(broken(job, one, capability) for one in layouts):
            raise BadLayout(f"{capability.stack}, zero = {layouts[0].zero:g}: {sentence(reason)}")


def unsummed(layouts: Sequence[Layout], free: Sequence[bool], job: Job, able: bool) -> list[Layout | None]:
    """Return layouts of a row under which its gradients may be kept as its job has them; None in place of the rest.

    Fused into the backward pass they are gone before another micro-batch could be added: where a row leaves its
    micro-batch open it has one a step (`layout.Reason.FUSED_GRADIENTS`). BadLayout where no layout is left.

    Args:
        layouts: that the row may mean.
        free: of each, whether the row leaves its micro-batch open.
        job: of the row.
        able: whether its stack lets an optimizer step inside the backward pass.
    """
    if not np.any(np.equal(job.recipe.grad_life, FUSED)):
        return list(layouts)
    if not able:
        raise BadLayout(sentence(Reason.KEPT_GRADIENTS))
    kept: list[Layout | None] = []
    for laid, one in zip(layouts, free, strict=True):
        whole = replace(laid, micro_batch=laid.micro_batch * laid.micro_batches, micro_batches=1.0)
        kept.append(whole if one or laid.micro_batches <= 1 else None)
    if not any(kept):
        raise BadLayout(f"ga = {layouts[0].micro_batches:g} with fused gradients; {sentence(Reason.FUSED_GRADIENTS)}")
    return kept
