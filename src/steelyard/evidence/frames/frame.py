"""Runs as stacked tables: one call of `step.time` or `step.memory` on them predicts thousands of runs at once.

    found = run_frame(published_runs(), load())
    seconds = step.time(step.stage_job(found.job, found.layout), found.machine, found.kernels, found.stack)

Row i of every table, of `labels` and of `assumed` belongs to `found.runs[i]`; what cannot be predicted is in
`found.unpredicted` with its reason. Nothing here looks at what was measured.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import cache, lru_cache
from typing import Any, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog, kernels, stack, stacks
from steelyard.catalog.stack_names import FALLBACK, StackRule
from steelyard.catalog.stacks import Capability
from steelyard.errors import BadInput
from steelyard.evidence.frames.jobs import kept_layouts, run_job
from steelyard.evidence.frames.layouts import LayoutChoice, layout_choices
from steelyard.evidence.frames.machines import RunMachine, run_machine
from steelyard.evidence.frames.models import run_model, usual_masks
from steelyard.evidence.frames.recipes import open_of_scripts, trained_dropout
from steelyard.evidence.frames.settings import check_settings, run_settings, with_settings, with_usual_degrees
from steelyard.evidence.frames.shapes import ModelShape, RowsShape
from steelyard.evidence.frames.stacks import run_constants, strange_pair, taken_rule, unknown_stack
from steelyard.evidence.runs.columns import check_cells, says
from steelyard.evidence.runs.impossible import check_peak, check_sizes
from steelyard.evidence.runs.run import Run, publisher
from steelyard.evidence.runs.spellings import worded
from steelyard.evidence.runs.unread import unread_parts, unsaid
from steelyard.job.models.architecture import architecture
from steelyard.job.models.kinds import takes_sequences, trained_kind
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.tables import Job, Kernels, Layout, Machine, Stack, join, take
from steelyard.units import Array
from steelyard.workload import Architecture

Texts = NDArray[np.str_]
KEPT_ROWS = 1 << 14
"""Cases that are kept as they were completed: several catalogs' worth of all that is published."""

RAN = 1.2
"""Times the nominal memory beyond which a layout is ruled out though the row ran: memory's own error lies below."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the runs are grouped and left out by, an array of texts each."""

    id: Texts
    group: Texts
    publisher: Texts
    accelerator: Texts
    family: Texts  # of chips that share calibrated kernels
    stack: Texts
    precision: Texts
    use: Texts
    kind: Texts  # of the model, of `vocabulary.TRAINED_KINDS`


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RunFrame:
    """The predictable runs as one table of each kind, with labels, assumptions and the rest's reasons."""

    runs: tuple[Run, ...]
    rules: tuple[StackRule, ...]  # what the name of each run's stack implies
    architectures: tuple[ModelShape, ...]
    job: Job
    layout: Layout
    machine: Machine
    kernels: Kernels
    stack: Stack
    labels: Labels
    assumed: tuple[frozenset[str], ...]  # what the row does not say: layout, recompute, micro-batch, network …
    notes: tuple[tuple[str, ...], ...]  # what of its words nobody reads (`runs.unread`)
    unpredicted: tuple[tuple[Run, str], ...]

    def __len__(self) -> int:
        return len(self.runs)


Predictor = Callable[[Job, Layout, Machine, Kernels, Stack], tuple[Array, Array]]
"""Tables → seconds of a step and bytes of a device; used only to choose among layouts that a row leaves open."""


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """One case on its way into the frame: everything but the choice among its layouts."""

    run: Run
    model: ModelSpec | RowsSpec
    arch: ModelShape
    hardware: RunMachine
    rule: StackRule
    job: Job  # of one of its layouts; others differ in the batch
    constants: tuple[tuple[str, float], ...]  # of `tables.Stack`, in which it differs from its stack
    choices: tuple[LayoutChoice, ...]
    assumed: frozenset[str]
    notes: tuple[str, ...]


