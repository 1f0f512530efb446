"""A stated 0 is a statement: what it is a product of must be 0 too, and no ratio says by how much it is not.

0 kg/kWh x 26 kWh = 0 kg; stated 1 t: one of them is wrong
"""

from collections.abc import Iterator

from steelyard.claims.checks.bounds import claim_bounds
from steelyard.claims.checks.relations import Relation, relations
from steelyard.claims.context import ClaimContext
from steelyard.claims.findings import DOUBT, Check
from steelyard.claims.quantity_text import quantity_text
from steelyard.claims.reading.claim import Claim, ClaimNumbers


def zero_checks(context: ClaimContext) -> Iterator[Check]:
    """Yield the products and bounds that hold a stated 0.

    >>> from steelyard.claims.reading.files import read_claim
    >>> claim = read_claim({"energy": "26 kWh", "intensity": "0 kg/kWh", "co2e": "1 t"})
    >>> [(one.name, one.fired, one.arithmetic) for one in zero_checks(ClaimContext(claim))][0]
    ('co2e', True, '26.00 kWh x 0 kg/kWh = 0 kg; stated 1.000 t')
    """
    numbers = context.numbers
    for relation in relations(context.claim, numbers, context.sample_flop, zero=True):
        yield _zero_check(relation, numbers, exact=True)
    seen = set[str]()
    for bound in claim_bounds(context, zero=True):
        found = _zero_check(bound, numbers, exact=False)
        if found.fired and found.name not in seen:
            seen.add(found.name)
            yield found


def zero_cross_checks(claim: Claim, against: Claim) -> Iterator[Check]:
    """Yield the totals that one of two accounts states as 0 and the other does not."""
    for name in ("co2e", "net_co2e", "water"):
        here, there = claim.value(name), against.value(name)
        if here is not None and there is not None and (here == 0) != (there == 0):
            text = f"{quantity_text(name, here)} stated, {quantity_text(name, there)} by {against.name}"
            yield Check(name, True, text, DOUBT, text, settle="what the 0 is of")


def _zero_check(relation: Relation, numbers: ClaimNumbers, *, exact: bool) -> Check:
    stated, computed = numbers[relation.target].value, relation.computed(numbers)
    fired = computed == 0 if stated > 0 else computed > 0 and relation.low > 0
    text = _arithmetic(relation, numbers, computed)
    return Check(
        name=relation.name,
        fired=fired,
        arithmetic=text,
        weight=relation.weight,
        finding=f"{text}: a 0 is stated that the rest contradicts" if fired else "",
        settle=relation.settle or "which of them is metered, and what the 0 is of" if fired else "",
        exact=exact,
    )


def _arithmetic(relation: Relation, numbers: ClaimNumbers, computed: float) -> str:
    if relation.show is not None and computed > 0:
        return relation.show(numbers, relation.ratio(numbers))
    over = " x ".join(quantity_text(name, numbers[name].value) for name, _ in relation.terms)
    band = f" ({relation.says})" if relation.says else ""
    stated = quantity_text(relation.target, numbers[relation.target].value)
    factor = "0 x " if relation.constant == 0 else ""
    return f"{factor}{over} = {quantity_text(relation.target, computed)}{band}; stated {stated}"
