"""Whether an audit of a case says what it must."""

import math

from steelyard.claims import Audit
from steelyard.claims.casebook import Case

CLOSE = 0.01


def wrong(case: Case, found: Audit) -> list[str]:
    """Return in what an audit of a case is not what it must be; nothing: it is right."""
    expect, faults = case.expect, list[str]()
    if found.verdict != expect["verdict"]:
        faults.append(f"verdict {found.verdict}, not {expect['verdict']}")
    if "ratio" in expect and not math.isclose(found.ratio, float(expect["ratio"]), rel_tol=CLOSE):
        faults.append(f"ratio {found.ratio:.4g}, not {expect['ratio']}")
    factors = {factor.name: factor.value for factor in found.factors}
    for name, value in (expect.get("factors") or {}).items():
        if not math.isclose(factors.get(name, math.nan), float(value), rel_tol=CLOSE):
            faults.append(f"factor {name} {factors.get(name)}, not {value}")
    fired = {check.name for check in found.fired}
    faults += [f"{name} did not fire" for name in expect.get("fired") or () if name not in fired]
    return faults + ([f"fired on an honest claim: {sorted(fired)}"] if case.honest and fired else [])
