"""Steelyard plans, meters and audits AI training: time, memory, money, energy and carbon on one beam.

>>> import steelyard
>>> steelyard.__version__
'0.1.0'
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "SteelyardError": "steelyard.errors",
}

__all__ = ["SteelyardError", "__version__"]  # the rest is imported on first use


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import steelyard` stays instant."""
    if name not in _FACE:
        message = f"module 'steelyard' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(_FACE[name]), name)
