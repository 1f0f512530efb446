"""Steelyard plans, meters and audits AI training: time, memory, money, energy and carbon on one beam.

>>> import steelyard
>>> found = steelyard.plan("llama-3-8b", tokens="20B", accelerators="H100", regions="aws/us-east-1")
>>> [point.label for point in found.points]
['cheapest', 'fastest', ...]
>>> steelyard.estimate("llama-3-8b", "H100:64", layout="tp=2,pp=1,dp=32,mbs=2,zero=1", tokens="20B").devices
64
>>> steelyard.where(found, "fastest").cheapest.site
'aws/us-east-1'

Every verb of the command line is a function. Its answer is a frozen type: fields with their units, `to_dict()`, a line
as `repr`, a table in a notebook.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard import catalog
    from steelyard.claims import Audit
    from steelyard.disclosure import Disclosure
    from steelyard.errors import BadInput, Infeasible, SteelyardError
    from steelyard.evidence.calibration import Calibration
    from steelyard.evidence.score.validation import Validation
    from steelyard.job import JobSpec, read_job
    from steelyard.launchers import Launch, launch
    from steelyard.planner import (
        Estimate,
        Explanation,
        Plan,
        Point,
        WhatIf,
        When,
        Where,
        estimate,
        explain,
        plan,
        what_if,
        when,
        where,
    )
    from steelyard.verbs import audit, calibrate, disclose, validate

__version__ = "0.1.0"

_FACE = {
    **dict.fromkeys(("BadInput", "Infeasible", "SteelyardError"), "errors"),
    **dict.fromkeys(("JobSpec", "read_job"), "job"),
    **dict.fromkeys(("Estimate", "Explanation", "Plan", "Point", "WhatIf", "When", "Where"), "planner"),
    **dict.fromkeys(("estimate", "explain", "plan", "what_if", "when", "where"), "planner"),
    **dict.fromkeys(("audit", "calibrate", "disclose", "validate"), "verbs"),
    "Audit": "claims",
    "Calibration": "evidence.calibration",
    "Disclosure": "disclosure",
    **dict.fromkeys(("Launch", "launch"), "launchers"),
    "Validation": "evidence.score.validation",
}

__all__ = [
    "Audit",
    "BadInput",
    "Calibration",
    "Disclosure",
    "Estimate",
    "Explanation",
    "Infeasible",
    "JobSpec",
    "Launch",
    "Plan",
    "Point",
    "SteelyardError",
    "Validation",
    "WhatIf",
    "When",
    "Where",
    "__version__",
    "audit",
    "calibrate",
    "catalog",
    "disclose",
    "estimate",
    "explain",
    "launch",
    "plan",
    "read_job",
    "validate",
    "what_if",
    "when",
    "where",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import steelyard` stays instant."""
    if name == "catalog":
        return importlib.import_module("steelyard.catalog")
    if name not in _FACE:
        message = f"module 'steelyard' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"steelyard.{_FACE[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, imported or not, and nothing else: what a shell completes."""
    return sorted(__all__)
