"""What the predictor and the catalog expect of a claim's model on its hardware: seconds, watts, utilisation.

One configuration is predicted: the fastest layout that fits, on the stated count or on as many devices as the model
needs. A model that the catalog does not know stands in its nearest neighbour in size, with the interval widened by the
difference; a device or a size far from every run the predictor was ever scored on widens it further or is refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from steelyard.catalog import Accelerator, load
from steelyard.claims.models import ClaimModel, claim_model, trained_on
from steelyard.claims.reading.claim import Claim
from steelyard.errors import BadLayout, SteelyardError, UnknownName
from steelyard.evidence.runs.reader import published_runs
from steelyard.job import JobSpec, read_job
from steelyard.job.defaults import divisible_batch
from steelyard.planner.answers import Point
from steelyard.planner.estimating import point_of_configuration
from steelyard.planner.points import Configuration
from steelyard.planner.unstated.configuring import configure

ROOMY = 4.0
"""Sequences of a device in one step, at least, where no batch is stated: a run has the batch that feeds its devices."""

ROOMY_SAMPLES = 256.0
"""The same of images: NVIDIA's DeepLearningExamples train ResNet-50 with 256 on each V100 and A100."""

_WATTS_HALF = 1.2
"""Half-width, as a factor, of predicted node watts: 90 % of the published readings lie within it."""

_FAR = 8.0
"""How far, as a factor, a size may lie outside those of scored runs before a prediction is refused."""

WIDEN = 1.3
"""Factor on both ends of an interval for a device, or a kind of samples, without any scored run."""

STRETCH = 0.25
"""Power of the distance from the scored sizes and counts by which an interval is widened."""

COUNTS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
"""Numbers of devices to try where none is stated."""


@dataclass(frozen=True, slots=True)
class ClaimPrediction:
    """A prediction of the claim's run: device-seconds for each token or sample, watts, and how sure it is."""

    unit: str  # what the work is counted in: tokens, or samples
    unit_flop: float  # of training on one: 6 an active parameter and token, forward and backward of a sample
    device_s_per_unit: tuple[float, float, float]  # likely, low, high
    it_w: tuple[float, float, float]  # of one device with its host, over the run
    accelerator_w: float
    peak_flop_per_s: float
    precision: str
    devices: int
    rests_on: tuple[str, ...]

    def utilisation(self, device_s_per_unit: float) -> float:
        """Return the share of the dense peak that device-seconds a unit mean."""
        return self.unit_flop / (device_s_per_unit * self.peak_flop_per_s)

    @property
    def mfu(self) -> tuple[float, float, float]:
        """Return the likely, least and largest utilisation."""
        likely, low, high = self.device_s_per_unit
        return self.utilisation(likely), self.utilisation(high), self.utilisation(low)


@dataclass(frozen=True, slots=True)
class NoPrediction:
    """Why nothing is expected."""

    reason: str


def predict_claim(claim: Claim) -> ClaimPrediction | NoPrediction:
    """Return what the predictor expects, or why it expects nothing.

    >>> from steelyard.claims.reading.files import read_claim
    >>> found = predict_claim(read_claim({"model": "llama-2-7b", "hardware": "128x A100", "tokens": "2T"}))
    >>> 0.4 < found.mfu[0] < 0.7, found.precision
    (True, 'bf16')
    """
    gear = claim.hardware
    if gear is None or gear.accelerator is None:
        return NoPrediction(gear.note if gear else "no hardware is stated")
    model, why = claim_model(claim)
    if model is None:
        return NoPrediction(why)
    precision = precision_of(claim, gear.accelerator)
    size, crowd = _scored(model, gear.accelerator).stretch(model.parameters, claim.value("count"))
    if size > _FAR:
        return NoPrediction(_outside(model.parameters, size, gear.accelerator.id))
    try:
        made, point = _point(claim, model, gear.accelerator, precision)
    except SteelyardError as error:
        return NoPrediction(f"the predictor has no answer: {error}")
    if not math.isfinite(point.time_s.value * point.time_s.low * point.time_s.high):
        return NoPrediction(f"the catalog lacks what the time on {gear.accelerator.id} would need")
    return _of(made, point, model, gear.accelerator, precision, size * crowd)


def _outside(parameters: float, times: float, accelerator: str) -> str:
    low, high = (f"{end / 1e9:.3g}B" for end in scored_range(accelerator).parameters)
    return (
        f"{parameters / 1e9:.3g}B parameters are {times:.0f} times outside the {low} to {high} of the runs on "
        f"{accelerator} that the predictor was scored on"
    )


def _scored(model: ClaimModel, accelerator: Accelerator) -> "ScoredRange":
    """Return the scored runs that are like the claim's: none of them trains anything but language models."""
    return scored_range(accelerator.id) if model.unit == "tokens" else UNSCORED


def _least_share(made: Configuration) -> float:
    """Return the share of its time that a run takes whose exchanges of experts hide behind its compute.

    A claim names no schedule: one that hides them (DualPipe, arXiv 2412.19437, section 3.2.1) may be behind it.
    """
    step = made.prediction.time
    return 1 - float(step.ep_s) / float(step.total_s)


