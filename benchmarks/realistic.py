"""Candidates as a plan sees them: every survivor of memory, of any chip and stack, each with a deal."""

from dataclasses import fields
from typing import Any

import numpy as np

from steelyard import catalog
from steelyard.job import job_table, read_job
from steelyard.layout import size
from steelyard.market import build as inputs
from steelyard.planner.engine import ENGINE, limits_of
from steelyard.search.family import Search, families
from steelyard.search.fitting import fitting
from steelyard.tables import Layout, join, take

MODELS = {
    "llama-3-8b": {"tokens": "20B"},
    "llama-3-70b": {"tokens": "100B"},
    "mixtral-8x7b": {"tokens": "100B"},
    "deepseek-v3": {"tokens": "1T"},
    "vit-l-16": {"samples": "1G"},
    "dit-xl-2": {"samples": "1G"},
    "resnet-50": {"samples": "100M"},
    "resnet-18": {"samples": "100M"},
}


def searched(model: str) -> Search:
    """Return the search of a job over the whole catalog, up to 1,024 devices."""
    spec = read_job(model, **MODELS[model])
    job, market = job_table(spec), inputs.market_of(spec, catalog.load())
    return Search.of(job, market, limits_of(spec, 1024), ENGINE)


def mixed_block(model: str, rows: int) -> tuple[Any, ...]:
    """Return the arguments of `predict` for a block in which chip, stack, deal, site and layout all differ.

    Rows are drawn evenly over everything that fits, so that a block is what a search over the catalog would hold.
    """
    search = searched(model)
    market, parts = search.market, []
    for family in families(search):
        pairs, _ = fitting(search, family)
        pair, row = pairs.expand(np.arange(pairs.count))
        parts.append((family.layouts(row), pairs.hardware[pair], np.full(row.size, family.stack)))
    columns = [
        np.concatenate([np.broadcast_to(getattr(part[0], field.name), size(part[0])) for part in parts])
        for field in fields(Layout)
    ]
    chip, tool = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    picked = np.linspace(0, chip.size - 1, rows).astype(int)
    deal_of = {deal.hardware: deal for deal in market.deals}
    deals = [deal_of[one] for one in chip[picked]]
    return (
        search.job,
        take(Layout(*columns), picked),
        *search.numbers_of(chip[picked]),
        take(join([one.stack for one in market.stacks]), tool[picked]),
        take(join(market.policies), np.array([deal.policy for deal in deals])),
        take(join([one.site for one in market.sites]), np.array([deal.site_index for deal in deals])),
        join([deal.price for deal in deals]),
    )
