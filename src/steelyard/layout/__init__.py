"""Parallel layouts of a machine: all of them, why one is invalid, and how people write one (Machine)."""

from steelyard.layout.literal import check_layout, parse, text_of
from steelyard.layout.reason import Reason, sentence
from steelyard.layout.sharded import Shardings, shardings
from steelyard.layout.space import BOUNDS, Bounds, frames, offloads, size, space
from steelyard.layout.valid import keeps_weights, lacks_drives, problem

__all__ = [
    "BOUNDS",
    "Bounds",
    "Reason",
    "Shardings",
    "check_layout",
    "frames",
    "keeps_weights",
    "lacks_drives",
    "offloads",
    "parse",
    "problem",
    "sentence",
    "shardings",
    "size",
    "space",
    "text_of",
]
