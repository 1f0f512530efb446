"""Which blocks lie on which pipeline stage, by kind of block."""

from dataclasses import dataclass

import numpy as np

from steelyard.step.schedule import falling, in_flight
from steelyard.step.sums import added
from steelyard.tables import Layout, Repeat, Workload
from steelyard.units import Count, Share

Blocks = tuple[Repeat, ...]
"""Blocks of a stage by their kind, in the order of the workload's."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage: what lies on it."""

    blocks: Blocks
    in_flight: Count  # micro-batches whose activations it holds
    exists: Share  # 1: the layout has this stage apart from the others
    first: Share  # 1: it embeds
    last: Share  # 1: it computes the loss


def layers(workload: Workload) -> Count:
    """Return the blocks of the model, of all kinds."""
    return added(block.count for block in workload.blocks)


def block_count(blocks: Blocks) -> Count:
    """Return the blocks of a stage, of all kinds."""
    return added(one.count for one in blocks)


def head_params(workload: Workload) -> Count:
    """Return the parameters of the output projection: its own, or those of the embedding's table that it shares."""
    return np.where(workload.head.params, workload.head.params, workload.embedding.params)


def busiest_stages(workload: Workload, layout: Layout) -> tuple[Blocks, ...]:
    """Return the blocks of the stages that can be the slowest: the first, and a later one if leading blocks differ."""
    lead = np.minimum(layout.stage_layers, _leading(workload))
    first = _spread(workload, lead, layout.stage_layers - lead)
    if not np.any(lead) or np.all(layout.pp == 1):
        return (first,)
    led = np.where(np.asarray(layout.pp) > 1, 0.0, lead)  # a lone stage has them all
    return first, _spread(workload, led, layout.stage_layers - led)


def stages(workload: Workload, layout: Layout) -> tuple[Stage, ...]:
    """Return the stages that can be the heaviest: the first, the last, and the second where kinds of blocks differ.

    The first stage embeds and holds the most micro-batches; the last one has the output projection and the logits.
    One between them is the heaviest only where leading blocks make the first stage lighter. An even cut leaves the
    last stage one block short at most; a stage cut by cost leaves it what the others do not take.
    """
    size = layout.stage_layers
    lead = np.minimum(size, _leading(workload))
    alone = np.where(np.asarray(layout.pp) == 1, 1.0, 0.0)
    found = [Stage(_spread(workload, lead, size - lead), in_flight(layout, 0), 1.0, 1.0, alone)]
    if np.any(layout.pp > 1):
        missing = np.maximum(size * layout.pp - layers(workload), 0)
        fewer = np.where(missing < layout.pp, np.minimum(missing, 1), missing)
        rest = (1 - alone) * np.maximum(size - fewer, 0)
        found.append(Stage(_spread(workload, 0.0, rest), in_flight(layout, layout.pp - 1), 1 - alone, 0.0, 1 - alone))
    for rank in _between(workload, layout):
        between = np.where(np.asarray(layout.pp) > rank + 1, 1.0, 0.0)
        held = in_flight(layout, np.minimum(layout.pp - 1, rank))
        found.append(Stage(_spread(workload, 0.0, between * size), held, between, 0.0, 0.0))
    return tuple(found)


def _between(workload: Workload, layout: Layout) -> range:
    """Stages between the first and the last that can be the heaviest.

    The second, where kinds of blocks differ; all, under a schedule whose later stages may hold more micro-batches.
    """
    inner = int(np.max(layout.pp, initial=1)) - 1
    if not falling(layout):
        return range(1, inner)
    return range(1, min(inner, 2)) if len(workload.blocks) > 1 else range(0)


def _leading(workload: Workload) -> Count:
    return added(block.count * block.leading for block in workload.blocks)


def _spread(workload: Workload, lead: Count, rest: Count) -> Blocks:
    """Leading blocks among the leading kinds and the rest among the others, each in proportion to its number."""
    heads, others = np.maximum(_leading(workload), 1.0), np.maximum(layers(workload) - _leading(workload), 1.0)
    return tuple(
        Repeat(
            block.name,
            lead * (block.leading * block.count / heads) + rest * ((1 - block.leading) * block.count / others),
        )
        for block in workload.blocks
    )
