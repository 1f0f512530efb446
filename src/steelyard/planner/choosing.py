"""Which configuration a question is about: pinned, saved, or the point of a plan that a label names."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.job import JobSpec, job_table, literals, read_job, with_overrides
from steelyard.job.arguments import check_type, layout_argument, parse_carbon_kind
from steelyard.job.defaults import default_precision, without_16_bits, without_bf16
from steelyard.job.degrees import degrees_text, parse_degrees
from steelyard.job.fields import given_text
from steelyard.job.samples import implied_batch
from steelyard.job.unstated.usual import TOKENS_IN_FLIGHT
from steelyard.layout.literal import KEYS
from steelyard.market.sold import check_site, offer_named, system_sold
from steelyard.market.tools import as_asked
from steelyard.planner.answers import Estimate, Plan, Point
from steelyard.planner.estimating import Layouts, point_of_configuration
from steelyard.planner.measured.answer import NOTHING, StepLayer, using
from steelyard.planner.measured.step import Place, compared_step, same_place
from steelyard.planner.planning import plan_job
from steelyard.planner.points import Configuration
from steelyard.planner.saved.agreement import as_of_now, check_label, labelled, place_of_answer, replayed
from steelyard.planner.saved.files import ANEW, saved_answer
from steelyard.planner.saved.replay import configuration_of
from steelyard.planner.unstated.configuring import configure
from steelyard.planner.unstated.fitting import fitting_text
from steelyard.search.engine import Progress
from steelyard.strategies.recipe import FUSED
from steelyard.strategies.settings import spelled_number
from steelyard.vocabulary import ESTIMATE_LABEL, LOCATION_GROSS, POINT_LABELS

JobSource = str | Path | Mapping[str, Any] | JobSpec | Plan | Estimate
"""What a question is about: a model's name, a job file or its fields, a job, a saved plan or estimate, its file."""

_TAKEN = "a model's name, the path of a job file, its fields as a mapping, or a plan or an estimate"


Pin = tuple[str, Layouts, str, str]
"""A configuration as it is pinned: on, layout, site, offer."""


def job_of(source: JobSource, **options: Any) -> JobSpec:
    """Return the job of a source, with options on top: the fields of a job file, such as tokens="20B".

    >>> job_of("llama-3-8b", tokens="20B", by="7d").deadline_s
    604800.0
    """
    answer = _answer(source)
    if answer is not None:
        if answer.request is None:
            raise BadInput(f"{_name(source)}: the answer holds no request, which is the job it answers; {ANEW}")
        given = {name: value for name, value in options.items() if value is not None}
        return with_overrides(answer.request, **given) if given else answer.request
    check_type("source", source, (str, Path, Mapping, JobSpec), _TAKEN)
    if isinstance(source, JobSpec):
        return with_overrides(source, **options) if options else source
    return read_job(source, **options)  # type: ignore[arg-type]  # what is left of the kinds of sources


@dataclass(frozen=True, slots=True)
class Choice:
    """The configuration that a question is about, its figures, and the kind of CO2e that they weigh."""

    spec: JobSpec
    point: Point
    configuration: Configuration
    carbon_kind: str
    measured_step: StepLayer = NOTHING  # what a measured step sets, which the configuration has

    @property
    def notes(self) -> tuple[str, ...]:
        """What a measured step tells, where one was given."""
        return (self.measured_step.answer.text,) if self.measured_step.answer else ()


def chosen(
    source: JobSource,
    label: str | None,
    pin: Pin,
    carbon: str | None,
    progress: Progress | None,
    options: Mapping[str, Any],
) -> Choice:
    """Return the configuration that a question is about: pinned, saved, or the point of a plan that a label names."""
    kind = carbon_kind_of(carbon, source)
    if label is not None:
        check_type("label", label, str, f"one of {', '.join(POINT_LABELS)}")
        check_label(label)
    check_acting(label, pin, options)
    label = label or "cheapest"
    if pin[0]:
        spec, made, own = pinned(source, pin, options)
        with using(own):
            return Choice(spec, point_of_configuration(made, kind, spec=spec), made, kind, own)
    spec, answer = job_of(source, **options), _answer(source)
    own = compared_step(spec, None if answer is None else place_of_answer(answer))
    if answer is None:
        with using(own):
            found = labelled(plan_job(spec, progress, kind), label)
            return Choice(spec, found, configuration_of(found, spec), kind, own)
    saved = replayed(answer, label, _name(source))
    if spec == saved.request and kind == answer.carbon_kind:
        return Choice(spec, saved.point, saved.configuration, kind, own)
    with using(own):
        made = replace(configuration_of(saved.point, spec), unstated=saved.configuration.unstated)
        return Choice(spec, as_of_now(saved.point, made, kind), made, kind, own)


