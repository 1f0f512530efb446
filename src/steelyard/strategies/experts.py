"""How tensor parallelism lies on experts where nobody says otherwise."""

import numpy as np

from steelyard.units import Count


def usual_expert_tensor(tensor_ranks: Count, expert_ranks: Count) -> Count:
    """Return the tensor-parallel degree of experts: one on whole experts of their own ranks, else that of the rest.

    Args:
        tensor_ranks: tensor-parallel degree of the rest [-]
        expert_ranks: expert-parallel degree [-]

    Source: Megatron-core's `expert_tensor_parallel_size` is that of the rest unless it is given
        (github.com/NVIDIA/Megatron-LM, megatron/core/transformer/moe/README.md); whole experts beside expert
        parallelism are chosen.

    >>> usual_expert_tensor(8, 1), usual_expert_tensor(8, 4)
    (8.0, 1.0)
    """
    return np.where(np.greater(expert_ranks, 1), 1.0, tensor_ranks)[()]
