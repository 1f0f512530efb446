"""What the predictor and the catalog expect of a claim's model on its hardware: seconds, watts, utilisation.

One configuration is predicted: the fastest layout that fits, on the stated count or on as many devices as the model
needs. A model that the catalog does not know stands in its nearest neighbour in size, with the interval widened by the
difference; a device or a size far from every run the predictor was ever scored on widens it further or is refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from steelyard.catalog import Accelerator, load
from steelyard.claims.reading.claim import Claim
from steelyard.errors import SteelyardError, UnknownName
from steelyard.evidence.runs.reader import published_runs
from steelyard.job import read_job
from steelyard.job.defaults import divisible_batch
from steelyard.job.models import presets
from steelyard.job.models.architecture import architecture
from steelyard.job.models.spec import ModelSpec
from steelyard.planner.answers import Point
from steelyard.planner.estimating import configure, point_of_configuration
from steelyard.planner.points import Configuration

ROOMY = 4.0
"""Sequences of a device in one step, at least, where no batch is stated: a run has the batch that feeds its devices."""

_WATTS_HALF = 1.2
"""Half-width, as a factor, of predicted node watts: 90 % of the published readings lie within it."""

NEAR = 1.5
"""How far, as a factor, a stand-in may be from the model's size."""

_FAR = 8.0
"""How far, as a factor, a size may lie outside those of scored runs before a prediction is refused."""

WIDEN = 1.3
"""Factor on both ends of an interval for a device without any scored run."""

STRETCH = 0.25
"""Power of the distance from the scored sizes and counts by which an interval is widened."""

COUNTS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
"""Numbers of devices to try where none is stated."""


@dataclass(frozen=True, slots=True)
class ClaimPrediction:
    """A prediction of the claim's run: device-seconds for each token, watts, and how sure it is."""

    device_s_per_token: tuple[float, float, float]  # likely, low, high
    it_w: tuple[float, float, float]  # of one device with its host, over the run
    accelerator_w: float
    active_parameters: float
    peak_flop_per_s: float
    precision: str
    devices: int
    rests_on: tuple[str, ...]

    def utilisation(self, device_s_per_token: float) -> float:
        """Return the share of the dense peak that device-seconds a token mean, at 6 FLOPs a parameter and token."""
        return 6 * self.active_parameters / (device_s_per_token * self.peak_flop_per_s)

    @property
    def mfu(self) -> tuple[float, float, float]:
        """Return the likely, least and largest utilisation."""
        likely, low, high = self.device_s_per_token
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
    model, scale, why = _model(claim)
    if model is None:
        return NoPrediction(why)
    precision = precision_of(claim, gear.accelerator)
    size, crowd = scored_range(gear.accelerator.id).stretch(_size(model) * scale, claim.value("count"))
    if size > _FAR:
        return NoPrediction(_outside(_size(model) * scale, size, gear.accelerator.id))
    try:
        made, point = _point(claim, model, gear.accelerator, precision)
    except SteelyardError as error:
        return NoPrediction(f"the predictor has no answer: {error}")
    if not math.isfinite(point.time_s.value * point.time_s.low * point.time_s.high):
        return NoPrediction(f"the catalog lacks what the time on {gear.accelerator.id} would need")
    return _of(made, point, model, scale, gear.accelerator, precision, size * crowd, why)


def _outside(parameters: float, times: float, accelerator: str) -> str:
    low, high = (f"{end / 1e9:.3g}B" for end in scored_range(accelerator).parameters)
    return (
        f"{parameters / 1e9:.3g}B parameters are {times:.0f} times outside the {low} to {high} of the runs on "
        f"{accelerator} that the predictor was scored on"
    )


