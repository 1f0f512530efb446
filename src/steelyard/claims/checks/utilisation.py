"""What tokens or samples, device-hours, rates and a stated utilisation make of the devices' dense peak.

The work of a token is 6 FLOPs an active parameter, more with attention. That of a sample is what the catalog's rows of
its model hold, forward and backward; a multiply-add is 2.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from steelyard.claims.checks.relations import Relation, Show, hours_terms
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import DOUBT
from steelyard.claims.models import samples_terms
from steelyard.claims.prediction import ClaimPrediction
from steelyard.claims.reading.claim import ClaimNumbers

SLOW = 6.0
"""How far below the least predicted utilisation a run may lie before it looks like more than one run."""

FAST = 1.15
"""How far above the largest predicted utilisation a run may lie."""

ATTENTION = 1.35
"""FLOPs of a token with attention over 6 a parameter, at most, where the model's shape is not known."""

DOWN = 1.25
"""A steady utilisation over that of the whole run with its stops."""

Terms = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ClaimWork:
    """What a claim states of its work: the FLOPs are a constant times a product of stated numbers."""

    flop: float
    amount: Terms  # of the whole run
    rates: tuple[Terms, ...]  # of one device and second: each a way to state it, the stated number first
    most: float  # FLOPs with attention over those counted, at most
    text: str  # the FLOPs in words
    convention: str  # what a stated MFU counts


def claim_work(context: ClaimContext) -> ClaimWork:
    """Return the work of a claim: samples where its model takes them, else tokens.

    >>> from steelyard.claims.reading.files import read_claim
    >>> claim_work(ClaimContext(read_claim({"model": "resnet-50", "epochs": 90, "examples": 1281167}))).amount
    (('examples', 1.0), ('epochs', 1.0))
    """
    if context.sample_flop is None:
        amount = (("active_parameters", 1.0), ("tokens", 1.0))
        rate = (("throughput_per_device", 1.0), ("active_parameters", 1.0))
        return ClaimWork(6.0, amount, (rate,), context.attention_share or ATTENTION, "6 x parameters x tokens",
                         "MFU counts 6 FLOPs a parameter and token, more with attention")  # fmt: skip
    each, total = "samples_per_second_per_device", "samples_per_second"
    rates = ((each, 1.0),), ((total, 1.0), ("count", -1.0))
    flop = context.sample_flop
    text = f"{flop / 1e9:.4g} GFLOP x {context.sample}s"
    convention = f"MFU counts {flop / 1e9:.4g} GFLOP for each {context.sample}, forward and backward"
    return ClaimWork(flop, samples_terms(context.claim), rates[:1] if each in context.numbers else rates, 1.0, text,
                     convention)  # fmt: skip


def utilisation_bounds(context: ClaimContext) -> Iterator[Relation]:
    """Yield the utilisation that the work and device-hours, or a rate, imply."""
    peak = context.peak
    if peak is None:
        return
    work = claim_work(context)
    yield Relation("utilisation", "utilisation", low=0.0, says="no run exceeds the dense peak", show=None)
    (first, _), *more = hours_terms(context.claim)
    whole = tuple((name, -power) for name, power in more)
    settle = f"the device-hours and the {'samples' if context.sample else 'tokens'} of the final run alone"
    if work.amount:
        base = Relation("mfu", first, (*work.amount, *whole), constant=work.flop / peak, settle=settle)
        yield from _banded(base, context, work, inverse=True)
    for (rate, _), *others in work.rates:
        terms = tuple((name, -power) for name, power in others)
        yield from _banded(Relation("mfu", rate, terms, constant=peak / work.flop, settle=settle), context, work,
                           inverse=False)  # fmt: skip
    yield from _stated(context, work, peak, (first, whole))


def _stated(context: ClaimContext, work: ClaimWork, peak: float, hours: tuple[str, Terms]) -> Iterator[Relation]:
    """Yield the stated utilisation beside what the work, a rate or the speed make of it."""
    first, whole = hours
    base = Relation("utilisation", "utilisation", (), work.flop / peak, center=1.0, says=work.convention,
                    show=_mfu_words(context))  # fmt: skip
    if work.amount and all(name in context.numbers for name, _ in work.amount):
        terms = (*work.amount, (first, -1.0), *whole)
        yield replace(base, terms=terms, low=0.85, high=DOWN * work.most, settle="how the MFU was counted")
    how = f"how the MFU was counted: the peak and the FLOPs of a {'sample' if context.sample else 'token'}"
    for terms in work.rates:
        yield replace(base, terms=terms, low=0.9, high=1.1 * work.most, settle=how)
    yield Relation("utilisation", "speed", (("utilisation", 1.0),), peak, 0.9, 1.1, settle="how the MFU was counted")


def _banded(base: Relation, context: ClaimContext, work: ClaimWork, *, inverse: bool) -> Iterator[Relation]:
    """Yield what cannot be (more than the peak) and what the predictor thinks unlikely."""
    top = context.top
    likely = context.prediction.mfu if isinstance(context.prediction, ClaimPrediction) else None
    range_text = f"; predicted {100 * likely[0]:.0f} % ({100 * likely[1]:.0f}–{100 * likely[2]:.0f})" if likely else ""

    def show(_numbers: ClaimNumbers, ratio: float) -> str:
        share = 1 / ratio if inverse else ratio
        implied = f"{work.text} over device-seconds x peak = {100 * share:.1f} % of {context.peak_text}"
        return f"{implied}{range_text}"

    def band(low: float, high: float) -> tuple[float, float]:
        return (1 / high, 1 / low if low else math.inf) if inverse else (low, high)

    center = (1 / likely[0] if inverse else likely[0]) if likely else None
    low, high = band(0.0, top)
    yield replace(base, low=low, high=high, show=show, center=center)
    if likely:
        low, high = band(likely[1] / SLOW, min(likely[2] * FAST, top))
        yield replace(base, low=low, high=high, show=show, weight=DOUBT, center=center)


def _mfu_words(context: ClaimContext) -> Show:
    def show(numbers: ClaimNumbers, ratio: float) -> str:
        stated = numbers["utilisation"].value
        more = context.attention_share
        upto = f" (6N) to {100 * stated / ratio * more:.0f} % (with attention)" if more else " (6N)"
        speed = f"what is stated of speed is {100 * stated / ratio:.0f} %{'' if context.sample else upto} of "
        return f"{speed}{context.peak_text}; stated {100 * stated:.3g} %"

    return show
