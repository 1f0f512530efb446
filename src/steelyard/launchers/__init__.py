"""From a point of a plan to what its stack is started with; what the stack cannot express is listed with the reason.

>>> from steelyard.launchers import launch
>>> made = launch("llama-3-8b", on="H100:64", layout="tp=2,dp=32,zero=1", stack="megatron-core", tokens="20B")
>>> made.writer, [file.name for file in made.files], made.nodes, made.node_devices
('megatron-core', ['launch.sh'], 8, 8)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.launchers.answer import Launch
    from steelyard.launchers.launching import launch
    from steelyard.launchers.output import launch_text, write_files

_FACE = {"Launch": "answer", "launch": "launching", "launch_text": "output", "write_files": "output"}

__all__ = ["Launch", "launch", "launch_text", "write_files"]  # on first use


def __getattr__(name: str) -> Any:
    """Import a public name on first use: the names of writers need no arrays."""
    if name not in _FACE:
        message = f"module 'steelyard.launchers' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"steelyard.launchers.{_FACE[name]}"), name)
