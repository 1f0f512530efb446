"""Everything that is looked at in one claim; each check shows its arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from steelyard.claims.accounts.waterfall import ACCOUNTING, MS, field_name
from steelyard.claims.checks.bounds import claim_bounds
from steelyard.claims.checks.device_checks import device_checks
from steelyard.claims.checks.relations import Relation, relations
from steelyard.claims.checks.repeats import repeat_checks
from steelyard.claims.checks.slips import BOUNDARY, COPIED, CORES, KIND, SCOPE, TDP, UNITS
from steelyard.claims.checks.suspects import Diagnosis, diagnosis_text, locate, plain_name
from steelyard.claims.checks.usual import usual_relations
from steelyard.claims.checks.zeros import zero_checks
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import CONTRADICTION, SILENT, AuditFactor, Check
from steelyard.claims.quantity_text import quantity_text

_NAMED = {
    UNITS: "pounds, short tons, prefixes, megajoules, hours for days, decimal points",
    BOUNDARY: "the PUE applied twice, left out or divided by",
    CORES: "cores, dies or hosts counted as devices",
    KIND: "a net intensity for a gross one",
    COPIED: "the total of another row",
}
"""Checks of a slip, and what they look for."""


def claim_checks(context: ClaimContext) -> Iterator[Check]:
    """Yield every check that the claim's numbers allow: arithmetic, bounds, slips, what is printed twice."""
    held = relations(context.claim, context.numbers, context.sample_flop)
    limits = claim_bounds(context)
    everything = (*held, *limits)
    found = locate(context, everything, usual_relations(context))
    explained = {one.suspect.fixes[0]: one for one in found if one.suspect.fixes}
    for relation in held:
        yield replace(_relation(relation, context, explained.get(relation)), exact=True)
    for relation in _once(limits, context):
        yield _relation(relation, context, explained.get(relation))
    yield from zero_checks(context)
    yield from _slips(context, found, looked=bool(held))
    yield from repeat_checks(context, {one.suspect.quantity for one in found})
    yield from device_checks(context)


def _once(limits: Sequence[Relation], context: ClaimContext) -> Iterator[Relation]:
    """Yield of two bounds on one number the one that says more: the hard one where it fires, else the narrow one."""
    for limit in limits:
        twins = [one for one in limits if (one.name, one.target, one.terms) == (limit.name, limit.target, limit.terms)]
        hard = [one for one in twins if one.weight >= CONTRADICTION and one.excess(context.numbers) > 0]
        if limit is (hard or sorted(twins, key=lambda one: one.weight))[0]:
            yield limit


def _relation(relation: Relation, context: ClaimContext, found: Diagnosis | None) -> Check:
    fired = relation.excess(context.numbers) > 0
    text = relation.arithmetic(context.numbers)
    return Check(
        name=relation.name,
        fired=fired,
        arithmetic=text,
        weight=relation.weight,
        finding=diagnosis_text(found, context) if found else (text if fired else ""),
        factor=correction_factor(found) if found else None,
        settle=relation.settle or f"{settling_figure(relation)}" if fired else "",
    )


def settling_figure(relation: Relation) -> str:
    """Return what would settle a broken relation: its target, as it was metered or logged."""
    known = {
        "energy": "the energy of the run at its meter, and whether it includes the PUE",
        "co2e": "the energy at the meter and the grid intensity it was multiplied by",
        "hours": "the device-hours of the run from the scheduler's log",
        "tokens": "the number of tokens from the training log",
        "samples": "the number of samples from the training log",
        "money": "the bill",
    }
    return known.get(relation.name, f"the {relation.target.replace('_', ' ')} as logged")


def correction_factor(found: Diagnosis) -> AuditFactor:
    """Return what the claim has to be divided by to agree with itself."""
    one = found.suspect
    name = one.slip.factor if one.slip and one.slip.factor else one.quantity
    name = SCOPE if found.check == SCOPE else name
    note = one.slip.text if one.slip else f"{one.quantity}, the figure of {one.copied}" if one.copied else one.quantity
    return AuditFactor(field_name(name), MS.get(name, ACCOUNTING), one.ratio, note=note)


def _slips(context: ClaimContext, found: list[Diagnosis], *, looked: bool) -> Iterator[Check]:
    """Yield the checks of known slips: fired where one was found, silent where the arithmetic was looked at."""
    fired = {one.check: one for one in found if one.check}
    for name, one in fired.items():
        slip = one.suspect
        numbers = f"{quantity_text(slip.quantity, context.numbers[slip.quantity].value)} / {slip.ratio:.4g}"
        fits = quantity_text(slip.quantity, context.numbers[slip.quantity].value / slip.ratio)
        weight = max(relation.weight for relation in slip.fixes)
        yield Check(name, fired=True, arithmetic=f"{plain_name(slip.quantity)}: {numbers} = {fits}", weight=weight)
    for name, text in _NAMED.items():
        if looked and name not in fired and name != COPIED:
            yield Check(name, fired=False, arithmetic=f"nothing to explain by {text}", weight=SILENT)
    if context.claim.beside and COPIED not in fired:
        yield Check(COPIED, fired=False, arithmetic=f"nothing to explain by {_NAMED[COPIED]}", weight=SILENT)


__all__ = ["CONTRADICTION", "TDP", "claim_checks", "correction_factor"]
