"""Claims of training runs taken apart: read, decomposed, checked, judged.

read(file or mapping) -> Claim            what a paper, card, blog or bill states, in SI with its rounding
audited(claim, against=None) -> Audit     factors, checks, verdict, estimate
mapping(audit)                            the same as a plain object, as `--json` prints it
casebook.case(name) -> Case                   a published claim with its sources, and what must come out
"""

from steelyard.claims import casebook
from steelyard.claims.findings import Audit, Check, Factor, mapping
from steelyard.claims.judge import audited
from steelyard.claims.reading.claim import Claim
from steelyard.claims.reading.files import read

__all__ = ["Audit", "Check", "Claim", "Factor", "audited", "casebook", "mapping", "read"]
