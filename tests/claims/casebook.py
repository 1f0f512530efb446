"""Write docs/cases.md from the case book: every claim audited anew, its verdict, the factor named: `make docs`."""

from collections.abc import Iterator

from tests.claims.right import wrong

from steelyard.claims import Audit, audit_claim, casebook
from steelyard.claims.casebook import Case
from steelyard.claims.findings import AuditFactor

HEAD = """# The case book

Written from the case book by `make docs`; a test audits every case anew and fails when this page is not what comes out.
`steelyard audit NAME` shows one with all its arithmetic, `steelyard disclose NAME` what should have been written.

An audit never accuses. It shows which numbers of a claim do not hold together, by which factor, and what would
settle it.
"""


def page() -> str:
    """Return the page."""
    cases = [casebook.case_named(name) for name in casebook.case_names()]
    found = {case.name: audit_claim(case.claim, case.against) for case in cases}
    doubted, honest = [one for one in cases if not one.honest], [one for one in cases if one.honest]
    right = sum(not wrong(case, found[case.name]) for case in cases)
    alarms = sum(bool(found[case.name].fired) for case in honest)
    parts = [
        HEAD,
        f"{right} of {len(cases)} cases come out right; {alarms} of {len(honest)} honest claims raise anything.\n",
    ]
    parts += ["## Claims that do not hold\n", "| case | verdict | times too large | named |", "|---|---|---|---|"]
    parts += [_row(case, found[case.name]) for case in doubted]
    parts += ["", "## Claims that hold\n", "| case | claim | verdict |", "|---|---|---|"]
    parts += [f"| {case.name} | {case.claim.title} | {found[case.name].verdict} |" for case in honest]
    parts += ["", "## What happened\n"]
    for case in doubted:
        parts += _story(case, found[case.name])
    parts += ["## Sources of the claims that hold\n"]
    parts += [f"- {case.name}: {'; '.join(case.sources)} (read {case.checked})" for case in honest]
    return "\n".join(parts) + "\n"


def _row(case: Case, found: Audit) -> str:
    ratio = f"{found.ratio:.4g}" if found.factors else ""
    return f"| [{case.name}](#{case.name.replace('.', '')}) | {found.verdict} | {ratio} | {_named(found)} |"


def _named(found: Audit) -> str:
    """Return the factors that were named, else the checks that fired."""
    factors = [factor for factor in found.factors if abs(factor.value - 1) > 1e-3]
    if factors:
        return ", ".join(_factor(factor) for factor in factors)
    return ", ".join(dict.fromkeys(check.name for check in found.fired))


def _factor(factor: AuditFactor) -> str:
    return f"{factor.name} x{factor.value:.4g}"


def _story(case: Case, found: Audit) -> Iterator[str]:
    yield f"### {case.name}\n"
    yield f"{case.story}\n"
    yield from (f"- {reason}" for reason in found.reasons)
    yield f"- sources: {'; '.join(case.sources)} (read {case.checked})\n"


if __name__ == "__main__":
    print(page(), end="")
