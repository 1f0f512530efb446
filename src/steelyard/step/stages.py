"""Which blocks lie on which pipeline stage, by kind of block."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from steelyard.step.schedule import falling, placing
from steelyard.step.sums import added
from steelyard.strategies.partition import PARTITIONS, blocks_before, given_parts
from steelyard.tables import Layout, Repeat, Workload
from steelyard.units import Count, Share

Blocks = tuple[Repeat, ...]
"""Blocks of a stage by their kind, in the order of the workload's."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage: what lies on it."""

    blocks: Blocks
    rank: Count  # its place in the pipeline, from 0
    exists: Share  # 1: the layout has this stage apart from the others
    first: Share  # 1: it embeds
    last: Share  # 1: it computes the loss
    copies: Count  # stages that its device holds, of which `blocks` is the mean


def layers(workload: Workload) -> Count:
    """Return the blocks of the model, of all kinds."""
    return added(block.count for block in workload.blocks)


def block_count(blocks: Blocks) -> Count:
    """Return the blocks of a stage, of all kinds."""
    return added(one.count for one in blocks)


def head_params(workload: Workload) -> Count:
    """Return the parameters of the output projection: its own, or those of the embedding's table that it shares."""
    return np.where(workload.head.params, workload.head.params, workload.embedding.params)


def stages(workload: Workload, layout: Layout) -> tuple[Stage, ...]:
    """Return the stages that can be the slowest or the heaviest: the first, the last, and some between them.

    The first stage embeds and holds the most micro-batches; the last one has the output projection and the logits. One
    between them matters only where it has more blocks of some kind than any stage before it, or where leading blocks
    end on it. A device that holds a stage of either direction stands here with the mean of the two, as half of the
    micro-batches pass each; that it holds both is counted with its parameters (`states.model_params`).
    """
    cut = _Cut(workload, layout)
    alone = _flag(np.equal(layout.pp, 1))
    found = [Stage(cut.blocks(cut.held(0.0), 1.0), 0.0, 1.0, 1.0, alone + cut.mirrored + cut.folded, 1 + cut.mirrored)]
    if np.any(np.greater(layout.pp, 1)):
        many = 1 - alone
        last = layout.pp - 1
        found.append(
            Stage(cut.blocks(cut.held(last), many), last, many, cut.mirrored, many * (1 - cut.folded), 1 + cut.mirrored)
        )
    found += [
        Stage(cut.blocks(held, there), rank, there, 0.0, 0.0, 1 + cut.mirrored) for rank, there, held in _between(cut)
    ]
    return tuple(found)


