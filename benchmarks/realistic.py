"""Candidates as a plan sees them: every survivor of memory, of any chip and stack, each with a deal."""

from dataclasses import fields
from typing import Any

import numpy as np

from steelyard import catalog
from steelyard.job import read_job, table
from steelyard.search import inputs
from steelyard.search.candidates import Candidates
from steelyard.search.job import ENGINE
from steelyard.search.world import World
from steelyard.tables import Job, Layout, join, take

MODELS = {"llama-3-8b": "20B", "llama-3-70b": "100B", "mixtral-8x7b": "100B", "deepseek-v3": "1T"}


def job_and_world(model: str) -> tuple[Job, World, Candidates]:
    """Return a job, its world, and its candidates."""
    spec = read_job(model, tokens=MODELS[model])
    job, world = table(spec), inputs.world(spec, catalog.load())
    return job, world, Candidates(job, world, inputs.limits_of(spec, 1024), ENGINE)


def mixed_block(model: str, rows: int) -> tuple[Any, ...]:
    """Return the arguments of `predict` for a block in which chip, stack, deal, site and layout all differ.

    Rows are drawn evenly over everything that fits, so that a block is what a search over the catalog would hold.
    """
    job, world, candidates = job_and_world(model)
    batches = list(candidates.batches())
    names = [field.name for field in fields(Layout)]
    layouts = Layout(*[np.concatenate([getattr(batch.layouts, name) for batch in batches]) for name in names])
    chip = np.concatenate([np.full(batch.layouts.tp.size, batch.chip) for batch in batches])
    tool = np.concatenate([np.full(batch.layouts.tp.size, batch.tool) for batch in batches])
    picked = np.linspace(0, chip.size - 1, rows).astype(int)
    deal_of = {deal.chip: deal for deal in world.deals}
    deals = [deal_of[one] for one in chip[picked]]
    return (
        job,
        take(layouts, picked),
        take(join([one.machine for one in world.chips]), chip[picked]),
        take(join([one.kernels for one in world.chips]), chip[picked]),
        take(join([one.stack for one in world.tools]), tool[picked]),
        take(join(world.policies), np.array([deal.policy for deal in deals])),
        take(join([one.site for one in world.places]), np.array([deal.place for deal in deals])),
        join([deal.price for deal in deals]),
    )
