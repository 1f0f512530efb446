"""How experts are launched, and how tensor parallelism lies on them, where nobody says otherwise."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from steelyard.units import Count, Share


def usual_expert_tensor(tensor_ranks: Count, expert_ranks: Count) -> Count:
    """Return the tensor-parallel degree of experts that asks no exchange of its own: whole on own ranks, or the rest.

    Args:
        tensor_ranks: tensor-parallel degree of the rest [-]
        expert_ranks: expert-parallel degree [-]

    Source: whole experts reduce nothing over tensor ranks; without expert ranks they are divided as a dense MLP is
        (github.com/NVIDIA/Megatron-LM, megatron/core/transformer/moe/README.md).
    Limits: what a stack takes where nobody says is `unstated_expert_tensor`.

    >>> usual_expert_tensor(8, 1), usual_expert_tensor(8, 4)
    (8.0, 1.0)
    """
    return np.where(np.greater(expert_ranks, 1), 1.0, tensor_ranks)[()]


AS_THE_REST, UNDIVIDED, UNDIVIDED_WITH_EP = "as the rest", "whole", "whole beside ep"
EXPERT_TENSOR_RULES = (AS_THE_REST, UNDIVIDED, UNDIVIDED_WITH_EP)
"""What stacks make of experts where nobody states their tensor-parallel degree: divided as the rest of a block is;
whole; or whole on expert ranks of their own and divided as the rest without these."""


def unstated_expert_tensor(rule: str, tensor_ranks: Count, expert_ranks: Count) -> Count:
    """Return the tensor-parallel degree that a stack gives to experts where nobody states one.

    Args:
        rule: of the stack, of `EXPERT_TENSOR_RULES`
        tensor_ranks: tensor-parallel degree of the rest [-]
        expert_ranks: expert-parallel degree [-]

    Source: the files of stacks, `expert_tensor_source`: Megatron-core leaves `--expert-tensor-parallel-size` as
        `--tensor-model-parallel-size`, torchtitan's `expert_tensor_parallel_degree` is 1 and acts beside expert
        parallelism alone, DeepSpeed's experts are whole without `--enable-expert-tensor-parallelism`.

    >>> [float(unstated_expert_tensor(rule, 8, 4)) for rule in EXPERT_TENSOR_RULES]
    [8.0, 1.0, 1.0]
    >>> [float(unstated_expert_tensor(rule, 8, 1)) for rule in EXPERT_TENSOR_RULES]
    [8.0, 1.0, 8.0]
    """
    if rule == UNDIVIDED_WITH_EP:
        return usual_expert_tensor(tensor_ranks, expert_ranks)
    return np.where(rule == UNDIVIDED, 1.0, tensor_ranks)[()]


LOOP, PRODUCTS, GROUPED = "loop", "products", "grouped"
_LOOPED, _ONE_BY_ONE = 11 + 16, 2 + 2 + 2
EXPERT_LAUNCHES: Mapping[str, float] = MappingProxyType({LOOP: 1.0, PRODUCTS: _ONE_BY_ONE / _LOOPED, GROUPED: 0.0})
"""How experts of a rank are launched, and what each further one takes, of what the first does.

A loop over modules launches all that an expert does: 11 kernels forward (which tokens, their rows, three products, two
of a gated activation, the weights of the routes and their product, the sum into the output), 16 backward (six products,
three of the activation, rows, routes and sums: two, two, three). Products of a group that a library launches one by one
are 2 forward, gate and input in one, and 4 backward. A grouped product is one launch of all.

Source: github.com/huggingface/transformers models/mixtral/modeling_mixtral.py, MixtralSparseMoeBlock.forward, before
    release 5 (loop); github.com/NVIDIA/TransformerEngine pytorch/module/grouped_linear.py and
    common/gemm/cublaslt_gemm.cu, nvte_multi_tensor_gemm (products, over streams); docs.pytorch.org, grouped_mm
    (grouped). Counted by hand, from memory.
"""


def launched_experts(held: Count, share: Share) -> Count:
    r"""Return how many experts a rank's launches are worth.

    .. math:: 1 + \max(n - 1,\; 0)\,s

    Args:
        held: experts of the rank, n [-]
        share: of what the first takes, that each further one does, of `EXPERT_LAUNCHES`, s [-]

    Source: that of `EXPERT_LAUNCHES`.

    >>> [round(float(launched_experts(64, EXPERT_LAUNCHES[name])), 1) for name in (LOOP, PRODUCTS, GROUPED)]
    [64.0, 15.0, 1.0]
    """
    return 1 + np.maximum(held - 1, 0) * share