def busiest_stages(found: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Return the stages that can be the slowest: no two of them where one has no fewer blocks of any kind.

    Of two such stages the one that has more stands for both, on each layout.
    """
    kept: list[Stage] = []
    for stage in found:
        for place, other in enumerate(kept):
            if one_has_all(_counts(stage), _counts(other)):
                pairs = zip(stage.blocks, other.blocks, strict=True)
                most = tuple(Repeat(one.block, np.maximum(one.count, two.count)) for one, two in pairs)
                kept[place] = replace(other, blocks=most)
                break
        else:
            kept.append(stage)
    return tuple(kept)


def _counts(stage: Stage) -> tuple[Count, ...]:
    return tuple(one.count for one in stage.blocks)


def one_has_all(one: tuple[Count, ...], other: tuple[Count, ...]) -> bool:
    """Return whether on every layout one of two stages has no less than the other of each of some things."""
    if len(one) == 1:
        return True
    more = [mine - theirs for mine, theirs in zip(one, other, strict=True)]
    return bool(np.all(reduce(np.minimum, more) * reduce(np.maximum, more) >= 0))


class _Cut:
    """Where the stages of some layouts begin and end."""

    def __init__(self, workload: Workload, layout: Layout) -> None:
        self.workload, self.layout = workload, layout
        found = placing(layout)
        self.mirrored, self.folded = found.mirrored, found.folded
        self.total, self.leading = layers(workload), added(block.count * block.leading for block in workload.blocks)
        self.even = not np.any(layout.partition)
        self.led = bool(np.any(self.leading))
        self.projection = workload.divisible.projection
        given = 0.0 if self.even else given_parts(layout.partition)
        chunks = np.where(np.greater(given, 0), given / layout.pp, layout.vpp) if np.any(given) else layout.vpp
        apart = not self.even or self.led
        self.chunks: Count = chunks if apart and np.any(np.greater(chunks, 1)) else 1.0
        self.parts = layout.pp * self.chunks
        self.each = np.floor(self.total / self.parts)
        self.left = self.total - self.each * self.parts
        heads, others = np.maximum(self.leading, 1.0), np.maximum(self.total - self.leading, 1.0)
        self.kinds = [
            (block.name, (block.leading * block.count / heads, (1 - block.leading) * block.count / others))
            for block in workload.blocks
        ]

    def before(self, part: Count) -> Count:
        if self.even:  # as `even_blocks_before`, its division made once
            return part * self.each + np.minimum(part, self.left)
        return blocks_before(self.layout.partition, self.total, self.parts, part, self.projection)

    def held(self, rank: Count) -> tuple[Count, Count]:
        """Return the leading blocks and the others of a stage, in all its chunks, or of its mean with its mirror."""
        own = self._chunks(rank)
        if not (np.ndim(self.mirrored) or self.mirrored):
            return own
        pairs = zip(own, self._chunks(self.layout.pp - 1 - rank), strict=True)
        lead, rest = (one + self.mirrored * (other - one) / 2 for one, other in pairs)
        return lead, rest

    def _chunks(self, rank: Count) -> tuple[Count, Count]:
        most = int(np.max(self.chunks))
        found = self._part(rank)
        for chunk in range(1, most):
            there, more = np.less(chunk, self.chunks), self._part(chunk * self.layout.pp + self._place(rank, chunk))
            found = (found[0] + there * more[0], found[1] + there * more[1])
        return found

    def _place(self, rank: Count, chunk: int) -> Count:
        """Return the place of a stage's chunk among those of all stages: back from the last where chunks are folded."""
        if chunk % 2 == 0 or not (np.ndim(self.folded) or self.folded):
            return rank
        return rank + self.folded * (self.layout.pp - 1 - 2 * rank)

    def _part(self, part: Count) -> tuple[Count, Count]:
        """Return the leading blocks and the others of one chunk."""
        if self.even and not self.led:
            return 0.0, self.each + np.less(part, self.left)
        start = 0.0 if np.ndim(part) == 0 and part == 0 else self.before(part)
        size = self.each + np.less(part, self.left) if self.even else self.before(part + 1) - start
        if not self.led:
            return 0.0, size
        leading = np.minimum(np.maximum(self.leading - start, 0.0), size)
        return leading, size - leading

    def blocks(self, held: tuple[Count, Count], there: Share) -> Blocks:
        """Return the blocks of a stage: leading ones of the leading kinds, the rest in proportion to their numbers."""
        return tuple(
            Repeat(name, added(_times(there, _times(share, one)) for share, one in zip(shares, held, strict=True)))
            for name, shares in self.kinds
        )


def _flag(true: NDArray[np.bool_] | np.bool_ | bool) -> Share:
    return np.asarray(true).astype(float)


def _times(share: Share, amount: Count) -> Count:
    """Return a share of an amount: that itself if it is all of it, a plain 0 if it is none."""
    if np.ndim(share):
        return share * amount
    return amount if share == 1 else share * amount if share else 0.0


def _between(cut: _Cut) -> Iterator[tuple[Count, Share, tuple[Count, Count]]]:
    """Stages between the first and the last that can be the slowest or the heaviest: place, existence, blocks.

    Where no stage holds more micro-batches or more blocks than the one before it: the second if the first has fewer
    blocks, and the first without leading blocks (one that has some of both kinds is as heavy as its neighbours: over
    all presets of the catalog 0.5 % more at most). Else all that `_records` finds.
    """
    layout = cut.layout
    inner = int(np.max(layout.pp, initial=1)) - 2
    if inner < 1 or (cut.even and falling(layout) and not cut.led):
        return
    if not _in_order(cut):
        yield from _records(cut, inner)
        return
    if not cut.even:
        yield 1.0, _flag(np.greater(layout.pp, 2)), cut.held(1.0)
    if not cut.led:
        return
    led = _flag(np.greater(cut.leading, 0))  # stages with leading blocks
    for rank in range(1, inner + 1):
        more = np.less(cut.before(float(rank)), cut.leading)
        if not more.any():
            break
        led = led + more
    there = np.greater_equal(led, 1) & np.less(led, layout.pp - 1)
    yield led, _flag(there), cut.held(led)


def _in_order(cut: _Cut) -> bool:
    """Whether from the second stage on micro-batches and blocks never rise, and leading blocks lie in first chunks."""
    layout, codes = cut.layout, np.asarray(cut.layout.partition)
    if cut.even and np.ndim(cut.chunks) == 0 and cut.chunks == 1:
        return falling(layout)
    known = np.logical_or.reduce([np.equal(codes, code) for code, one in enumerate(PARTITIONS) if one.falls])
    return bool(falling(layout) and np.all(known) and np.all(np.less_equal(cut.leading, cut.before(layout.pp))))


def _records(cut: _Cut, inner: int) -> Iterator[tuple[Count, Share, tuple[Count, Count]]]:
    """Of the stages between the ends those that have more blocks of a kind than all before, or blocks of both kinds.

    All of them where later stages may hold more micro-batches.
    """
    pp = cut.layout.pp
    ranks = np.arange(inner + 1.0).reshape(-1, *(1,) * np.ndim(cut.parts + cut.total + cut.leading))
    lead, rest, ranks, stages_of = np.broadcast_arrays(*cut.held(ranks), ranks, pp)
    keep = ranks[1:] < stages_of[1:] - 1
    if falling(cut.layout):
        most_lead, most_rest = (np.maximum.accumulate(held, axis=0)[:-1] for held in (lead, rest))
        both = (lead[1:] > 0) & (rest[1:] > 0)
        keep = keep & (both | (lead[1:] > most_lead) | (rest[1:] > most_rest))
    order = np.argsort(~keep, axis=0, kind="stable")
    there = np.take_along_axis(keep, order, axis=0)
    for place in range(int(np.max(np.sum(keep, axis=0), initial=0))):
        rank = order[place] + 1.0
        yield rank, _flag(there[place]), cut.held(rank)