def carbon_kind_of(carbon: str | None, source: JobSource) -> str:
    """Return the kind of CO2e that is weighed: the one asked for, else that of a saved answer, else location-based."""
    if carbon is not None:
        return parse_carbon_kind(carbon)
    answer = _answer(source)
    return LOCATION_GROSS if answer is None else answer.carbon_kind


def pinned(source: JobSource, pin: Pin, options: Mapping[str, Any]) -> tuple[JobSpec, Configuration, StepLayer]:
    """Return the job, the one configuration that is pinned, and what a measured step sets.

    A step that was measured on the pinned devices is of the pinned configuration: of its stack and layout.
    """
    on, layout, site, offer = pin
    check_type("on", on, str, "an accelerator or system and how many, such as 'H100:64'")
    check_type("site", site, str, "a site's name, such as 'aws/us-east-1'")
    check_type("offer", offer, str, "an offer's name, as steelyard catalog offers lists them")
    degrees = layout_argument(layout)
    spec = job_of(source, **{**options, **({"regions": offer_named(offer).place} if offer else {})})
    if not on:
        raise BadInput("give --on: an accelerator or system and how many, such as --on H100:64")
    (name, count), *more = literals.parse_accelerators(on)
    if more:
        raise BadInput(f"--on takes one accelerator or system, not {on!r}; such as --on H100:64")
    check_count(on, count, spec, options)
    device = system_sold(offer, name) if offer else name
    check_site(offer, site)
    degrees = plain_degrees(degrees)
    spec = with_implied_batch(spec, degrees, count)
    spec = with_able_precision(spec, device)
    found = compared_step(spec, Place(device, count, degrees))
    with using(found) as own:
        made = configure(spec, device, count, degrees, site)
        if own and same_place(own, made.setting.hardware.accelerator, made.devices):
            asked = replace(spec, stack=as_asked(spec.stack, own.stack, load()))
            open_still = made.unstated
            made = replace(configure(asked, device, count, degrees or own.layout_text, site), unstated=open_still)
    made = replace(made, fits_with=fitting_text(spec, made))
    if count is None and spec.devices is None:
        unit = f"devices {made.devices}: all of a {made.system}; give --on {on}:N for another number"
        spec = replace(spec, assumptions=(*spec.assumptions, unit))
    return spec, made, found


def plain_degrees(text: str) -> str:
    """Return a layout with each setting by its short name and number, where it is written otherwise and can be read.

    >>> plain_degrees("per_device_train_batch_size=2,sharding=ZeRO-2"), plain_degrees("tp=2"), plain_degrees("tq=2")
    ('mbs=2,zero=2', 'tp=2', 'tq=2')
    """
    pairs = [part.partition("=")[::2] for part in text.split(",") if part.strip()]
    plain = all(key.strip() in KEYS and spelled_number(KEYS[key.strip()], value) is not None for key, value in pairs)
    if plain and "sdp" not in text.lower():  # FSDP means another stage under a pipeline
        return text
    try:
        return degrees_text(parse_degrees(text))
    except BadInput:
        return text  # refused where it is laid out


