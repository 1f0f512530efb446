"""Steelyard plans, meters and audits AI training: time, memory, money, energy and carbon on one beam.

>>> import steelyard
>>> job = steelyard.read_job("llama-3-8b", tokens="20B", accelerators="H100", regions="aws/us-east-1")
>>> [point.label for point in steelyard.plan(job).points]
['cheapest', 'fastest', ...]
>>> steelyard.estimate(job, "H100", 64, "tp=2,pp=1,dp=32,mbs=2,zero=1").devices
64
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.errors import Infeasible, SteelyardError
    from steelyard.evidence.score.validation import validate
    from steelyard.job import JobSpec, read_job
    from steelyard.planner import Plan, Point, estimate, plan

__version__ = "0.1.0"

_FACE = {
    "Infeasible": "errors",
    "JobSpec": "job",
    "Plan": "planner",
    "Point": "planner",
    "SteelyardError": "errors",
    "estimate": "planner",
    "plan": "planner",
    "read_job": "job",
    "validate": "evidence.score.validation",
}

__all__ = [
    "Infeasible",
    "JobSpec",
    "Plan",
    "Point",
    "SteelyardError",
    "__version__",
    "estimate",
    "plan",
    "read_job",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import steelyard` stays instant."""
    if name not in _FACE:
        message = f"module 'steelyard' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"steelyard.{_FACE[name]}"), name)
