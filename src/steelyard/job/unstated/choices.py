"""Which settings of a training a job leaves open."""

from collections.abc import Mapping
from types import MappingProxyType

from steelyard.job.degrees import parse_degrees
from steelyard.job.fields import FIELD_ALIASES
from steelyard.job.job_spec import JobSpec
from steelyard.job.training import ADAPTERS
from steelyard.job.unstated.taken import OPEN_SETTINGS

_LAID: Mapping[str, str] = MappingProxyType(
    {
        "recompute": "recompute",
        "attention": "flash",
        "micro-batch": "micro_batch",
        "offload": "offload",
        "sharding": "zero",
        "sequence parallelism": "sp",
        "interleaving": "vpp",
    }
)
"""Settings that a layout states, and its field."""


def unstated_settings(spec: JobSpec, layout: str = "") -> tuple[str, ...]:
    """Return what a job leaves open, as `taken.OPEN_SETTINGS` calls it; its precision, which it has in words, apart.

    Args:
        spec: the job.
        layout: settings that are given beside it, as a layout is written.

    >>> from steelyard.job.read import read_job
    >>> given = {"model": "llama-3-8b", "tokens": "1B", "stack": "fsdp2", "precision": "bf16", "layout": "tp=2"}
    >>> unstated_settings(read_job(given), "zero=3,mbs=1,flash=1,vpp=1,recompute=full")
    ('offload', 'loss', 'sequence parallelism')
    """
    laid = {*spec.layout, *(parse_degrees(layout) if layout.strip() else ())}
    given = {FIELD_ALIASES.get(str(name), str(name)) for name, value in spec.given.items() if value is not None}
    stated = {name for name, field in _LAID.items() if field in laid}
    stated |= {"stack"} if spec.stack else set()
    stated |= {"loss"} if spec.loss else set()
    stated |= {"states"} if "precision" in given or spec.task in ADAPTERS else set()
    return tuple(name for name in OPEN_SETTINGS if name not in stated | {"precision"})
