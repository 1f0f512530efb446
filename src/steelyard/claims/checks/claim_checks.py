"""Everything that is looked at in one claim; each check shows its arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from steelyard.claims.accounts.waterfall import ACCOUNTING, MS, written
from steelyard.claims.checks import repeats
from steelyard.claims.checks.bounds import bounds, usual
from steelyard.claims.checks.relations import Relation, relations
from steelyard.claims.checks.slips import BOUNDARY, COPIED, CORES, KIND, SCOPE, TDP, UNITS
from steelyard.claims.checks.suspects import Found, locate, spelt, words
from steelyard.claims.context import Facts
from steelyard.claims.findings import CONTRADICTION, SILENT, Check, Factor
from steelyard.claims.quantity_text import say

NAMED = {
    UNITS: "pounds, short tons, prefixes, megajoules, hours for days, decimal points",
    BOUNDARY: "the PUE applied twice, left out or divided by",
    CORES: "cores, dies or hosts counted as devices",
    KIND: "a net intensity for a gross one",
    COPIED: "the total of another row",
}
"""Checks of a slip, and what they look for."""


def checks(facts: Facts) -> Iterator[Check]:
    """Yield every check that the claim's numbers allow: arithmetic, bounds, slips, what is printed twice."""
    held = relations(facts.claim, facts.numbers)
    limits = bounds(facts)
    everything = (*held, *limits)
    found = locate(facts, everything, usual(facts))
    explained = {one.suspect.fixes[0]: one for one in found if one.suspect.fixes}
    for relation in held:
        yield replace(_relation(relation, facts, explained.get(relation)), exact=True)
    for relation in _once(limits, facts):
        yield _relation(relation, facts, explained.get(relation))
    yield from _slips(facts, found, looked=bool(held))
    yield from repeats.checks(facts, {one.suspect.quantity for one in found})


def _once(limits: Sequence[Relation], facts: Facts) -> Iterator[Relation]:
    """Yield of two bounds on one number the one that says more: the hard one where it fires, else the narrow one."""
    for limit in limits:
        twins = [one for one in limits if (one.name, one.target, one.terms) == (limit.name, limit.target, limit.terms)]
        hard = [one for one in twins if one.weight >= CONTRADICTION and one.excess(facts.numbers) > 0]
        if limit is (hard or sorted(twins, key=lambda one: one.weight))[0]:
            yield limit


def _relation(relation: Relation, facts: Facts, found: Found | None) -> Check:
    fired = relation.excess(facts.numbers) > 0
    text = relation.arithmetic(facts.numbers)
    return Check(
        name=relation.name,
        fired=fired,
        arithmetic=text,
        weight=relation.weight,
        finding=words(found, facts) if found else (text if fired else ""),
        factor=factor(found) if found else None,
        settle=relation.settle or f"{say_settle(relation)}" if fired else "",
    )


def say_settle(relation: Relation) -> str:
    """Return what would settle a broken relation: its target, as it was metered or logged."""
    known = {
        "energy": "the energy of the run at its meter, and whether it includes the PUE",
        "co2e": "the energy at the meter and the grid intensity it was multiplied by",
        "hours": "the device-hours of the run from the scheduler's log",
        "tokens": "the number of tokens from the training log",
        "money": "the bill",
    }
    return known.get(relation.name, f"the {relation.target.replace('_', ' ')} as logged")


def factor(found: Found) -> Factor:
    """Return what the claim has to be divided by to agree with itself."""
    one = found.suspect
    name = one.slip.factor if one.slip and one.slip.factor else one.quantity
    name = SCOPE if found.check == SCOPE else name
    note = one.slip.words if one.slip else f"{one.quantity}, the figure of {one.copied}" if one.copied else one.quantity
    return Factor(written(name), MS.get(name, ACCOUNTING), one.ratio, note=note)


def _slips(facts: Facts, found: list[Found], *, looked: bool) -> Iterator[Check]:
    """Yield the checks of known slips: fired where one was found, silent where the arithmetic was looked at."""
    fired = {one.check: one for one in found if one.check}
    for name, one in fired.items():
        slip = one.suspect
        numbers = f"{say(slip.quantity, facts.numbers[slip.quantity].value)} / {slip.ratio:.4g}"
        fits = say(slip.quantity, facts.numbers[slip.quantity].value / slip.ratio)
        weight = max(relation.weight for relation in slip.fixes)
        yield Check(name, fired=True, arithmetic=f"{spelt(slip.quantity)}: {numbers} = {fits}", weight=weight)
    for name, text in NAMED.items():
        if looked and name not in fired and name != COPIED:
            yield Check(name, fired=False, arithmetic=f"nothing to explain by {text}", weight=SILENT)
    if facts.claim.beside and COPIED not in fired:
        yield Check(COPIED, fired=False, arithmetic=f"nothing to explain by {NAMED[COPIED]}", weight=SILENT)


__all__ = ["CONTRADICTION", "TDP", "checks", "factor"]