def run_frame(runs: Iterable[Run], catalog: Catalog, predictor: Predictor | None = None) -> RunFrame:
    """Return runs as stacked tables.

    Args:
        runs: published runs.
        catalog: where accelerators, systems, kernels and stacks are looked up.
        predictor: chooses the fastest layout that fits where a row leaves several open; without one the likeliest
            by rule of thumb is taken (`layouts.choices`), which does not depend on fitted numbers.
    """
    rows: list[CompletedRun] = []
    unpredicted: list[tuple[Run, str]] = []
    for run in runs:
        try:
            rows.append(_row(run, catalog))
        except BadInput as error:
            unpredicted.append((run, str(error)))
    picked = [row.choices[0] for row in rows] if predictor is None else _settle(rows, catalog, predictor)
    job, layout, machine, kernels_table, stack_table = _tables(rows, picked, catalog)
    return RunFrame(
        runs=tuple(row.run for row in rows),
        rules=tuple(row.rule for row in rows),
        architectures=tuple(row.arch for row in rows),
        job=job,
        layout=layout,
        machine=machine,
        kernels=kernels_table,
        stack=stack_table,
        labels=_labels(rows),
        assumed=tuple(row.assumed | choice.assumed for row, choice in zip(rows, picked, strict=True)),
        notes=tuple(row.notes for row in rows),
        unpredicted=tuple(unpredicted),
    )


@lru_cache(maxsize=KEPT_ROWS)
def _row(run: Run, catalog: Catalog) -> CompletedRun:
    notes, untold = unread_parts(run), {"task"} if not says(run.task) else set()
    run = worded(run)
    check_cells(run)
    run = with_settings(run)
    check_sizes(run)
    model, about_shape = run_model(run)
    arch = _shape(model)
    if isinstance(model, ModelSpec) and not takes_sequences(model):
        run = replace(run, sequence_tokens=float(model.max_tokens))  # the patches of an image
    found = run_machine(run, catalog)
    check_peak(run, found.accelerator)
    its_rule = taken_rule(run, found.accelerator.vendor, trained_kind(model), catalog)
    if isinstance(arch, Architecture):
        arch = replace(arch, dropout=trained_dropout(run, usual_masks(run, its_rule, arch)))
    strange = unknown_stack(run.stack, its_rule, catalog)
    assumed = {*about_shape, *found.assumed, *(("stack",) if strange else ())}
    run = with_usual_degrees(run, its_rule, _capability(its_rule.stack, catalog), assumed)
    stages = () if run.out_of_memory else _capability(its_rule.stack, catalog).zero
    sizes = (float(found.machine.memory_bytes), float(found.machine.node_devices))
    options = layout_choices(run, arch, sizes[0], its_rule, sizes[1], stages)
    job = run_job(run, model, arch, its_rule, found.precision, options[0].batch_samples, catalog)
    assumed |= open_of_scripts(run, its_rule, found.precision)
    if settings := run_settings(run):
        options = _permitted(options, settings, job, catalog)
    whole, free = [one.layout for one in options], ["micro-batch" in one.assumed for one in options]
    laid = kept_layouts(whole, free, job, _capability(its_rule.stack, catalog))
    constants = run_constants(run, its_rule, found.precision.matrix_units, catalog)
    return CompletedRun(
        run=run,
        model=model,
        arch=arch,
        hardware=found,
        rule=its_rule,
        job=job,
        constants=tuple(constants.items()),
        choices=tuple(replace(one, layout=each) for one, each in zip(options, laid, strict=True) if each),
        assumed=frozenset(assumed | untold | unsaid(run) | set(run.taken)),
        notes=(*notes, *strange, *strange_pair(its_rule, found.accelerator.vendor, catalog)),
    )


def _capability(stack_name: str, catalog: Catalog) -> Capability:
    """Return what a stack can run; one that only a user's calibration knows can run what any can."""
    return catalog.capability(stack_name if stack_name in catalog.stack_files else FALLBACK)


def _permitted(
    options: Sequence[LayoutChoice], settings: Mapping[str, int], job: Job, catalog: Catalog
) -> list[LayoutChoice]:
    """Return those of the layouts of a row that its model permits; BadLayout says why none is."""
    kept, refusals = [], []
    for one in options:
        try:
            check_settings(one.layout, settings, job, catalog.capability("any"))
            kept.append(one)
        except BadInput as refusal:
            refusals.append(refusal)
    if not kept:
        raise refusals[0]
    return kept


def _shape(model: ModelSpec | RowsSpec) -> ModelShape:
    if isinstance(model, ModelSpec):
        return architecture(model)
    return RowsShape(model.name, float(model.rows.divisible.blocks), float(model.params), float(model.batch))


