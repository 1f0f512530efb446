"""What must be computed: the operators of a forward pass and their FLOPs, before any layout (Model)."""

from steelyard.workload.flops import attention_pairs, product_flop, training_flop
from steelyard.workload.operators import workload

__all__ = ["attention_pairs", "product_flop", "training_flop", "workload"]
