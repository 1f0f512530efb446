"""The factors of the fit: what multiplies which field of the step model on which rows, and how far each may move.

Every constant is a product of a shared factor and one of its stack, chip or chip family, with Gaussian priors: an
entity with few rows stays near its neighbours, an unseen one keeps the shared value and gets a wider spread. A source
group of n rows weighs n^(1/2).

Who ran it, and in which table it stands, is a factor of the whole step, too, so that stacks and chips do not absorb
what is their source's. It stays in the fit: a stranger has none (`as_strangers`), whatever table is written or scored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fit import hierarchy
from fit.hierarchy import Array, Labels, Predict
from steelyard.catalog import Accelerator, load
from steelyard.catalog.stacks import OTHER
from steelyard.evidence.frames.frame import RunFrame, frame_subset, run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import predict_step
from steelyard.evidence.frames.stacks import run_slow_kernels
from steelyard.evidence.runs.exclusions import counted
from steelyard.evidence.runs.reader import published_runs, user_runs
from steelyard.evidence.score.lock import locked, owner
from steelyard.step import stage_job, time
from steelyard.tables import StepTime

GROUP_POWER = 0.5  # a source group of n rows weighs n^(1-power)
Rows = NDArray[np.bool_]

# field: (unit, start shared by all stacks, sd of the shared log factor, sd of a stack's own); a third of an adapter's
# passes are forward: 5 in 16 bits, 9 where it is cast to fp32, 11 with dropout (`catalog.stack_names` counts them)
STACK_FIELDS: dict[str, tuple[str, float, float, float]] = {
    "time_scale": ("1", 1.2, 0.30, 0.15),
    "layer_host_s": ("s", 1.5e-3, 0.7, 0.7),
    "moe_host_s": ("s", 2e-3, 0.7, 0.5),
    "expert_host_s": ("s", 2e-4, 0.7, 0.5),
    "step_host_s": ("s", 0.02, 0.7, 0.5),
    "doubling_loss": ("1", 0.01, 0.5, 0.3),
    "vocab_exposed": ("1", 0.5, 0.3, 0.0),
    "recompute_scale": ("1", 1.0, 0.2, 0.0),
    "unpack_bytes": ("byte", 4.5, 0.7, 0.0),
    "loss_bytes": ("byte", 16.0, 0.3, 0.0),
    "pointwise_passes": ("1", 12.0, 0.3, 0.5),
    "adapter_passes": ("1", 8.0, 0.3, 0.3),
    "tp_exposed": ("1", 0.7, 0.3, 0.6),
    "dp_exposed": ("1", 0.15, 0.5, 0.5),
    "ep_exposed": ("1", 0.7, 0.4, 0.4),
    "pp_exposed": ("1", 0.6, 0.4, 0.0),
}
FAMILY_SD, ACCELERATOR_SD, CONGESTION = 0.15, 0.10, ("nic_congestion", 0.2, 0.7)

EVERYWHERE, FAMILY = "any", "family:"
"""The entity of what holds on every chip; what stands before the name of a family of chips."""

POWER, POWER_SD = "rated power a FLOP", 1 / 3
"""The entity of what little power for much arithmetic costs on every chip; its prior sd: dynamic power grows with the
cube of the frequency, so that the rate of a chip held by its limit goes as the cube root (Mudge 2001, Computer 34(4),
Power: a first-class architectural design constraint)."""

SLOW_FIELDS: dict[str, tuple[str, float, float]] = {
    "eager_scale": ("1", 1.8, 0.7),
    "upcast_scale": ("1", 2.15, 0.7),
    "attention_upcast_scale": ("1", 2.1, 0.7),
}
"""Field: (unit, start, sd) of what kernels take on runs where `frames.stacks.run_slow_kernels` says that it holds."""

NARROW, NARROW_EVERYWHERE, NARROW_SD = ("fp8", "fp4"), 0.15, 0.10
"""Precisions below 16 bits; prior sd of what one does to steps of every chip beyond what single products say, which
were measured with other libraries than those that train; and of a precision on one family of chips."""

OUTSIDE, OUTSIDE_SD, STACK_NARROW_SD = "outside", 0.25, 0.10
"""The entity of narrow kernels outside Transformer Engine; its prior sd, that of each such stack."""

SOURCE, OWNER_SD, TABLE_SD = "source", 0.25, 0.06
"""The field of who ran it; prior sd of an owner's factor, and of each of its tables."""


