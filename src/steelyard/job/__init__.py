"""Describing a job: models, what people write, job files (Model).

>>> from steelyard.job import job_table, read_job
>>> int(job_table(read_job("gpt2", tokens="10B")).workload.params)
124439808
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.job.job_spec import JobSpec, job_table
    from steelyard.job.models.presets import find_model, model_names
    from steelyard.job.models.spec import ModelSpec
    from steelyard.job.read import read_job, with_overrides

_FACE = {
    "JobSpec": "job_spec",
    "ModelSpec": "models.spec",
    "find_model": "models.presets",
    "model_names": "models.presets",
    "read_job": "read",
    "job_table": "job_spec",
    "with_overrides": "read",
}

__all__ = [
    "JobSpec",
    "ModelSpec",
    "find_model",
    "job_table",
    "model_names",
    "read_job",
    "with_overrides",
]  # on first use


def __getattr__(name: str) -> Any:
    """Import a public name on first use: names of models need neither pydantic nor YAML."""
    if name not in _FACE:
        message = f"module 'steelyard.job' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"steelyard.job.{_FACE[name]}"), name)
