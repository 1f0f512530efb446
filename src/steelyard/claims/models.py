"""What a claim's model is trained on, and what one of these costs: tokens of a language model, samples of any other."""

import math
from dataclasses import dataclass
from functools import cache

from steelyard.claims.reading.claim import Claim
from steelyard.errors import BadInput, nearest
from steelyard.job.models import presets
from steelyard.job.models.architecture import architecture
from steelyard.job.models.describe import catalog_names, model_known_or_none, with_classes
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.sample_work import sample_workload
from steelyard.job.samples import SEQUENCE, sample_word

NEAR = 1.5
"""How far, as a factor, a stand-in may be from the model's size."""

SAMPLES = frozenset({"samples", "samples_per_second", "samples_per_second_per_device"})
"""Quantities that say that a model is trained on samples."""

TOKENS = frozenset({"tokens", "throughput", "throughput_per_device"})


@dataclass(frozen=True, slots=True)
class ClaimModel:
    """The model that stands for a claim's: the catalog's own, or a language model near it in size."""

    spec: ModelSpec | RowsSpec
    named: str  # in a job
    scale: float = 1.0  # the claim's size over that of the stand-in
    note: str = ""  # what stands in for what

    @property
    def unit(self) -> str:
        """What its work is counted in: tokens, or samples."""
        return "tokens" if trained_on(self.spec) == SEQUENCE else "samples"

    @property
    def parameters(self) -> float:
        """Parameters of the claim's model."""
        return total_parameters(self.spec) * self.scale

    @property
    def unit_flop(self) -> float:
        """FLOPs of training on one unit: 6 an active parameter and token, forward and backward of a sample."""
        if self.unit == "samples":
            return sample_flop(self.spec)
        assert isinstance(self.spec, ModelSpec)  # noqa: S101  # a model by rows has no tokens
        return 6 * (float(architecture(self.spec).active_params) * self.scale)


def claim_model(claim: Claim) -> tuple[ClaimModel | None, str]:
    """Return the model that stands for a claim's, or None and the reason.

    >>> from steelyard.claims.reading.files import read_claim
    >>> made, _ = claim_model(read_claim({"model": "ResNet-50"}))
    >>> made.unit, made.unit_flop / 3e9
    ('samples', 8.178368512)
    """
    named = catalog_model(claim)
    if named is not None:
        return ClaimModel(named, claim.model), ""
    size = claim.value("active_parameters") or claim.value("parameters")
    near = nearest(claim.model, catalog_names())
    unknown = f"the catalog does not know the model {claim.model!r}" if claim.model else "no model is stated"
    unknown += f" (nearest: {', '.join(near)})" if near else ""
    if size is None:
        return None, unknown
    if SAMPLES & claim.numbers.keys() and not TOKENS & claim.numbers.keys():
        return None, f"{unknown}; the FLOPs of a sample do not follow from parameters"
    if claim.value("active_parameters") and claim.value("parameters") != size:
        return None, "a mixture of experts that the catalog does not know cannot be predicted"
    close = min(_dense(), key=lambda one: abs(math.log(one[1] / size)))
    if max(close[1] / size, size / close[1]) > NEAR:
        return None, f"no model of the catalog is within a factor of {NEAR} of {size:.3g} parameters"
    note = f"{close[0]} stands in for a model of {size:.3g} parameters"
    return ClaimModel(presets.find_model(close[0]), close[0], size / close[1], note), ""


def catalog_model(claim: Claim) -> ModelSpec | RowsSpec | None:
    """Return the catalog's description of the claim's model, as it is trained; None where it has none."""
    found = model_known_or_none(claim.model) if claim.model else None
    if found is None or not trained_on(found):
        return None
    return with_classes(found)[0]


def language_model(claim: Claim) -> ModelSpec | None:
    """Return the catalog's description of the claim's model if it is trained on tokens, else None."""
    found = catalog_model(claim)
    return found if isinstance(found, ModelSpec) and trained_on(found) == SEQUENCE else None


def sample_model(claim: Claim) -> ModelSpec | RowsSpec | None:
    """Return the catalog's description of the claim's model if it is trained on anything but tokens, else None."""
    found = catalog_model(claim)
    return None if found is None or trained_on(found) == SEQUENCE else found


def samples_terms(claim: Claim) -> tuple[tuple[str, float], ...]:
    """Return what the samples of a run are made of: themselves where stated, else passes over a set, else steps.

    >>> from steelyard.claims.reading.files import read_claim
    >>> samples_terms(read_claim({"epochs": 90, "examples": 1281167, "steps": 450450}))
    (('examples', 1.0), ('epochs', 1.0))
    """
    forms = (("samples",), ("examples", "epochs"), ("steps", "batch_samples"))
    named = next((names for names in forms if all(name in claim.numbers for name in names)), ())
    return tuple((name, 1.0) for name in named)


def samples_trained(claim: Claim) -> float | None:
    """Return the samples of a run, stated or as what they are made of gives them; None: nothing says."""
    terms = samples_terms(claim)
    return math.prod(claim.numbers[name].value for name, _ in terms) if terms else None


def trained_on(spec: ModelSpec | RowsSpec) -> str:
    """Return what one pass through a model takes, in the singular; empty: nothing that can be planned."""
    try:
        return sample_word(spec)
    except BadInput:
        return ""


@cache
def sample_flop(spec: ModelSpec | RowsSpec) -> float:
    """Return the FLOPs of a forward and a backward pass over one sample."""
    return float(sample_workload(spec).model_flop)


@cache
def total_parameters(spec: ModelSpec | RowsSpec) -> float:
    """Return the parameters of a model."""
    return float(spec.params if isinstance(spec, RowsSpec) else architecture(spec).total_params)


@cache
def _dense() -> tuple[tuple[str, float], ...]:
    specs = (presets.find_model(name) for name in presets.model_names())
    return tuple(
        (one.name, total_parameters(one)) for one in specs if one.kind == "decoder" and not one.experts and one.vocab
    )
