"""Stages of several chunks where nobody says how blocks are shared out among these, or how many there are."""

from collections.abc import Collection

import numpy as np

from steelyard.strategies.partition import PARTITIONS
from steelyard.units import Count

EVEN, ENDS = (next(code for code, one in enumerate(PARTITIONS) if one.name == name) for name in ("even", "ends"))

BLOCKS_OF_CHUNK = 2
"""Blocks of a chunk that recipes have most (`why` of megatron-core.yaml: 1 to 5 layers a chunk, most 2)."""

CHUNKS_MOST = 16
"""Chunks of a stage beyond which none is looked for: chosen, twice as many as Llama 3 has (arXiv 2407.21783)."""


def chunk_partition(names: Collection[str], blocks: Count, stages: Count, chunks: Count) -> Count:
    """Return the number of the partition that chunks have where none is stated: even ones, if they divide the blocks.

    Else, where that comes out even and a stack has it, embedding and output projection count as a block each.

    Args:
        names: of the partitions of the stack
        blocks: of the model [-]
        stages: of the pipeline [-]
        chunks: of a stage [-]

    Source: Megatron-core TransformerConfig, account_for_embedding_in_pipeline_split and
        account_for_loss_in_pipeline_split; Llama 3, arXiv 2407.21783, section 3.3.2: 126 blocks on 16 stages of 8
        chunks.

    >>> [float(chunk_partition(("even", "ends"), blocks, 16, 8)) for blocks in (126, 128)]
    [1.0, 0.0]
    >>> float(chunk_partition(("even",), 126, 16, 8))
    0.0
    """
    parts = np.maximum(np.asarray(stages) * chunks, 1)
    counted = np.equal((np.asarray(blocks) + 2) % parts, 0) & np.not_equal(np.asarray(blocks) % parts, 0)
    apt = counted & np.greater(chunks, 1) & (PARTITIONS[ENDS].name in names)
    return np.where(apt, float(ENDS), float(EVEN))[()]


def usual_chunks(names: Collection[str], blocks: int, stages: int) -> int:
    """Return the chunks of a stage that an interleaved recipe has: those of two blocks, or the nearest that come out.

    One where none do.

    Args:
        names: of the partitions of the stack
        blocks: of the model [-]
        stages: of the pipeline [-]

    Source: `BLOCKS_OF_CHUNK`; Narayanan et al. 2021, arXiv 2104.04473, section 2.2.2: chunks divide the layers.

    >>> [usual_chunks(("even", "ends"), blocks, stages) for blocks, stages in ((126, 16), (96, 8), (32, 4), (61, 16))]
    [4, 6, 4, 1]
    """
    even = [count for count in range(2, CHUNKS_MOST + 1) if blocks % (stages * count) == 0]
    ends = [count for count in range(2, CHUNKS_MOST + 1) if chunk_partition(names, blocks, stages, count) == ENDS]
    wanted = blocks / stages / BLOCKS_OF_CHUNK
    return min(even + ends, key=lambda count: (abs(np.log(count / wanted)), count), default=1)