@dataclass(frozen=True)
class Factor:
    """One log factor: the entity it belongs to, the field that it multiplies, its rows and prior sd (mean 0)."""

    entity: str
    precision: str
    field: str
    rows: Rows
    sd: float
    loading: Array | float = 1.0  # what one of the factor is in the logarithm of the field, an entry a row


def factors(data: RunFrame) -> list[Factor]:
    """Return every factor of the fit, the shared ones first."""
    return [*_shared(data), *_of_stacks(data), *_of_accelerators(data), *_of_sources(data)]


def _shared(data: RunFrame) -> Iterator[Factor]:
    everything = np.ones(len(data), dtype=bool)
    for name, row in STACK_FIELDS.items():
        yield Factor("any", "any", name, everything, row[2])
    yield Factor("any", "any", CONGESTION[0], everything, CONGESTION[2])
    for name, (_, _, sd) in SLOW_FIELDS.items():
        yield Factor("any", "any", name, slow(data, name), sd)
    for precision in NARROW:
        yield Factor(EVERYWHERE, precision, "chip", data.labels.precision == precision, NARROW_EVERYWHERE)
    yield Factor(OUTSIDE, "narrow", "time_scale", outside(data), OUTSIDE_SD)
    loading = np.array([power_loading(load().accelerator(name)) for name in data.labels.accelerator])
    yield Factor(POWER, "any", "chip", loading != 0, POWER_SD, loading)


def power_loading(accelerator: Accelerator) -> float:
    """Return the logarithm of a chip's rated watts over its dense 16-bit peak, over the H100's; 0 where unknown.

    A chip with more than the A100's is no longer held by its power: it counts as one.

    >>> [round(power_loading(load().accelerator(name)), 2) for name in ("H100", "A100", "V100", "B200")]
    [0.0, 0.59, 0.59, -0.47]
    """
    names = ("H100-80GB-SXM", "A100-80GB-SXM")
    known, usual, most = (_watts_a_flop(one) for one in (accelerator, *map(load().accelerator, names)))
    return float(np.log(min(known, most) / usual)) if known > 0 else 0.0


def _watts_a_flop(accelerator: Accelerator) -> float:
    peak = np.fmax(accelerator.peak("bf16"), accelerator.peak("fp16"))
    return float(accelerator.tdp_w / peak)


def _of_stacks(data: RunFrame) -> Iterator[Factor]:
    labels = data.labels
    for stack in sorted(set(labels.stack) - {"any"}):
        for name, row in STACK_FIELDS.items():
            if row[3]:
                yield Factor(stack, "any", name, labels.stack == stack, row[3])
        rows = outside(data) & (labels.stack == stack)
        if rows.any():
            yield Factor(stack, "narrow", "time_scale", rows, STACK_NARROW_SD)


def slow(data: RunFrame, name: str) -> Rows:
    """Return the runs on which a constant of `SLOW_FIELDS` holds."""
    pairs = zip(data.runs, data.rules, data.labels.precision, strict=True)
    return np.array([name in run_slow_kernels(run, rule, str(width)) for run, rule, width in pairs], dtype=bool)


def outside(data: RunFrame) -> Rows:
    """Return the runs whose fp8 or fp4 products are not those of Transformer Engine, or of the chip's vendor."""
    files = load().stack_files
    other = [name for name, one in files.items() if one.narrow_kernels == OTHER]
    return np.isin(data.labels.stack, other) & np.isin(data.labels.precision, NARROW)