def _of(
    made: Configuration,
    point: Point,
    model: ModelSpec,
    scale: float,
    accelerator: Accelerator,
    precision: str,
    far: float,
    why: str,
) -> ClaimPrediction:
    """Return a point of the predictor for each token, widened by what is unlike."""
    wide = far**STRETCH * (1.0 if scored_range(accelerator.id).runs else WIDEN) * max(scale, 1 / scale) ** 0.5
    draw, tokens = made.prediction.draw, _TOKENS
    it_w = float(made.prediction.energy.it_j) / (point.devices * float(draw.wall_s))
    per = [
        figure * point.devices / tokens * scale for figure in (point.time_s.value, point.time_s.low, point.time_s.high)
    ]
    runs = scored_range(accelerator.id).runs
    half = _WATTS_HALF * (1.0 if runs else WIDEN)
    rests = [
        f"the predictor on {point.devices} x {accelerator.id}, {precision}, {point.stack}, {point.layout_text}",
        f"{runs} scored runs on this device"
        if runs
        else f"no scored run on {accelerator.id}: both ends widened by {WIDEN}",
    ]
    return ClaimPrediction(
        device_s_per_token=(per[0], per[1] / wide, per[2] * wide),
        it_w=(it_w, it_w / half, it_w * half),
        accelerator_w=float(made.prediction.energy.accelerator_j) / (point.devices * float(draw.wall_s)),
        active_parameters=float(architecture(model).active_params) * scale,
        peak_flop_per_s=accelerator.peak(precision),
        precision=precision,
        devices=point.devices,
        rests_on=tuple(
            rests
            + ([why] if why else [])
            + ([f"{far:.1f} times outside the scored sizes and counts: widened"] if far > 1.05 else [])
        ),
    )


_TOKENS = 100e9
"""Tokens of the run that is predicted: enough that its start does not count."""


def _point(claim: Claim, model: ModelSpec, accelerator: Accelerator, precision: str) -> tuple[Configuration, Point]:
    """Return the predictor's fastest layout that fits on the stated count, else on the fewest devices that hold it."""
    options = {"tokens": _TOKENS, "precision": precision, "accelerators": accelerator.id}
    if (sequence := claim.value("sequence")) and sequence == int(sequence):
        options["sequence"] = int(sequence)
    count, batch = claim.value("count"), claim.value("batch_samples")
    if batch and batch == int(batch):
        options["global_batch"] = int(batch)
    spec = read_job({"model": model.name}, **options)
    if count and not batch and spec.batch_samples < ROOMY * count:
        spec = replace(spec, batch_samples=divisible_batch(ROOMY * count))
    if count is not None and count >= 1:
        made = configure(spec, accelerator.id, max(1, round(count)))
        return made, point_of_configuration(made)
    for some in COUNTS:
        made = configure(spec, accelerator.id, some)
        point = point_of_configuration(made)
        if point.fits:
            break
    return made, point


def _model(claim: Claim) -> tuple[ModelSpec | None, float, str]:
    """Return the model's description, its size over that of the description, and what stands in for what."""
    named = catalog_model(claim)
    if named is not None:
        return named, 1.0, ""
    size = claim.value("active_parameters") or claim.value("parameters")
    if size is None:
        return (
            None,
            1.0,
            f"the catalog does not know the model {claim.model!r}" if claim.model else "no model is stated",
        )
    if claim.value("active_parameters") and claim.value("parameters") != size:
        return None, 1.0, "a mixture of experts that the catalog does not know cannot be predicted"
    nearest = min(_dense(), key=lambda one: abs(math.log(one[1] / size)))
    if max(nearest[1] / size, size / nearest[1]) > NEAR:
        return None, 1.0, f"no model of the catalog is within a factor of {NEAR} of {size:.3g} parameters"
    return (
        presets.find_model(nearest[0]),
        size / nearest[1],
        f"{nearest[0]} stands in for a model of {size:.3g} parameters",
    )


def catalog_model(claim: Claim) -> ModelSpec | None:
    """Return the catalog's description of the claim's model; None where it has none."""
    try:
        found = presets.find_model_or_none(claim.model) if claim.model else None
    except UnknownName:
        return None
    return found if found is not None and found.kind in {"decoder", "encdec", "encoder"} and found.vocab else None


@cache
def _dense() -> tuple[tuple[str, float], ...]:
    specs = (presets.find_model(name) for name in presets.model_names())
    return tuple((one.name, _size(one)) for one in specs if one.kind == "decoder" and not one.experts and one.vocab)


@cache
def _size(model: ModelSpec) -> float:
    return float(architecture(model).total_params)


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


@cache
def scored_range(accelerator: str) -> ScoredRange:
    """Return the scored runs on a device.

    >>> scored_range("H100-80GB-SXM").runs > 100, scored_range("P100-16GB-SXM2").runs
    (True, 0)
    """
    return _reaches().get(accelerator, ScoredRange(0, (math.nan, math.nan), (math.nan, math.nan)))


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
