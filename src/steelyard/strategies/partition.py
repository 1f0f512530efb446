"""Rules that share the blocks of a model out among the stages of a pipeline, a row each; partitions given by hand."""

import copyreg
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from steelyard.errors import BadInput
from steelyard.tables import Layout
from steelyard.units import Count


def even_blocks_before(blocks: Count, parts: Count, part: Count, projection: Count) -> Count:
    r"""Blocks before one part of an even partition: the first parts hold one more where parts do not divide blocks.

    .. math:: i\,\lfloor L/n \rfloor + \min(i,\; L \bmod n)

    Args:
        blocks: of the model, L [-]
        parts: stages, or chunks of all stages, n [-]
        part: from 0 on, i; n: the end of the model [-]
        projection: blocks that the output projection is worth, which does not matter here [-]

    Source: torchtitan torchtitan/distributed/pipeline_parallel.py and DeepSpeed deepspeed/runtime/utils.py
        (`partition_uniform`): what is left of an even division goes to the first stages, one block each.

    >>> [float(even_blocks_before(62, 4, part, 0.0)) for part in range(5)]
    [0.0, 16.0, 32.0, 47.0, 62.0]
    """
    each = np.floor(blocks / parts)
    return part * each + np.minimum(part, blocks - each * parts)


def ends_blocks_before(blocks: Count, parts: Count, part: Count, projection: Count) -> Count:
    r"""Blocks before one part where the embedding and the output projection count as one block each.

    .. math:: \min\big(\max(E(L + 2, n, i) - 1,\; 0),\; L\big)

    with E, the blocks before a part of an even partition.

    Args:
        blocks: of the model, L [-]
        parts: stages, or chunks of all stages, n [-]
        part: from 0 on, i; n: the end of the model [-]
        projection: blocks that the output projection is worth, one here [-]

    Source: Megatron-core TransformerConfig, account_for_embedding_in_pipeline_split and
        account_for_loss_in_pipeline_split; Llama 3, arXiv 2407.21783, section 3.3.2: one block less on the first and on
        the last stage, 126 blocks on 16 stages.

    >>> [float(ends_blocks_before(126, 16, part, 0.0)) for part in (0, 1, 2, 15, 16)]
    [0.0, 7.0, 15.0, 119.0, 126.0]
    """
    return np.clip(even_blocks_before(blocks + 2, parts, part, projection) - 1, 0, blocks)


