"""Claims of training runs taken apart: read, decomposed, checked, judged.

read(file or mapping) -> Claim            what a paper, card, blog or bill states, in SI with its rounding
audited(claim, against=None) -> Audit     factors, checks, verdict, estimate
mapping(audit)                            the same as a plain object, as `--json` prints it
book.case(name) -> Case                   a published claim with its sources, and what must come out
"""

from steelyard.audit import book
from steelyard.audit.claim import Claim
from steelyard.audit.judge import audited
from steelyard.audit.read import read
from steelyard.audit.result import Audit, Check, Factor, mapping

__all__ = ["Audit", "Check", "Claim", "Factor", "audited", "book", "mapping", "read"]
