"""A stack's recipe by itself: what fits add (buckets, contexts, reserves) is taken off, tensors remain."""

import math
from dataclasses import replace
from typing import Any

from tests.shapes import filled, gpt, layout, pretraining

from steelyard.catalog import stack
from steelyard.job.kept.recipes import partial_recipe
from steelyard.step import memory, stage_job
from steelyard.tables import Job, Machine, Stack, StepMemory

MODEL = gpt(24, 4096, 32, 50_000, dropout=0.0)
PARAMS = MODEL.total_params
ROOM = filled(Machine, memory_bytes=1e60, context_bytes=math.nan)
NOTHING = {"workspace_bytes": 0.0, "communicator_bytes": 0.0, "context_bytes": 0.0, "reserved_scale": 1.0}


def bare(name: str, precision: str = "any", **entries: float) -> Stack:
    """Return a stack of the catalog of which only its documented recipe counts, but for the entries given."""
    return replace(stack(name, precision=precision), **(NOTHING | entries))


def short(batch: float = 1.0, **changes: Any) -> Job:
    """Return a job of one token a sample, so that states are all that counts."""
    recipe = partial_recipe(**changes.pop("recipe", {}))
    return pretraining(MODEL, 1.0, batch, recipe=recipe, **changes)


def held(job: Job, name: str | Stack, **laid: Any) -> StepMemory:
    """Return what one rank holds of a job under a stack."""
    tool = bare(name) if isinstance(name, str) else name
    return memory(stage_job(job, layout(job, **laid)), ROOM, tool)


def a_parameter(job: Job, name: str | Stack, **laid: Any) -> float:
    """Return the bytes that one rank holds at its peak of each parameter of the model."""
    return float(held(job, name, **laid).allocated_bytes) / float(PARAMS)