def cost_blocks_before(blocks: Count, parts: Count, part: Count, projection: Count) -> Count:
    r"""Blocks before one part where parts are equal in parameters, the output projection included.

    .. math:: \min\big(L,\; \lfloor i\,(L + h) / n \rfloor + 1\big), \quad 0 \text{ at } i = 0

    Args:
        blocks: of the model, L [-]
        parts: stages, n [-]
        part: from 0 on, i; n: the end of the model [-]
        projection: blocks that the output projection is worth, h [-]

    Source: nanotron src/nanotron/parallel/pipeline_parallel and models/base.py (`build_model`): a stage ends with the
        block that brings it to its share of the cost.

    >>> [float(cost_blocks_before(16, 4, part, 4.0)) for part in range(5)]
    [0.0, 6.0, 11.0, 16.0, 16.0]
    """
    return np.where(np.equal(part, 0), 0.0, np.minimum(np.floor(part * (blocks + projection) / parts) + 1, blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRule:
    """One rule that shares blocks out among the stages of a pipeline."""

    name: str  # as people write it
    before: Callable[[Count, Count, Count, Count], Count]  # of blocks, parts, part, blocks that the projection is worth
    falls: bool  # from the second stage to the last but one none has more blocks than the one before
    source: str


PARTITIONS = (
    PartitionRule(
        name="even",
        before=even_blocks_before,
        falls=True,
        source="arXiv 2104.04473, section 2.2: an equal number of layers on each device",
    ),
    PartitionRule(
        name="ends",
        before=ends_blocks_before,
        falls=True,
        source="megatron-lm: account_for_embedding_in_pipeline_split, account_for_loss_in_pipeline_split",
    ),
    PartitionRule(
        name="cost",
        before=cost_blocks_before,
        falls=False,
        source="nanotron: blocks and output projection by their cost",
    ),
)
"""By their number in `tables.Layout`."""

GIVEN = "given"
"""What a stack's file calls a partition by hand."""

FIRST_GIVEN = 1000
"""Numbers from here on are partitions given by hand: a digest of their sizes, so the same in every process."""

_DIGEST_BITS = 52  # such numbers are exact in a column of float64

_GIVEN: dict[int, tuple[int, ...]] = {}
_LOCK = Lock()


def given_partition(sizes: tuple[int, ...]) -> int:
    """Return the number of a partition given by hand: blocks of each stage, or of each chunk of them, from the first.

    Raises:
        BadInput: another partition, given before, has the same number.

    >>> given_partition((15, 17, 17, 15)), given_partition((17, 15))
    (1351658333304504, 3928549729763486)
    """
    digest = hashlib.blake2b("-".join(map(str, sizes)).encode(), digest_size=8).digest()
    number = FIRST_GIVEN + (int.from_bytes(digest, "big") >> (64 - _DIGEST_BITS))
    with _LOCK:
        known = _GIVEN.setdefault(number, sizes)
    if known != sizes:
        raise BadInput(
            f"the partitions {'-'.join(map(str, sizes))} and {'-'.join(map(str, known))} share the number {number}; "
            "move one block in one of them"
        )
    return number


def given_sizes(number: float) -> tuple[int, ...]:
    """Return the blocks of each part of a partition given by hand; none where the number is that of a rule.

    A number that no partition of this process has is of none: its stages have NaN blocks (`blocks_before`).

    >>> given_sizes(given_partition((15, 17, 17, 15))), given_sizes(0)
    ((15, 17, 17, 15), ())
    """
    return () if np.isnan(number) else _GIVEN.get(int(number), ())


def _with_sizes(values: tuple[Count, ...], given: tuple[tuple[int, ...], ...]) -> Layout:
    for sizes in given:
        given_partition(sizes)
    return Layout(*values)


def _reduced(layout: Layout) -> tuple[Callable[..., Layout], tuple[tuple[Count, ...], tuple[tuple[int, ...], ...]]]:
    """Return how to make a layout anew where it is read: its partitions by hand are given there first."""
    given = tuple(sizes for one in np.unique(layout.partition) if (sizes := given_sizes(float(one))))
    return _with_sizes, (tuple(getattr(layout, field.name) for field in fields(Layout)), given)


copyreg.pickle(Layout, _reduced)


def partition_sizes(partition: float, blocks: int, parts: int) -> tuple[int, ...]:
    """Return the blocks of each part of a partition that asks nothing of the output projection.

    >>> partition_sizes(0, 62, 4), partition_sizes(given_partition((15, 17)), 32, 2)
    ((16, 16, 15, 15), (15, 17))
    """
    ends = [int(blocks_before(partition, blocks, parts, part, 0.0)) for part in range(parts + 1)]
    return tuple(end - start for start, end in pairwise(ends))


def partition_number(text: str) -> int | None:
    """Return the number of a partition as people write it: a rule, or the blocks of each part; None where it is none.

    >>> partition_number("ends"), given_sizes(partition_number("7-8*14-7"))[:3], partition_number("7-")
    (1, (7, 8, 8), None)
    """
    for number, rule in enumerate(PARTITIONS):
        if text == rule.name:
            return number
    sizes: list[int] = []
    for part in text.split("-"):
        run = re.fullmatch(r"(\d{1,4})(?:\*(\d{1,4}))?", part, re.ASCII)
        if not run:
            return None
        sizes += [int(run[1])] * int(run[2] or 1)
    return given_partition(tuple(sizes))


def partition_name(number: float) -> str:
    """Return a partition as people write it, or "unknown"; runs of equal parts are written once.

    >>> partition_name(0), partition_name(given_partition((7, *[8] * 14, 7)))
    ('even', '7-8*14-7')
    """
    if 0 <= number < len(PARTITIONS):
        return PARTITIONS[int(number)].name
    if number not in _GIVEN:
        return "unknown"
    runs: list[list[int]] = []
    for size in given_sizes(number):
        if runs and runs[-1][0] == size:
            runs[-1][1] += 1
        else:
            runs.append([size, 1])
    return "-".join(f"{size}*{times}" if times > 2 else "-".join([str(size)] * times) for size, times in runs)


def blocks_before(partition: Count, blocks: Count, parts: Count, part: Count, projection: Count) -> Count:
    """Return the blocks before one part of each partition; NaN where no rule has its number and none was given so.

    Args:
        partition: by its number [-]
        blocks: of the model [-]
        parts: stages, or chunks of all stages [-]
        part: from 0 on; as many as there are parts: the end of the model [-]
        projection: blocks that the output projection is worth [-]

    Source: that of each rule.

    >>> float(blocks_before(0, 62, 4, 1, 0.0)), float(blocks_before(given_partition((15, 17, 17, 15)), 64, 4, 2, 0.0))
    (16.0, 32.0)
    """
    found: Count = np.float64(np.nan)
    for number, rule in enumerate(PARTITIONS):
        mine = np.equal(partition, number)
        if np.all(mine):
            return rule.before(blocks, parts, part, projection)
        if np.any(mine):
            found = np.where(mine, rule.before(blocks, parts, part, projection), found)
    known = np.greater_equal(partition, FIRST_GIVEN)
    return np.where(known, _given_before(np.asarray(partition), part), found) if np.any(known) else found


def parts_most(blocks: Count) -> Count:
    r"""Parts that a partition may have at most: one for each block, one for the embedding, one for the projection.

    .. math:: L + 2

    Args:
        blocks: of the model, L [-]

    Source: Megatron-core TransformerConfig, account_for_embedding_in_pipeline_split and
        account_for_loss_in_pipeline_split: the embedding and the loss count as a layer each.

    >>> parts_most(126)  # Llama 3 has 16 stages of 8 chunks (arXiv 2407.21783, section 3.3.2)
    128
    """
    return blocks + 2


def given_parts(partition: Count) -> Count:
    """Return how many parts a partition given by hand has; 0 where it is a rule.

    Args:
        partition: by its number [-]

    Source: the partition itself.

    >>> float(given_parts(given_partition((15, 17, 17, 15)))), float(given_parts(0))
    (4.0, 0.0)
    """
    numbers = np.asarray(partition)
    if np.all(numbers < FIRST_GIVEN):
        return np.float64(0)
    kinds, place = np.unique(numbers, return_inverse=True)
    parts = [float(len(given_sizes(one))) if one < FIRST_GIVEN or int(one) in _GIVEN else np.nan for one in kinds]
    return np.array(parts)[place].reshape(numbers.shape)[()]


def _given_before(partition: NDArray[np.float64], part: Count) -> Count:
    kinds, place = np.unique(partition, return_inverse=True)
    sizes = [given_sizes(one) for one in kinds]
    ends = np.zeros((len(sizes), max(map(len, sizes)) + 1))
    for row, one in zip(ends, sizes, strict=True):
        row[1 : len(one) + 1] = np.cumsum(one)
        row[len(one) + 1 :] = sum(one)
        row[:] = row if one else np.nan
    column = np.clip(part, 0, ends.shape[1] - 1).astype(np.intp)
    return ends[place.reshape(partition.shape), column]
