"""How many of its tokens pass a block of a model: fewer in the decoder of an encoder-decoder."""

from steelyard.units import Share
from steelyard.workload.architecture import Architecture


def targets(arch: Architecture) -> Share:
    """Decoder tokens for each token of the sequence: fewer than 1 in an encoder-decoder."""
    return arch.target_share if arch.encoder_layers else 1.0


def visited(arch: Architecture) -> Share:
    """Share of its blocks that a token of the sequence passes, when the decoder sees fewer tokens."""
    encoder = arch.encoder_layers / arch.layers
    return encoder + (1 - encoder) * targets(arch)