def _of(
    made: Configuration, point: Point, model: ClaimModel, accelerator: Accelerator, precision: str, far: float
) -> ClaimPrediction:
    """Return a point of the predictor for each unit of work, widened by what is unlike."""
    runs = _scored(model, accelerator).runs
    wide = far**STRETCH * (1.0 if runs else WIDEN) * max(model.scale, 1 / model.scale) ** 0.5
    draw, units = made.prediction.draw, _WORK[model.unit]
    it_w = float(made.prediction.energy.it_j) / (point.devices * float(draw.wall_s))
    ends = (point.time_s.value, point.time_s.low * _least_share(made), point.time_s.high)
    per = [figure * point.devices / units * model.scale for figure in ends]
    half = _WATTS_HALF * (1.0 if runs else WIDEN)
    of = accelerator.id if model.unit == "tokens" else f"{trained_on(model.spec)}s"
    rests = (
        f"the predictor on {point.devices} x {accelerator.id}, {precision}, {point.stack}, {point.layout_text}",
        f"{runs} scored runs on this device" if runs else f"no scored run on {of}: both ends widened by {WIDEN}",
        model.note,
        f"{far:.1f} times outside the scored sizes and counts: widened" if far > 1.05 else "",
    )
    return ClaimPrediction(
        unit=model.unit,
        unit_flop=model.unit_flop,
        device_s_per_unit=(per[0], per[1] / wide, per[2] * wide),
        it_w=(it_w, it_w / half, it_w * half),
        accelerator_w=float(made.prediction.energy.accelerator_j) / (point.devices * float(draw.wall_s)),
        peak_flop_per_s=accelerator.peak(precision),
        precision=precision,
        devices=point.devices,
        rests_on=tuple(filter(None, rests)),
    )


_WORK = MappingProxyType({"tokens": 100e9, "samples": 1e9})
"""Tokens or samples of the run that is predicted: enough that its start does not count."""


def _point(claim: Claim, model: ClaimModel, accelerator: Accelerator, precision: str) -> tuple[Configuration, Point]:
    """Return the predictor's fastest layout that fits on the stated count, else on the fewest devices that hold it."""
    count = claim.value("count")
    spec = _job(claim, model, accelerator, precision)
    if count is not None and count >= 1:
        made = configure(_fed(claim, model, spec, count), accelerator.id, max(1, round(count)), bought=False)
        return made, point_of_configuration(made)
    for some in COUNTS:
        fed = spec if model.unit == "tokens" else _fed(claim, model, spec, some)
        made = configure(fed, accelerator.id, some, bought=False)
        point = point_of_configuration(made)
        if point.fits:
            break
    if float(made.setting.layout.offload):
        raise BadLayout(f"{made.text} holds it on its hosts alone: no basis to judge a run that is published by")
    return made, point


def _job(claim: Claim, model: ClaimModel, accelerator: Accelerator, precision: str) -> JobSpec:
    """Return the job that is predicted for a claim."""
    options = {model.unit: _WORK[model.unit], "precision": precision, "accelerators": accelerator.id}
    sequence, batch = claim.value("sequence"), claim.value("batch_samples")
    if sequence and sequence == int(sequence) and model.unit == "tokens":
        options["sequence"] = int(sequence)
    if batch and batch == int(batch):
        options["global_batch"] = int(batch)
    return read_job({"model": model.named}, **options)


def _fed(claim: Claim, model: ClaimModel, spec: JobSpec, count: float) -> JobSpec:
    """Return the job with the batch that feeds its devices, where none is stated."""
    roomy = (ROOMY if model.unit == "tokens" else ROOMY_SAMPLES) * count
    if claim.value("batch_samples") or spec.batch_samples >= roomy:
        return spec
    return replace(spec, batch_samples=divisible_batch(roomy))


def precision_of(claim: Claim, accelerator: Accelerator) -> str:
    """Return the stated precision, else the 16-bit one of the chip, else what it has."""
    wanted = claim.precision.lower()
    for one in (wanted, "bf16", "fp16", "tf32", "fp32"):
        if one and not math.isnan(accelerator.peak(one)):
            return one
    return accelerator.precisions[0] if accelerator.precisions else ""


@dataclass(frozen=True, slots=True)
class ScoredRange:
    """The runs on one device that the predictor was scored on: how many, how large, on how many devices."""

    runs: int
    parameters: tuple[float, float]
    devices: tuple[float, float]

    def stretch(self, parameters: float, devices: float | None) -> tuple[float, float]:
        """Return how far outside these runs a job's size and its number of devices lie; 1: inside."""
        if not self.runs:
            return 1.0, 1.0
        size = max(self.parameters[0] / parameters, parameters / self.parameters[1], 1.0)
        return size, max((devices or 1.0) / self.devices[1], 1.0)


UNSCORED = ScoredRange(0, (math.nan, math.nan), (math.nan, math.nan))


@cache
def scored_range(accelerator: str) -> ScoredRange:
    """Return the scored runs on a device.

    >>> scored_range("H100-80GB-SXM").runs > 100, scored_range("P100-16GB-SXM2").runs
    (True, 0)
    """
    return _reaches().get(accelerator, UNSCORED)


@cache
def _reaches() -> Mapping[str, ScoredRange]:
    """Return the scored runs of every device; one that the catalog does not know is left out."""
    seen: dict[str, list[tuple[float, float]]] = {}
    for run in published_runs():
        if run.use == "score" and run.params > 0 and run.devices > 0:
            seen.setdefault(run.accelerator, []).append((run.params, run.devices))
    named: dict[str, list[tuple[float, float]]] = {}
    for text, runs in seen.items():
        try:
            named.setdefault(load().accelerator(text).id, []).extend(runs)
        except UnknownName:
            continue
    return {name: _reach(runs) for name, runs in named.items()}


def _reach(runs: list[tuple[float, float]]) -> ScoredRange:
    sizes, counts = zip(*runs, strict=True)
    return ScoredRange(len(runs), (min(sizes), max(sizes)), (min(counts), max(counts)))
