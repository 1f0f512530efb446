"""The audit of one claim: checks, factors, a verdict with its reasons, and what would settle it."""

import math
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from steelyard.claims.accounts.account import ROUNDING_SLACK, complete_account
from steelyard.claims.accounts.waterfall import factor_chain
from steelyard.claims.checks.claim_checks import claim_checks
from steelyard.claims.checks.repeats import cross_checks
from steelyard.claims.checks.slips import UNITS, unit_slips
from steelyard.claims.checks.zeros import zero_cross_checks
from steelyard.claims.context import ClaimContext
from steelyard.claims.estimates import estimate_unstated
from steelyard.claims.findings import CONTRADICTION, DOUBT, NOTE, Audit, Check, FactorChain
from steelyard.claims.reading.claim import Claim

_AGREE = 1.1
"""Two accounts of one run within it are the same for this purpose."""


def audit_claim(claim: Claim, against: Claim | None = None) -> Audit:
    """Return what an audit of a claim finds, alone or against another account of the same run.

    >>> from steelyard.claims.casebook import case_named
    >>> found = audit_claim(case_named("strubell-nas").claim, case_named("strubell-nas").against)
    >>> found.verdict, round(found.ratio, 2)
    ('doubtful', 88.24)
    """
    context = ClaimContext(claim)
    found = list(claim_checks(context))
    flow = None
    if against is not None:
        flow = factor_chain(complete_account(claim), complete_account(against))
        found += [*_against(flow, against), *cross_checks(claim, against), *zero_cross_checks(claim, against)]
        found += _other_account_checks(against)
    factors = flow.factors if flow else tuple(check.factor for check in found if check.fired and check.factor)
    ratio = flow.ratio if flow else math.prod(factor.value for factor in factors)
    heavy = sorted((one for one in found if one.fired), key=_weight)
    return Audit(
        title=claim.name,
        source=claim.source,
        verdict=overall_verdict(found),
        reasons=tuple(dict.fromkeys(one.finding for one in heavy if one.finding)),
        settle=next((one.settle for one in heavy if one.settle and one.weight > NOTE), ""),
        ratio=ratio,
        factors=factors,
        checks=tuple(found),
        chain=flow,
        estimate=estimate_unstated(context),
        notes=(*claim.notes, *context.notes),
        stated=MappingProxyType({name: one.text for name, one in claim.numbers.items()}),
    )


def overall_verdict(found: list[Check]) -> str:
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
    if any(one.exact for one in found):
        return "consistent"
    return "plausible" if found else "not enough stated"


def _against(flow: FactorChain, against: Claim) -> Iterator[Check]:
    """Yield the ratio of the two totals, and the slip that a whole ratio is as large as."""
    ratio = flow.ratio
    apart = not 1 / _AGREE <= ratio <= _AGREE
    largest = max(flow.factors, key=lambda factor: abs(math.log(factor.value)))
    product = " x ".join(f"{factor.value:.4g}" for factor in flow.factors)
    text = f"{flow.quantity}: {product} = {ratio:.4g}"
    text_of_ratio = (
        f"{ratio:.4g} times what {against.name} states; the largest factor is {largest.name}, x{largest.value:.4g}"
    )
    settle = "the metered energy of the run and the device-hours it took"
    yield Check(
        "against", apart, text, DOUBT, text_of_ratio if apart else "", settle=settle if apart else "", exact=True
    )
    slip = next((one for one in unit_slips(flow.quantity) if abs(ratio / one.ratio - 1) < ROUNDING_SLACK), None)
    if apart and slip is not None:
        yield Check(UNITS, True, text, DOUBT, f"{ratio:.4g} is as if {slip.text}")


def _other_account_checks(against: Claim) -> list[Check]:
    """Return what the other account's own numbers say, as notes: it is not the one that is audited."""
    found = [
        replace(one, weight=min(one.weight, NOTE), factor=None)
        for one in claim_checks(ClaimContext(against))
        if one.fired
    ]
    named = against.name
    return [replace(one, arithmetic=f"[{named}] {one.arithmetic}",
                    finding=f"[{named}] {one.finding}" if one.finding else "") for one in found]  # fmt: skip


def _weight(one: Check) -> tuple[float, float]:
    return -one.weight, -abs(math.log(one.factor.value)) if one.factor else 0.0
