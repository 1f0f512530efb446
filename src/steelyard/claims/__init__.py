"""Claims of training runs taken apart: read, decomposed, checked, judged.

read_claim(file or mapping) -> Claim           what a paper, card, blog or bill states, in SI with its rounding
audit_claim(claim, against=None) -> Audit      factors, checks, verdict, estimate
audit_json(audit)                              the same as a plain object, as `--json` prints it
casebook.case_named(name) -> Case              a published claim with its sources, and what must come out
"""

from steelyard.claims import casebook
from steelyard.claims.findings import Audit, AuditFactor, Check, audit_json
from steelyard.claims.judge import audit_claim
from steelyard.claims.reading.claim import Claim
from steelyard.claims.reading.files import read_claim

__all__ = ["Audit", "AuditFactor", "Check", "Claim", "audit_claim", "audit_json", "casebook", "read_claim"]
