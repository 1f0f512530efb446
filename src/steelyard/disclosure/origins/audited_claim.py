"""From an audited claim to the disclosure that would have been right.

Held against another account, it is that account's. Alone, numbers that the audit found wrong are corrected, and said
to be; what the audit could not correct stays as stated, with its doubt beside it; what was not stated is estimated or
unknown.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from steelyard.claims import audit_claim, audit_json
from steelyard.claims.accounts.account import Account, complete_account
from steelyard.claims.accounts.waterfall import waterfall_steps
from steelyard.claims.checks.bounds import claim_bounds
from steelyard.claims.checks.relations import relations
from steelyard.claims.checks.slips import SLIP_TOTALS
from steelyard.claims.checks.suspects import corrected, locate
from steelyard.claims.checks.usual import usual_relations
from steelyard.claims.context import ClaimContext
from steelyard.claims.estimates import estimate_unstated
from steelyard.claims.findings import Audit, ClaimEstimate, FactorChain
from steelyard.claims.models import samples_trained
from steelyard.claims.reading.claim import Claim, ClaimRow
from steelyard.claims.reading.hardware import ClaimHardware
from steelyard.disclosure.completion import Lookup, complete_line
from steelyard.disclosure.ledger import CLAIM_FIGURES, SHORT_KINDS, Cited, Disclosure, LedgerFigure, Line
from steelyard.disclosure.origins.model import sample_named, with_model_figures
from steelyard.formatting.encode import plain
from steelyard.vocabulary import hyphenated

_NAMES = MappingProxyType({**CLAIM_FIGURES, "energy_facility": "facility_j"})
_KINDS = MappingProxyType({hyphenated(kind): f"{short}_kg" for kind, short in SHORT_KINDS.items()})
_ESTIMATED = MappingProxyType(
    {"device_time": "device_s", "wall": "wall_s", "power": "it_w", "energy": "facility_j", "co2e": "gross_kg",
     "money": "usd"}
)  # fmt: skip

_SAME = 1e-9
MOVED = 1e-3
_BARE = "the energy of the devices x PUE: their hosts are not in it"


def disclosure_of_claim(claim: Claim, against: Claim | None = None, sources: tuple[str, ...] = ()) -> Disclosure:
    """Return the disclosure of a claim, corrected where the audit corrects it.

    >>> from steelyard.claims import casebook
    >>> case = casebook.case_named("olmo-2-13b-230mwh")
    >>> made = disclosure_of_claim(case.claim)
    >>> round(made.total("facility_j").value / 3.6e9), made.total("facility_j").how
    (288, 'corrected')
    """
    found = audit_claim(claim, against)
    right, wrong = (against, {}) if against is not None else _corrected(claim)
    facts = ClaimContext(right)
    base = complete_account(right)
    known = Lookup(facts.catalog, facts.site, facts.accelerator, right.precision)
    numbers = dict(_figures(base, right, wrong))
    if facts.sample and "samples" not in numbers and (samples := samples_trained(right)) is not None:
        numbers["samples"] = LedgerFigure(samples, how="follows", why="passes over the set, or steps x batch")
    numbers |= {
        name: one for name, one in _estimates(estimate_unstated(facts)) if not numbers.get(name, LedgerFigure()).known
    }
    main = with_model_figures(Line(_scope(right), right.title, MappingProxyType(numbers)), right.model)
    lines = tuple(with_model_figures(complete_line(line, known), right.model) for line in (_lines(right, main)))
    gear, site = right.hardware, facts.site
    return Disclosure(
        title=right.name,
        basis="audited",
        model=right.model,
        hardware=hardware_text(gear, lines[0]),
        accelerator=gear.accelerator.id if gear and gear.accelerator else "",
        place=site.id if site else right.place,
        location=f"{site.location} ({site.id})" if site else right.place,
        task="fine-tuning" if right.scope == "fine-tuning" else "training",
        precision=right.precision,
        sample=sample_named(right.model, lines[0]),
        meter=_meter(right),
        date=right.date,
        lines=lines,
        sources=tuple(_cited(claim, against, sources, known)),
        notes=tuple(_notes(found, claim, right, wrong)),
        audit=plain(
            audit_json(replace(found, chain=found.chain or _flow(found, claim, right, wrong)) if wrong else found)
        ),
    )


def _corrected(claim: Claim) -> tuple[Claim, Mapping[str, float]]:
    """Return the claim with the numbers that the audit locates set right, and by how much each was off."""
    facts = ClaimContext(claim)
    everything = (*relations(claim, facts.numbers, facts.sample_flop), *claim_bounds(facts))
    numbers, wrong = facts.numbers, dict[str, float]()
    for one in locate(facts, everything, usual_relations(facts)):
        suspect = one.suspect
        if suspect.quantity not in claim.numbers:
            continue
        names = (suspect.quantity, *suspect.along)
        numbers = corrected(numbers, names, suspect.ratio)
        wrong |= {name: wrong.get(name, 1.0) * suspect.ratio for name in names}
    kept = {name: one for name, one in numbers.items() if name in claim.numbers}
    return replace(claim, numbers=MappingProxyType(kept)), wrong


def _flow(found: Audit, claim: Claim, right: Claim, wrong: Mapping[str, float]) -> FactorChain | None:
    """Return the waterfall from a claim's total to its correction; None where the named factors are not all of it."""
    total = next((name for name in (*SLIP_TOTALS, *wrong) if name in wrong), None)
    first, last = (one.value(total) if total else None for one in (claim, right))
    if not total or not first or not last:
        return None
    whole = math.prod(factor.value for factor in found.factors)
    if not math.isclose(whole, first / last, rel_tol=MOVED):
        return None
    return FactorChain(total, first, last, found.factors, tuple(waterfall_steps(first, last, list(found.factors))))


