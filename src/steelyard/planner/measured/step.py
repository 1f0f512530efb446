"""From a step that a job says was measured to the shift that it sets: where it was, and whether it is possible."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations

from steelyard import catalog as facts
from steelyard.catalog.local.slips import FARTHEST, unit_slip
from steelyard.catalog.local.step_shift import (
    ANYWHERE,
    PAIR_LOG_SD,
    PUBLISHER_LOG_SD,
    ShiftPrior,
    interval_factors,
    pair_name,
    repeated_shift,
    shifts_of,
)
from steelyard.errors import BadInput, BadLayout
from steelyard.formatting.figures import FLOP_RATE, amount
from steelyard.job import JobSpec
from steelyard.job.degrees import degrees_text, parse_degrees
from steelyard.job.measured_step import MeasuredStep
from steelyard.job.training import ADAPTERS
from steelyard.layout import text_of
from steelyard.market.tools import as_asked
from steelyard.planner.measured.alike import NETWORK
from steelyard.planner.measured.answer import NOTHING, ComparedStep, StepLayer
from steelyard.planner.measured.exact import text_of_setting
from steelyard.planner.measured.narrowing import BLANK, ends_text, layer_of, narrowed_step_log_sd, narrowing
from steelyard.planner.points import Configuration
from steelyard.planner.unstated.configuring import configure
from steelyard.units import NORMAL_90

ADAPTED_SHARE = 2 / 3
"""Least share of a full step's FLOPs that training adapters takes: no gradients of frozen weights. Source: of the three
products of a matrix in a step (forward, gradient of inputs, of weights) the third is left out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step was measured."""

    accelerator: str  # or a system
    devices: int | None = None  # None: one unit of the system
    layout: str = ""  # empty: the fastest that fits
    stack: str = ""  # empty: that of the job, else the one under which the step is likeliest
    taken: tuple[str, ...] | None = None  # what nobody said of it, where a saved answer tells
    stacks: tuple[str, ...] = ()  # which the stack was chosen among, where a saved answer tells


def compared_step(spec: JobSpec, pin: Place | None = None) -> StepLayer:
    """Return what the measured step of a job sets; nothing where the job says none.

    Args:
        spec: the job
        pin: the configuration that the question is about; None: it is about a plan

    `BadInput` where it is not said where the step was measured, or where no step takes so long, with both values.
    """
    given = spec.measured
    if given is None:
        return NOTHING
    if given.step_s is not None and spec.batches:
        raise BadInput("step_time is of one global batch, but the plan chooses it; give global_batch, or rate instead")
    place = place_of(given, spec, pin)
    stack = as_asked(spec.stack, place.stack, facts.load()) if place.stack else spec.stack
    asked = replace(spec, measured=None, batches=(), stack=stack)
    made = _configured(asked, place, given.layout)
    stacks = place.stacks or tuple(
        dict.fromkeys(one.name for one in (made.setting.stack, *(one for one, _ in made.others)))
    )
    if asked.stack is None and made.others:
        made = _likeliest([_configured(replace(asked, stack=one), place, given.layout) for one in stacks], spec, given)
    seconds = _seconds(given, spec, made)
    check_possible(given, seconds, made, spec)
    known = {"stack": asked.stack, "layout": given.layout or place.layout}
    taken = tuple(name for name, given in known.items() if not given) if place.taken is None else place.taken
    trained = text_of_setting(made.setting)
    if given.accelerator not in facts.load().systems:  # over which network it ran nobody says
        trained = trained.partition(NETWORK)[0]
    return _set(seconds, made, spec, given.option, ComparedStep(trained=trained, taken=taken, stacks=stacks))


def _seconds(given: MeasuredStep, spec: JobSpec, made: Configuration) -> float:
    """Return the seconds of a step that are given, or that a rate makes on a configuration."""
    text, batch = spec.sequence_tokens, float(made.setting.job.batch_samples)
    return float(given.seconds(batch, None if text is None else float(text), made.devices))


def _likeliest(some: Sequence[Configuration], spec: JobSpec, given: MeasuredStep) -> Configuration:
    r"""Return the configuration, of one for each stack, under which a measured step is likeliest.

    .. math:: \ln p_i = -\ln s_i - \frac{(\ln m - \ln t_i)^2}{2 s_i^2}

    Args:
        some: one for each stack, of median step :math:`t_i` whose logarithm has the spread :math:`s_i`
        spec: the job
        given: the step, of :math:`m` seconds

    Source: likelihood of a normal logarithm.
    """

    def log_likelihood(made: Configuration) -> float:
        one, catalog = made.setting, facts.load()
        sd = narrowed_step_log_sd(one.hardware.accelerator, one.stack.name, spec, catalog)
        gap = math.log(_seconds(given, spec, made) / float(made.prediction.time.total_s))
        return -math.inf if math.isnan(gap) else -math.log(sd) - gap**2 / (2 * sd**2)

    return max(some, key=log_likelihood)


def compared_step_of_all(specs: Sequence[JobSpec], field: str) -> StepLayer:
    """Return what the measured step of several jobs sets, which differ in one field: it must be one and the same."""
    first, *rest = (compared_step(spec) for spec in specs)
    if any(one.answer != first.answer for one in rest):
        raise BadInput(
            f"the measured step is another with each {field}; say where it was: --step-time 11.2@H100:8,tp=2 or --rate"
        )
    return first


def place_of(given: MeasuredStep, spec: JobSpec, pin: Place | None) -> Place:
    """Return where a step was measured: as it says, else the pin, else the one accelerator and number of the job."""
    named = Place(given.accelerator, given.devices, given.layout)
    if pin is not None:
        catalog = facts.load()
        there, here = (catalog.system(one) for one in (given.accelerator or pin.accelerator, pin.accelerator))
        elsewhere = given.accelerator in catalog.systems and there.id != here.id
        same = not given.accelerator or (
            there.accelerator == here.accelerator and given.devices in {None, pin.devices} and not elsewhere
        )
        return pin if same else named
    if given.accelerator:
        return named
    ((accelerator, count),) = spec.accelerators if len(spec.accelerators) == 1 else (("", None),)
    devices = count or spec.devices
    if not accelerator or devices is None:
        value = f"{given.step_s or given.per_device_s:g}"
        raise BadInput(
            f"{given.option} {value} does not say where it was measured; write {given.option} {value}@H100:8, or with "
            f"its layout {given.option} {value}@H100:8,tp=2,mbs=1"
        )
    return Place(accelerator, devices, given.layout)


def _configured(spec: JobSpec, place: Place, degrees: str) -> Configuration:
    """Return the configuration that was measured: that of the place itself unless what is said of it differs.

    Args:
        spec: the job
        place: where it was measured, with the layout that the question has
        degrees: settings of the layout that the measured step names; of the rest as many of those of the question hold
            as make a layout with them
    """
    made = configure(spec, place.accelerator, place.devices, place.layout)
    wanted = parse_degrees(degrees) if degrees else {}
    if all(float(getattr(made.setting.layout, name)) in values for name, values in wanted.items()):
        return made
    held = {name: values for name, values in parse_degrees(place.layout or "").items() if name not in wanted}
    for count in range(len(held), 0, -1):  # as many settings of the question as make a layout with these
        for names in combinations(held, count):
            with suppress(BadLayout):
                both = degrees_text({**{name: held[name] for name in names}, **wanted})
                return configure(spec, place.accelerator, place.devices, both)
    return configure(spec, place.accelerator, place.devices, degrees)


def check_possible(given: MeasuredStep, seconds: float, made: Configuration, spec: JobSpec) -> None:
    """Refuse a step that no such devices can take, or that is far from anything predicted: with both values."""
    found, hardware = made.prediction.time, made.setting.hardware
    predicted, what = float(found.total_s), f"{given.option}: a step of {seconds:.4g} s on {made.text}"
    out = (
        f"correct it (a step of the global batch of {made.setting.job.batch_samples:g} {spec.sample}s), or leave it out"
    )
    if given.per_device_s is not None and made.devices > 1:
        out = f"a rate is of one device (of all {made.devices}: {given.per_device_s / made.devices:.4g} each); {out}"
    if math.isnan(predicted):
        raise BadInput(f"{what} cannot be compared: some part of a step has no rate in the catalog; leave it out")
    share = ADAPTED_SHARE if spec.task in ADAPTERS else 1.0
    rate = share * float(found.model_flop) / (seconds * made.devices)
    peak = float(hardware.machine.peak_flop_per_s)
    if rate > peak:
        raise BadInput(
            f"{what} is {amount(rate, FLOP_RATE, 3)} a device, where its dense peak is {amount(peak, FLOP_RATE, 3)}: "
            f"no step is so fast, and {predicted:.4g} s are predicted; {out}"
        )
    metric = "step_time_s" if given.per_device_s is None else "tokens_per_s_per_device"
    if slip := unit_slip(metric, seconds / predicted, float(made.devices)):
        raise BadInput(f"{what} is {slip} ({predicted:.4g} s), and none is off by {FARTHEST:g}; {out}")


def _set(seconds: float, made: Configuration, spec: JobSpec, option: str, blank: ComparedStep) -> StepLayer:
    """Return what a step sets on top of what calibrations set before."""
    catalog, one = facts.load(), made.setting
    accelerator, stack = one.hardware.accelerator, one.stack.name
    pair, predicted = pair_name(stack, accelerator), float(made.prediction.time.total_s)
    before, prior = _known(stack, accelerator, catalog)
    fresh = {} if before else facts.open_log_sds([pair], catalog)
    shifts = shifts_of([math.log(seconds / predicted)], [pair], prior, fresh)
    today = datetime.now(UTC).date().isoformat()
    source = f"a step of one's own: {seconds:.4g} s on {made.text}"
    layer = layer_of(shifts, replace(BLANK, source=source, command=option, checked=today), before)
    known = catalog.over(catalog.local | layer)
    sds = [narrowed_step_log_sd(accelerator, stack, spec, each) for each in (catalog, known)]
    ratio = seconds / predicted
    whole = math.sqrt(prior.common + prior.pair + fresh.get(pair, 0.0) ** 2)
    here = repeated_shift(math.log(ratio), whole)
    found = replace(
        blank,
        stack=stack,
        accelerator=accelerator,
        devices=made.devices,
        layout_text=text_of(one.layout),
        measured_s=seconds,
        predicted_s=predicted,
        ratio=ratio,
        within_90=abs(math.log(ratio)) <= NORMAL_90 * sds[0],
        factor=math.exp(shifts[pair].log),
        factor_elsewhere=math.exp(shifts[ANYWHERE].log),
        factor_here=math.exp(here.log),
        log_sd_here=here.log_sd,
        narrowing=narrowing(*sds),
    )
    return StepLayer(replace(found, text=comparison_text(found)), layer)


def _known(stack: str, accelerator: str, catalog: facts.Catalog) -> tuple[dict[str, float], ShiftPrior]:
    """Return the factors that calibrations set before, and what they leave open."""
    mine, rest = (facts.step_shift_row(*of, catalog) for of in ((stack, accelerator), ("", "")))
    if mine is None or rest is None:
        return {}, ShiftPrior()
    whole = min(mine.log_sd, PUBLISHER_LOG_SD) ** 2
    common = min(max(rest.log_sd**2 - PAIR_LOG_SD**2, 0.0), whole)
    return {pair_name(stack, accelerator): mine.value, ANYWHERE: rest.value}, ShiftPrior(common, whole - common)


def comparison_text(found: ComparedStep) -> str:
    """Return what a measured step tells, in a line.

    >>> from steelyard.planner.measured.narrowing import narrowing
    >>> narrower = narrowing(0.21, 0.18)
    >>> factors = {"factor": 1.1, "factor_elsewhere": 1.08, "factor_here": 1.175, "log_sd_here": 0.03}
    >>> comparison_text(ComparedStep("fsdp2", "H100", 8, "tp=1", 11.8, 10.0, 1.18, True, narrowing=narrower, **factors))
    'your step of 11.8 s (8 × H100, tp=1, fsdp2) is 1.18x our median, inside the 90 % interval: times of fsdp2 on H100
    are multiplied by 1.10, all others by 1.08, exactly this by 1.18 (0.95-1.05x of it), what is like it in between, and
    what is left open narrows from 0.71-1.41x to 0.74-1.34x'
    """
    was, side = found.narrowing, "inside" if found.within_90 else "outside"
    guessed = f"; {_taken_text(found)}" if found.taken else ""
    return (
        f"your step of {found.measured_s:.4g} s ({found.devices} × {found.accelerator}, {found.layout_text}, "
        f"{found.stack}) is {found.ratio:.2f}x our median, {side} the 90 % interval: times of {found.stack} on "
        f"{found.accelerator} are multiplied by {found.factor:.2f}, all others by {found.factor_elsewhere:.2f}, "
        f"exactly this by {found.factor_here:.2f} ({ends_text(*interval_factors(found.log_sd_here))} of it), what is "
        f"like it in between, and what is left open narrows from {ends_text(was.low_before, was.high_before)} to "
        f"{ends_text(was.low_after, was.high_after)}{guessed}"
    )


def _taken_text(found: ComparedStep) -> str:
    """Return what was taken of the stack and the layout that nobody said.

    >>> _taken_text(ComparedStep("fsdp2", taken=("stack",), stacks=("megatron-core", "fsdp2")))
    'its stack is the one of megatron-core, fsdp2 under which it is likeliest: name it if yours was another'
    >>> _taken_text(ComparedStep("fsdp2", taken=("layout",)))
    'its layout is as recipes of fsdp2 have it, or the fastest that fits: name it if yours was another'
    """
    likely = f"is the one of {', '.join(found.stacks)} under which it is likeliest"
    stack = likely if len(found.stacks) > 1 else "is the one that such jobs are run on"
    ways = {"stack": stack, "layout": f"is as recipes of {found.stack} have it, or the fastest that fits"}
    told = " and ".join(f"its {name} {ways[name]}" for name in found.taken)
    return f"{told}: name {'them' if len(found.taken) > 1 else 'it'} if yours was another"


def same_place(found: ComparedStep | None, accelerator: str, devices: int) -> bool:
    """Tell whether a step was measured on so many of an accelerator.

    >>> same_place(ComparedStep(accelerator="L4", devices=8), "L4", 8), same_place(None, "L4", 8)
    (True, False)
    """
    return found is not None and (found.accelerator, found.devices) == (accelerator, devices)