def _of_accelerators(data: RunFrame) -> Iterator[Factor]:
    labels = data.labels
    for family in sorted(set(labels.family)):
        rows = labels.family == family
        yield Factor(f"{FAMILY}{family}", "any", "chip", rows, FAMILY_SD)
        for precision in sorted({"fp8", "fp4", "fp32", "tf32"} & set(labels.precision[rows])):
            yield Factor(f"{FAMILY}{family}", precision, "chip", rows & (labels.precision == precision), NARROW_SD)
    for chip in sorted(set(labels.accelerator)):
        yield Factor(chip, "any", "chip", labels.accelerator == chip, ACCELERATOR_SD)


def _of_sources(data: RunFrame) -> Iterator[Factor]:
    for by, sd in ((owners(data), OWNER_SD), (data.labels.group, TABLE_SD)):
        for name in sorted(set(by)):
            yield Factor(f"{SOURCE}:{name}", "any", SOURCE, by == name, sd)


def as_strangers(parts: list[Factor], theta: Array) -> Array:
    """Return the factors without those of sources: what is predicted of a run whose owner nobody knows."""
    return np.where([part.field == SOURCE for part in parts], 0.0, theta)


def owners(data: RunFrame) -> Labels:
    """Return who ran each row."""
    return np.array([owner(run) for run in data.runs], dtype=np.str_)


def of_users(data: RunFrame) -> Rows:
    """Return which rows are runs of ordinary users: they are scored apart."""
    known = {run.group for run in user_runs()}
    return np.array([run.group in known for run in data.runs], dtype=bool)


def unlocked(data: RunFrame) -> Rows:
    """Return which rows are not of the locked third of the sources."""
    return np.array([not locked(run) for run in data.runs], dtype=bool)


def predictor(data: RunFrame, parts: list[Factor]) -> Predict:
    """Return theta → log seconds of a step of every row."""
    step = steps(data, parts)

    def log_seconds(theta: Array) -> Array:
        taken, source = step(theta)
        return np.asarray(np.log(taken.total_s)) + source

    return log_seconds


def steps(data: RunFrame, parts: list[Factor]) -> Callable[[Array], tuple[StepTime, Array]]:
    """Return theta → the step of every row, and the logarithm of what its source makes of it."""
    start = {name: np.full(len(data), np.log(row[1])) for name, row in STACK_FIELDS.items()}
    staged = stage_job(data.job, data.layout)
    timed = data.stack.step_host_s > 0  # the row counts the whole step
    start |= {
        "chip": np.zeros(len(data)),
        SOURCE: np.zeros(len(data)),
        **{name: np.log(row[1]) * slow(data, name) for name, row in SLOW_FIELDS.items()},
        CONGESTION[0]: np.full(len(data), np.log(CONGESTION[1])),
    }

    def step(theta: Array) -> tuple[StepTime, Array]:
        logs = dict(start)
        for part, value in zip(parts, theta, strict=True):
            if value:
                logs[part.field] = logs[part.field] + value * part.loading * part.rows
        source = logs.pop(SOURCE)
        values = {name: np.exp(one) for name, one in logs.items()}
        values["step_host_s"] = values["step_host_s"] * timed
        kernels = replace(data.kernels, time_scale=values.pop("chip"), nic_congestion=values.pop(CONGESTION[0]))
        stack = replace(data.stack, **values)
        return time(staged, data.machine, kernels, stack), source

    return step


def problem_of(data: RunFrame, log_s: Array, parts: list[Factor]) -> hierarchy.Problem:
    """Return the fit's problem."""
    return hierarchy.Problem(
        measured=log_s,
        weight=hierarchy.balanced(data.labels.group, GROUP_POWER),
        predict=predictor(data, parts),
        loadings=np.stack([part.rows * part.loading for part in parts]),
        fields=tuple(part.field for part in parts),
        sd=np.array([part.sd for part in parts]),
    )


def training_rows() -> tuple[RunFrame, Array]:
    """Return the shipped cases that are scored on time, and the logarithm of their measured seconds."""
    found = run_frame((*published_runs(), *user_runs()), load(), predict_step)
    seconds = measured(found).step_s
    keep = np.isfinite(seconds) & counted(found.runs, "time")
    return frame_subset(found, keep), np.log(seconds[keep])
