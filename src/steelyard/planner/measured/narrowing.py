"""How sure the time of a step is of a stack on a chip, and how much surer one measured step makes it."""

import math
from dataclasses import replace

from steelyard import catalog as facts
from steelyard.catalog.local.layer import Layer
from steelyard.catalog.local.step_shift import (
    REPEAT_LOG_SD,
    STEP_SHIFT,
    Shift,
    interval_factors,
    narrowed_log_sd,
    pair_name,
    shifts_of,
)
from steelyard.job import JobSpec
from steelyard.market.tools import matrix_precision, stack_option
from steelyard.planner.measured.answer import Narrowing

BLANK = facts.Fitted("", "any", STEP_SHIFT, 1.0, "1", 0.0, 1, 1, "", "", "", "")
"""A row of a shift, to be filled in."""


def one_step(accelerator: str, stack: str, spec: JobSpec, ends: tuple[float, float] | None = None) -> Narrowing | None:
    """Return what one measured step would do to the interval of a stack's step on a chip; None where some are known.

    Args:
        accelerator: of the catalog.
        stack: of the catalog.
        spec: the job.
        ends: of the interval of the time as it is told, in terms of its value, where more than the fit is open, namely
            settings that nobody states, which a measured step settles; None: the fit alone is open.
    """
    catalog = facts.load()
    if facts.step_shift_row(stack, accelerator, catalog) is not None:
        return None
    pair = pair_name(stack, accelerator)
    layer = layer_of(shifts_of([0.0], [pair], open_log_sds=facts.open_log_sds([pair], catalog)), BLANK)
    known = catalog.over(catalog.local | layer)
    found = narrowing(*(narrowed_step_log_sd(accelerator, stack, spec, one) for one in (catalog, known)))
    if ends is not None:
        found = replace(found, low_before=ends[0], high_before=ends[1])
    text = (
        f"one measured step of {pair} narrows its time from {ends_text(found.low_before, found.high_before)} to "
        f"{ends_text(found.low_after, found.high_after)} of the median (90 %): --step-time or --rate "
        f"(its own run to {ends_text(*interval_factors(REPEAT_LOG_SD))}), or calibrate"
    )
    return replace(found, text=text)


def narrowing(before_log_sd: float, after_log_sd: float) -> Narrowing:
    """Return the ends of two 90 % intervals.

    >>> found = narrowing(0.2, 0.1)
    >>> ends_text(found.low_before, found.high_before), ends_text(found.low_after, found.high_after)
    ('0.72-1.39x', '0.85-1.18x')
    """
    return Narrowing(*interval_factors(before_log_sd), *interval_factors(after_log_sd))


def narrowing_line(found: Narrowing) -> str:
    """Return what one measured step would narrow, in a line.

    >>> narrowing_line(Narrowing(0.71, 1.41, 0.74, 1.35))
    'one measured step narrows times from 0.71-1.41x to 0.74-1.35x: --step-time, calibrate'
    """
    before, after = ends_text(found.low_before, found.high_before), ends_text(found.low_after, found.high_after)
    return f"one measured step narrows times from {before} to {after}: --step-time, calibrate"


def ends_text(low: float, high: float) -> str:
    """Return an interval of factors in words."""
    return f"{low:.2f}-{high:.2f}x"


def narrowed_step_log_sd(accelerator: str, stack: str, spec: JobSpec, catalog: facts.Catalog) -> float:
    """Return the spread of the logarithm of a step: that of the chip, of the stack on it, and of the kind of model."""
    precision = matrix_precision(spec.precision, catalog)
    accelerator_sd = facts.accelerator_log_sd(catalog.accelerator(accelerator), precision, catalog)
    option = stack_option(stack, catalog, spec.kind, spec.precision, accelerator)
    own = facts.step_shift_row(stack, accelerator, catalog)
    mine = own is not None and own.entity == pair_name(stack, accelerator)
    pair = 0.0 if mine else facts.pair_log_sd(stack, catalog.accelerator(accelerator).family, catalog)
    known = float(narrowed_log_sd(option.stack_log_sd["time_scale"], option.shift_log_sd))
    return math.hypot(accelerator_sd, known, pair)


def layer_of(shifts: dict[str, Shift], blank: facts.Fitted, factors: dict[str, float] | None = None) -> Layer:
    """Return the rows of shifts, on top of factors that stood before."""
    before = factors or {}
    rows = [
        replace(blank, entity=name, value=before.get(name, 1.0) * math.exp(one.log), log_sd=one.log_sd)
        for name, one in shifts.items()
    ]
    return Layer(steps={(row.entity, row.precision, row.quantity): row for row in rows})
