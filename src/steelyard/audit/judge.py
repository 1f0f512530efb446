"""The audit of one claim: checks, factors, a verdict with its reasons, and what would settle it."""

import math
from types import MappingProxyType

from steelyard.audit.account import account
from steelyard.audit.checks import Facts, checks
from steelyard.audit.claim import Claim
from steelyard.audit.decompose import chain
from steelyard.audit.result import CONTRADICTION, DOUBT, NOTE, Audit, Chain, Check, Factor

AGREE = 1.1
"""Two accounts of one run within it are the same for this purpose."""


def audited(claim: Claim, against: Claim | None = None) -> Audit:
    """Return what an audit of a claim finds, alone or against another account of the same run.

    >>> from steelyard.audit.book import case
    >>> found = audited(case("strubell-nas").claim, case("strubell-nas").against)
    >>> found.verdict, round(found.ratio, 2)
    ('doubtful', 88.24)
    """
    facts = Facts(claim)
    found = list(checks(facts))
    between = None
    if against is not None:
        between = chain(account(claim), account(against))
        found += [_against(between, against), *checks(Facts(against, beside=claim))]
    factors = between.factors if between else tuple(check.factor for check in found if check.fired and check.factor)
    ratio = between.ratio if between else math.prod(factor.value for factor in factors)
    heavy = sorted((one for one in found if one.fired), key=_weight)
    return Audit(
        title=claim.name,
        source=claim.source,
        verdict=verdict(found),
        reasons=tuple(one.finding or one.arithmetic for one in heavy),
        settle=next((one.settle for one in heavy if one.settle), ""),
        ratio=ratio,
        factors=factors,
        checks=tuple(found),
        chain=between,
        notes=claim.notes,
        stated=MappingProxyType({name: one.text for name, one in claim.numbers.items()}),
    )


def verdict(found: list[Check]) -> str:
    """Return what the checks say together.

    What cannot be is impossible; what is hard to believe is doubtful; where nothing fired, totals that follow from
    other numbers are consistent, numbers that only lie where they may are plausible, and fewer are not enough.
    """
    worst = max((one.weight for one in found if one.fired), default=0)
    if worst >= CONTRADICTION:
        return "impossible"
    if worst == DOUBT:
        return "doubtful"
    if worst == NOTE:
        return "plausible"
    if any(one.weight >= CONTRADICTION for one in found):
        return "consistent"
    return "plausible" if found else "not enough stated"


def _against(between: Chain, against: Claim) -> Check:
    ratio = between.ratio
    largest = max(between.factors, key=lambda factor: abs(math.log(factor.value)), default=Factor("none", "", 1.0))
    product = " x ".join(f"{factor.value:.4g}" for factor in between.factors)
    return Check(
        "against",
        not 1 / AGREE <= ratio <= AGREE,
        f"{between.quantity}: {product} = {ratio:.4g}",
        DOUBT,
        f"{ratio:.4g} times what {against.name} states; the largest factor is {largest.name}, x{largest.value:.4g}",
    )


def _weight(one: Check) -> tuple[float, float]:
    return -one.weight, -abs(math.log(one.factor.value)) if one.factor else 0.0
