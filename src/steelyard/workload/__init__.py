"""What must be computed: a model as rows, and their sums before any layout (Model)."""

from steelyard.workload.architecture import Architecture
from steelyard.workload.collapse import collapse
from steelyard.workload.flops import UNMASKED, adapted_flop, attention_pairs, product_flop, training_flop
from steelyard.workload.transformer import model

__all__ = [
    "UNMASKED",
    "Architecture",
    "adapted_flop",
    "attention_pairs",
    "collapse",
    "model",
    "product_flop",
    "training_flop",
]