def with_implied_batch(spec: JobSpec, degrees: str, count: int | None) -> JobSpec:
    """Return a job that states no batch with the one that its micro-batches on the pinned devices make; else as is.

    >>> job = job_of("llama-3.2-1b", tokens="1B")
    >>> with_implied_batch(job, "mbs=2,ga=8", 8).batch_samples
    128

    Under gradients that are fused into the backward pass one micro-batch is a step, so it is what the devices hold:

    >>> with_implied_batch(job_of("llama-3.2-1b", tokens="1B", recipe="gradients=fused"), "mbs=2", 8).batch_samples
    16

    A batch that nobody chose is the nearest that the devices share evenly:

    >>> tuned = job_of("llama-3.2-1b", tokens="10M", task="lora", sequence=2048)
    >>> [with_implied_batch(tuned, "", count).batch_samples for count in (3, 4, 6, 1024)]
    [63, 64, 66, 64]
    """
    if any(given_text(spec.given, name) for name in ("global_batch", "global_batch_min", "global_batch_max")):
        return spec
    with suppress(BadInput):
        layout = {**spec.layout, **(parse_degrees(degrees) if degrees.strip() else {})}
        devices = count or spec.devices
        if np.any(np.equal(job_table(spec).recipe.grad_life, FUSED)):  # gone before another micro-batch could be added
            usual = max(1, TOKENS_IN_FLIGHT // (spec.sequence_tokens or TOKENS_IN_FLIGHT))
            layout = {"micro_batch": (usual,), "micro_batches": (1,), **layout}
        if (made := implied_batch(layout, devices)) is not None:
            return with_overrides(spec, global_batch=made)
        if devices and not {"tp", "pp", "cp", "dp"} & layout.keys():
            return evenly_divided_batch(spec, devices * layout.get("micro_batch", (1,))[0])
    return spec


def evenly_divided_batch(spec: JobSpec, ranks: int) -> JobSpec:
    """Return a job with the nearest batch to its own that so many samples at a time make up; as is where it is less."""
    old = spec.batch_samples
    if old < ranks or old % ranks == 0:
        return spec
    new = round(old / ranks) * ranks
    words = f"global batch {new} {spec.sample}s: what {ranks} at a time make up; {old} they do not"
    told = tuple(words if text.startswith("global batch ") else text for text in spec.assumptions)
    return replace(spec, batch_samples=new, assumptions=told)


def with_able_precision(spec: JobSpec, device: str) -> JobSpec:
    """Return a job in the precision that its products run in on an accelerator, which it then says; else as it is.

    One that states none is in fp16 where there is no bf16.

    >>> job = job_of("llama-3.2-1b", tokens="1M")
    >>> with_able_precision(job, "T4").precision, with_able_precision(job, "L4").precision
    ('fp16', 'bf16')
    """
    chip = load().system(device).accelerator
    stated = "precision" in {str(name) for name, value in spec.given.items() if value is not None}
    if stated or not (without_bf16([chip]) or without_16_bits([chip])):
        return spec
    precision, text = default_precision("", adapted=False, accelerators=[chip])
    told = [text if line.startswith("precision ") else line for line in spec.assumptions]
    return replace(with_overrides(spec, precision=precision), assumptions=tuple(told))


def _answer(source: JobSource) -> Plan | Estimate | None:
    if isinstance(source, Plan | Estimate):
        return source
    return saved_answer(source) if isinstance(source, str | Path) else None


def _name(source: JobSource) -> str:
    """Return what to call a saved answer: its file where it has one."""
    return str(source) if isinstance(source, str | Path) else "the saved answer"


def check_acting(label: str | None, pin: Pin, options: Mapping[str, Any]) -> None:
    """Refuse what cannot act: what names or shapes a plan beside a pin, what is of a pin where nothing is pinned."""
    if pin[0]:
        idle = {"label": None if label == ESTIMATE_LABEL else label, "axes": options.get("axes")}
        given = [f"--{name} {value}" for name, value in idle.items() if value is not None]
        if given:
            raise BadInput(
                f"{given[0]} is about a plan, but --on {pin[0]} pins one configuration; leave one of them out"
            )
        return
    ways = {"layout": "write layout in the job file", "site": "give --regions", "offer": "give --regions"}
    for (name, way), value in zip(ways.items(), pin[1:], strict=True):
        if value:
            raise BadInput(
                f"--{name} {value} is of a configuration that --on pins; give --on H100:64 or such, or {way}"
            )


def check_count(on: str, count: int | None, spec: JobSpec, options: Mapping[str, Any]) -> None:
    """Refuse a pin beside options that ask for another number; it takes the place of a job file's own."""
    if options.get("devices") is not None and count not in {None, spec.devices}:
        raise BadInput(f"--on {on} asks for {count} devices but devices is {spec.devices}; give one of the two")
    if options.get("max_devices") is not None and (count or 0) > (spec.max_devices or 0):
        raise BadInput(f"--on {on} asks for {count} devices but max_devices is {spec.max_devices}; give one of the two")
