"""What an answer stands on: the job, the catalog rows with their sources, the user's own calibrations."""

import math
from collections.abc import Collection, Iterable, Sequence

from steelyard.catalog import Fitted, kernels_rows, load, stack_rows
from steelyard.catalog.local import layer
from steelyard.catalog.local.step_shift import STEP_SHIFT
from steelyard.job import JobSpec, job_table
from steelyard.job.training import ADAPTERS
from steelyard.job.unstated.taken import TakenSettings, taken_texts
from steelyard.market.tools import as_asked, matrix_precision, stack_options
from steelyard.planner.answers import CalibratedConstant, CitedSource, Point, TrainedJob
from steelyard.planner.citations import Basis, Used, cited, used
from steelyard.planner.points import layout_of
from steelyard.tables import Job
from steelyard.workload import adapted_flop


def trained_flop(job: Job, task: str) -> float:
    """Return the model FLOPs of one sample, forward and backward: of what is trained, without gradients of the rest."""
    work = job.workload
    if task not in ADAPTERS:
        return float(work.model_flop)
    products = work.product_flop + work.embedding_flop + work.head_flop
    return float(adapted_flop(products, work.attention_flop, job.trainable_share))


def trained_job(spec: JobSpec) -> TrainedJob:
    """Return what is trained: the model with its parameters, the tokens with their FLOPs."""
    job = job_table(spec)
    flop = trained_flop(job, spec.task) * float(spec.samples)
    return TrainedJob(
        model=spec.model.name,
        task=spec.task,
        precision=spec.precision,
        parameters=float(job.workload.params),
        active_parameters=float(job.workload.active_params),
        tokens=math.nan if spec.tokens is None else float(spec.tokens),
        samples=float(spec.samples),
        sample=spec.sample,
        flop=flop,
    )


def settings_texts(points: Iterable[Point], spec: JobSpec, unstated: Collection[str]) -> tuple[str, ...]:
    """Return what some points took of each setting that nobody stated, a line each (`job.unstated.taken`)."""
    return taken_texts(unstated, [_taken(point, spec) for point in points])


def _taken(point: Point, spec: JobSpec) -> TakenSettings:
    catalog, job = load(), job_table(spec)
    vendor, text = catalog.accelerator(point.accelerator).vendor, as_asked(spec.stack, point.stack, catalog)
    (option, *_), _ = stack_options([vendor], text, catalog, spec.kind, spec.precision, spec.task)
    free, _ = stack_options([vendor], None, catalog, spec.kind, spec.precision, spec.task)
    others = dict.fromkeys(one.name for one in free if one.name != option.name)
    layout = layout_of(point.layout)
    return TakenSettings.of_tables([text, *others], option.capability, job, layout, option.stack, spec.precision)


def rows_behind(point: Point, spec: JobSpec) -> tuple[Used, ...]:
    """Return the catalog rows behind a point, the description of the model first."""
    published = spec.model.published
    basis = Basis(
        accelerator=point.accelerator,
        precision=matrix_precision(spec.precision, load()),
        system=point.system,
        stack=point.stack,
        offer=point.offer,
        purchase=point.purchase,
        site=point.site,
        tariffs=point.tariffs,
        drives=point.nvme_bytes > 0,
    )
    shape = Used("model", spec.model.name, "shape", "", published.source or "as given", published.checked)
    return (shape, *used(load(), basis))


def sources_behind(points: Iterable[Point], spec: JobSpec) -> tuple[CitedSource, ...]:
    """Return the sources of exactly the rows behind these points."""
    rows = [row for point in points for row in rows_behind(point, spec)]
    return tuple(CitedSource(row.id, row.what, row.locator, row.version, row.checked) for row in cited(load(), rows))


def calibration_behind(points: Iterable[Point], spec: JobSpec) -> tuple[CalibratedConstant, ...]:
    """Return the constants of the user's calibrations that these points stand on, each once."""
    if not layer.current_layer():
        return ()
    catalog = load()
    precision = matrix_precision(spec.precision, catalog)
    pairs = dict.fromkeys((point.accelerator, point.stack) for point in points)
    rows = [
        row
        for accelerator, stack in pairs
        for found in (
            kernels_rows(catalog.accelerator(accelerator), precision, catalog),
            stack_rows(stack, catalog, accelerator=accelerator),
        )
        for row in layer.calibrated_rows(found.values())
    ]
    return _constants(dict.fromkeys(rows))


def calibrated_constants(some: layer.Layer) -> tuple[CalibratedConstant, ...]:
    """Return all constants of a user's layer of the catalog, as an answer lists them."""
    shifts = [row for row in some.steps.values() if row.quantity == STEP_SHIFT]
    return _constants([*shifts, *some.stacks.values(), *some.kernels.values()])


def _constants(rows: Iterable[Fitted]) -> tuple[CalibratedConstant, ...]:
    return tuple(
        CalibratedConstant(
            entity=row.entity,
            precision=row.precision,
            quantity=row.quantity,
            value=row.value,
            unit=row.unit,
            log_sd=row.log_sd,
            source=row.source,
            checked=row.checked,
            note=row.note,
            runs=row.rows,
        )
        for row in rows
    )


def calibration_texts(rows: Sequence[CalibratedConstant]) -> tuple[str, ...]:
    """Return one line a calibration: whose runs, when, and which constants are theirs."""
    made: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        made.setdefault(f"{row.source}, {row.checked}", {}).setdefault(row.entity, []).append(row.quantity)
    return tuple(
        f"{source}: "
        + "; ".join(f"{', '.join(dict.fromkeys(names))} of {entity}" for entity, names in entities.items())
        + " (--no-calibration leaves it out)"
        for source, entities in made.items()
    )