def _scope(claim: Claim) -> str:
    return claim.scope if claim.scope in {"fine-tuning", "search", "development", "inference", "idle"} else "training"


def _figures(base: Account, claim: Claim, wrong: Mapping[str, float]) -> Iterator[tuple[str, LedgerFigure]]:
    """Yield the figures of an account: as stated, as corrected, or as they follow."""
    bare = claim.energy_boundary == "accelerator"
    names = dict(_NAMES)
    names["energy_it"] = "accelerator_j" if bare else "it_j"
    names["power"] = "accelerator_w" if bare or claim.power_boundary == "accelerator" else "it_w"
    names["co2e"] = _KINDS.get(claim.co2e_kind, "gross_kg")
    within = claim.co2e_boundary in {"accelerator", "it"}
    if within:  # CO2e without the PUE says nothing of the facility
        names = {name: one for name, one in names.items() if name in claim.numbers or name != "energy_facility"}
        names = {name: one for name, one in names.items() if name in claim.numbers or name != "pue"}
    for quantity, name in names.items():
        one = base.zeros.get(quantity) or base.known.get(quantity)
        if one is None:
            continue
        origin = "energy" if quantity.startswith("energy") else quantity
        given = origin in claim.numbers
        how = "corrected" if origin in wrong else "stated" if given and one.text else "follows"
        why = f"stated {wrong[origin]:.4g} times as much" if origin in wrong else one.text
        if how == "stated" and not math.isclose(one.value, claim.numbers[origin].value, rel_tol=_SAME):
            how, why = "follows", f"stated {one.text}; its parts are printed with more digits"
        why = f"{why}, without the PUE" if within and quantity == "co2e" else why
        if not given and bare and name == "facility_j":
            why = _BARE
        yield name, LedgerFigure(one.value, how=how, why=why)


def _estimates(found: ClaimEstimate) -> Iterator[tuple[str, LedgerFigure]]:
    for one in found.ranges:
        if one.quantity in _ESTIMATED:
            yield _ESTIMATED[one.quantity], LedgerFigure(one.value, one.low, one.high, "estimated", one.rests_on)


def _lines(claim: Claim, main: Line) -> Iterator[Line]:
    """Yield the lines of a total, each with what it states; else the claim itself."""
    if not claim.parts:
        yield main
        return
    making = [part for part in claim.parts if part.scope == "embodied"]
    rest = [part for part in claim.parts if part.scope != "embodied"]
    if not rest:
        yield main
        return
    shared = {name: one for name, one in main.numbers.items() if name in {"devices", "parameters", "active_parameters"}}
    for index, part in enumerate(rest):
        numbers = shared | dict(_row(part))
        if index == 0 and making:
            kilos = sum(part.value("co2e") or 0.0 for part in making)
            numbers["embodied_kg"] = LedgerFigure(kilos, how="stated", why=", ".join(part.name for part in making))
        yield Line(part.scope or "training", part.name, MappingProxyType(numbers))


def _row(part: ClaimRow) -> Iterator[tuple[str, LedgerFigure]]:
    for quantity, one in part.numbers.items():
        name = {"co2e": "gross_kg", "energy": "facility_j"}.get(quantity, _NAMES.get(quantity))
        if name:
            yield name, LedgerFigure(one.value, how="stated", why=one.text)


def hardware_text(gear: ClaimHardware | None, line: Line) -> str:
    """Return the hardware as written, with its count where that is stated apart."""
    if gear is None:
        return ""
    devices = line.of("devices")
    return f"{devices.value:,.0f} x {gear.text}" if gear.devices is None and devices.known else gear.text


def _meter(claim: Claim) -> str:
    kind = {"measured": "power measured", "tdp": "power taken as the TDP", "assumed": "power assumed"}.get(
        claim.power_kind, ""
    )
    return ", ".join(filter(None, (f"as stated by {claim.source}" if claim.source else "as stated", kind)))


def _notes(found: Audit, claim: Claim, right: Claim, wrong: Mapping[str, float]) -> Iterator[str]:
    """Yield the verdict, what was corrected and what stays in doubt."""
    yield f"audit of {claim.name}: {found.verdict}"
    if right is not claim and not wrong and right.source:
        yield f"the figures are those of {right.name}, {right.source}"
    for name, ratio in wrong.items():
        yield f"{name.replace('_', ' ')} corrected: it was stated {ratio:.4g} times as large"
    yield from found.reasons
    if found.settle:
        yield f"what would settle it: {found.settle}"
    if right.scope == "life-cycle":
        yield "the total is of a life cycle, not of training alone"


def _cited(claim: Claim, against: Claim | None, sources: tuple[str, ...], known: Lookup) -> Iterator[Cited]:
    """Yield where the accounts were published, what the case book read, and the catalog's sources."""
    seen = set[str]()
    for one in filter(None, (claim, against)):
        if one.source and one.source not in seen:
            seen.add(one.source)
            yield Cited("", one.title, one.source, one.date)
    for text in sources:
        if text not in seen:
            yield Cited("", "", text)
    for key in known.used:
        if (row := known.catalog.sources.get(key)) is not None:
            yield Cited(row.id, row.what, row.locator, row.version, row.checked)
