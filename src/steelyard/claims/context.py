"""A claim with what the catalog and the predictor know of it, each looked up when first asked for."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from types import MappingProxyType

from steelyard.catalog import Accelerator, Catalog, SiteRow, load
from steelyard.claims.models import (
    SAMPLES,
    TOKENS,
    language_model,
    sample_flop,
    sample_model,
    samples_terms,
    trained_on,
)
from steelyard.claims.prediction import ClaimPrediction, NoPrediction, precision_of, predict_claim
from steelyard.claims.reading.claim import Claim, ClaimNumbers
from steelyard.claims.reading.printed import PrintedNumber
from steelyard.errors import UnknownName, nearest
from steelyard.job.models.architecture import architecture
from steelyard.job.models.describe import catalog_names, model_known_or_none
from steelyard.units import HOUR_S
from steelyard.vocabulary import PRECISIONS

MODEL_ROUNDING = 0.02
"""What conventions leave open of a model's parameters: with or without embeddings."""


class ClaimContext:
    """Everything that the checks of one claim look at."""

    def __init__(self, claim: Claim, catalog: Catalog | None = None) -> None:
        self.claim = claim
        self.catalog = catalog or load()

    @cached_property
    def accelerator(self) -> Accelerator | None:
        """The device's row of the catalog."""
        return self.claim.hardware.accelerator if self.claim.hardware else None

    @cached_property
    def numbers(self) -> ClaimNumbers:
        """The claim's numbers, and the parameters that the catalog knows of its model."""
        found = dict(self.claim.numbers)
        if self.sample:
            return MappingProxyType(found)
        if "active_parameters" not in found:
            model = language_model(self.claim)
            if model is not None:
                active = float(architecture(model).active_params)
                found["active_parameters"] = PrintedNumber(active, MODEL_ROUNDING, f"{model.name}, catalog")
            elif "parameters" in found:
                found["active_parameters"] = found["parameters"]
        return MappingProxyType(found)

    @cached_property
    def sample(self) -> str:
        """What one pass through the claim's model takes, in the singular; empty: tokens, or an unknown model."""
        model = sample_model(self.claim)
        return trained_on(model) if model is not None else ""

    @cached_property
    def sample_flop(self) -> float | None:
        """FLOPs of a forward and a backward pass over one sample; None: tokens, or an unknown model."""
        model = sample_model(self.claim)
        return sample_flop(model) if model is not None else None

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the claim states that nothing is compared with: names that the catalog lacks, work of another kind."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        stray = sorted(TOKENS & self.claim.numbers.keys()) if self.sample else []
        names = ", ".join(name.replace("_", " ") for name in stray)
        model = sample_model(self.claim)
        if stray:
            yield f"{names} stated of {model.name if model else ''}, which trains on {self.sample}s: not looked at"
        if self.claim.model and model_known_or_none(self.claim.model) is None:
            near = _near(self.claim.model, catalog_names())
            yield f"the catalog does not know the model {self.claim.model[:60]!r}{near}: its size is as stated"
        if self.claim.place and self.site is None:
            near = _near(self.claim.place, self.catalog.sites)
            yield f"the catalog does not know the place {self.claim.place[:60]!r}{near}: no grid or PUE is looked up"

    @cached_property
    def prediction(self) -> ClaimPrediction | NoPrediction:
        """What the predictor expects; asked only where the claim says something of its work."""
        stated = self.claim.numbers.keys()
        if not {*TOKENS, *SAMPLES, "utilisation"} & stated and not samples_terms(self.claim):
            return NoPrediction("neither tokens nor samples are stated")
        return predict_claim(self.claim)

    @cached_property
    def node_ratings(self) -> tuple[float, ...]:
        """Rated watts of one device with its share of the node, by the catalog's systems."""
        rows = (
            row for row in self.catalog.systems.values() if self.accelerator and row.accelerator == self.accelerator.id
        )
        return tuple(row.max_power_w / row.devices for row in rows if not math.isnan(row.max_power_w))

    @cached_property
    def peak(self) -> float | None:
        """Dense peak at the stated precision, else at 16 bits."""
        precision = precision_of(self.claim, self.accelerator) if self.accelerator else ""
        return self.accelerator.peak(precision) if self.accelerator and precision else None

    @cached_property
    def peak_text(self) -> str:
        """The peak in words."""
        if self.accelerator is None or self.peak is None:
            return "an unknown peak"
        precision = precision_of(self.claim, self.accelerator)
        return f"{self.peak / 1e12:.4g} TFLOP/s ({self.accelerator.id}, dense {precision})"

    @cached_property
    def top(self) -> float:
        """The largest utilisation that can be: the fastest peak that the precision leaves open, over its own."""
        if self.accelerator is None or self.peak is None or self.claim.precision:
            return 1.0
        fastest = max(
            peak for name in PRECISIONS if not math.isnan(peak := self.accelerator.peak(name)) and name != "fp4"
        )
        return fastest / self.peak

    @cached_property
    def attention_share(self) -> float | None:
        """FLOPs of a token, attention in full and look-ups not counted, over 6 a parameter; None: an unknown model."""
        model = language_model(self.claim)
        if model is None:
            return None
        shape = architecture(model)
        sequence = self.claim.value("sequence") or float(model.context_tokens or min(model.max_tokens, 8192))
        layers, width = float(shape.attention_layers), float(shape.heads) * float(shape.head_dim)
        active, looked_up = float(shape.active_params), float(shape.embedding_params)
        return (6 * (active - looked_up) + 12 * layers * width * sequence) / (6 * active)

    @cached_property
    def site(self) -> SiteRow | None:
        """The place's row of the catalog: a region, or a country by its code or name."""
        place = self.claim.place
        if not place:
            return None
        for name in (place, f"country/{place.upper()}", f"us-state/{place.upper()}"):
            try:
                return self.catalog.site(name)
            except UnknownName:
                continue
        named = [row for row in self.catalog.sites.values() if row.location.lower() == place.lower()]
        return named[0] if named else None

    @cached_property
    def grid(self) -> tuple[float, float, str]:
        """Least and largest location-based intensity that sources give for the place, and its name; empty: no place."""
        if self.site is None:
            return math.nan, math.nan, ""
        country = self.site.id.startswith("country/")
        sites = self.catalog.sites.values()
        inside = [row for row in sites if row.country == self.site.country] if country else [self.site]
        rows = [fact for row in inside for fact in row.facts.by_quantity.get("location_gross", ())]
        values = [row.si for row in rows if row.used and row.entity != "world" and row.si > 0]
        if not values:
            return math.nan, math.nan, ""
        return min(values), max(values), self.site.id

    @cached_property
    def cleanest(self) -> float:
        """The smallest intensity of a country's grid."""
        rows = (
            row.facts.value("location_gross") for name, row in self.catalog.sites.items() if name.startswith("country/")
        )
        return min(value for value in rows if value > 0)

    @cached_property
    def prices(self) -> tuple[float, float, int, Sequence[str]] | None:
        """Cheapest and dearest price of a device-second, of how many providers, and of which years."""
        if self.accelerator is None or not {"money", "price"} & set(self.claim.numbers):
            return None
        offers = [row for row in self.catalog.offers if row.accelerator == self.accelerator.id]
        found = [
            (price.usd_per_hour / row.devices / HOUR_S, price.date[:4])
            for row in offers
            for how, price in row.prices.items()
            if how not in row.quarantine
        ]
        if not found:
            return None
        years = sorted({year for _, year in found if year})
        values = [value for value, _ in found]
        return min(values), max(values), len({row.provider for row in offers}), years


def _near(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f" (nearest: {', '.join(near)})" if near else ""