def _settle(rows: Sequence[CompletedRun], catalog: Catalog, predictor: Predictor) -> list[LayoutChoice]:
    """Choose, for every row, the fastest of its layouts that fits; of none that fits, the smallest."""
    picked = [row.choices[0] for row in rows]
    open_rows = [index for index, row in enumerate(rows) if len(row.choices) > 1]
    if not open_rows:
        return picked
    owners = [index for index in open_rows for _ in rows[index].choices]
    options = [choice for index in open_rows for choice in rows[index].choices]
    tables = _tables([rows[index] for index in owners], options, catalog)
    seconds, held = (np.broadcast_to(one, len(options)) for one in predictor(*tables))
    over = held > RAN * tables[2].memory_bytes
    pace = seconds / np.array([choice.batch_samples for choice in options])
    later = np.array([choice.instead for choice in options]) & ~over
    order = np.lexsort((np.where(over, held, pace), later, over, np.asarray(owners)))
    firsts = np.unique(np.asarray(owners)[order], return_index=True)
    for owner, first in zip(*firsts, strict=True):
        picked[owner] = options[order[first]]
    return picked


def _tables(
    rows: Sequence[CompletedRun], picked: Sequence[LayoutChoice], catalog: Catalog
) -> tuple[Job, Layout, Machine, Kernels, Stack]:
    known = frozenset(stacks(catalog))
    of_chip = cache(lambda accelerator_id, precision: kernels(catalog.accelerator(accelerator_id), precision, catalog))
    of_stack = cache(lambda name, *on: stack(name if name in known else FALLBACK, catalog, *on))
    with_constants = cache(lambda constants, *of: replace(of_stack(*of), **dict(constants)))
    where = [(row.hardware.precision.matrix_units, row.hardware.accelerator.id) for row in rows]
    stacked = [with_constants(row.constants, row.rule.stack, *on) for row, on in zip(rows, where, strict=True)]
    return (
        _join(Job, [_job(row, one.batch_samples) for row, one in zip(rows, picked, strict=True)]),
        _join(Layout, [one.layout for one in picked]),
        _join(Machine, [row.hardware.machine for row in rows]),
        _join(Kernels, [of_chip(accelerator_id, precision) for precision, accelerator_id in where]),
        _join(Stack, stacked),
    )


def _job(row: CompletedRun, batch_samples: float) -> Job:
    """Return the job of a case at the batch of one of its layouts."""
    if row.job.batch_samples == batch_samples:
        return row.job
    return replace(row.job, samples=batch_samples, batch_samples=batch_samples)


def _join(kind: type[Any], tables: list[Any]) -> Any:
    return join(tables) if tables else _empty(kind)


def _empty(kind: type[Any]) -> Any:
    """Return a table of no rows, so that a file of which nothing can be predicted is still scored."""
    return kind(**{name: _nothing(hint) for name, hint in get_type_hints(kind).items()})


def _nothing(hint: Any) -> Any:
    if get_origin(hint) is tuple:
        return ()
    return _empty(hint) if isinstance(hint, type) and is_dataclass(hint) else np.empty(0)


def _labels(rows: Sequence[CompletedRun]) -> Labels:
    def texts(of: Callable[[CompletedRun], str]) -> Texts:
        return np.array([of(row) for row in rows], dtype=np.str_)

    return Labels(
        id=texts(lambda row: row.run.id),
        group=texts(lambda row: row.run.group),
        publisher=texts(lambda row: publisher(row.run)),
        accelerator=texts(lambda row: row.hardware.accelerator.id),
        family=texts(lambda row: row.hardware.accelerator.family),
        stack=texts(lambda row: row.rule.stack),
        precision=texts(lambda row: row.hardware.precision.matrix_units),
        use=texts(lambda row: row.run.use),
        kind=texts(lambda row: trained_kind(row.model)),
    )


def frame_subset(found: RunFrame, keep: Any) -> RunFrame:
    """Return the rows of a frame that a mask or an index names (for leaving groups out)."""
    index = np.arange(len(found))[keep]
    return replace(
        found,
        runs=tuple(found.runs[i] for i in index),
        rules=tuple(found.rules[i] for i in index),
        architectures=tuple(found.architectures[i] for i in index),
        assumed=tuple(found.assumed[i] for i in index),
        notes=tuple(found.notes[i] for i in index),
        labels=Labels(*(getattr(found.labels, name)[index] for name in Labels.__dataclass_fields__)),
        **{name: take(getattr(found, name), index) for name in ("job", "layout", "machine", "kernels", "stack")},
    )
