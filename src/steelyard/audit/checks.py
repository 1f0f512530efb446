"""Everything that is looked at in one claim; each check shows its arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass

from steelyard.audit.claim import Claim
from steelyard.audit.relations import relations
from steelyard.audit.result import CONTRADICTION, Check


@dataclass(frozen=True, slots=True)
class Facts:
    """A claim with what the catalog and the predictor know of it."""

    claim: Claim
    beside: Claim | None = None  # the claim that this account is held against


def checks(facts: Facts) -> Iterator[Check]:
    """Yield every check that the claim's numbers allow."""
    for one in relations(facts.claim):
        broken = one.excess(facts.claim.numbers) > 0
        yield Check(one.name, broken, one.arithmetic(facts.claim.numbers), CONTRADICTION)
