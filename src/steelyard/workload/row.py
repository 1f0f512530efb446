"""A model as rows: an operator and the tensor that it leaves behind, for one sample; words here, numbers further on.

A row has at most one product, one group of parameters, one kept tensor and one exchange; a second kept tensor is a
second row that computes nothing. `collapse` turns rows into the sums that the rooms compute with.
"""

from dataclasses import dataclass

from steelyard.tables import Divisible
from steelyard.units import Count, Flop, Share

WHOLE, TENSOR, SEQUENCE = "whole", "tensor", "sequence"
EXPERT, EXPERT_TENSOR, EXPERT_RANKS, EXPERT_SEQUENCE = "expert", "expert_tensor", "expert_ranks", "expert_sequence"
SPLITS = (WHOLE, TENSOR, SEQUENCE, EXPERT, EXPERT_TENSOR, EXPERT_RANKS, EXPERT_SEQUENCE)
"""Divisors of a layout; `step.divisors` gives each its number."""

EMBEDDING, HEAD = "embedding", "head"
"""The two ends of a model, which are on one stage each; every other block is named by its builder."""

WIDTHS = ("element", "byte", "fp32")
"""How wide an element of a kept tensor is: as the job's working values, one byte (masks), or four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operator of a block, for one sample; a length of 0 says that there is none."""

    name: str  # what a reader sees
    block: str  # the kind of block that it belongs to, `embedding` or `head`
    repeats: Count = 1.0  # occurrences in one block of the kind
    m: Count = 0.0  # rows of its product, over all groups
    k: Count = 0.0  # summed dimension
    n: Count = 0.0  # outer dimension
    groups: Count = 1.0  # separate products that the rows are spread over
    split_m: str = WHOLE
    split_k: str = WHOLE
    split_n: str = WHOLE
    split_groups: str = WHOLE
    flop: Flop = 0.0  # forward, of an attention core (scores and values)
    unfused_flop: Flop = 0.0  # the same, masked scores computed, too
    scores: Count = 0.0  # of an attention core, if they were written
    keys: Count = 0.0  # that the last query of the core sees; with documents, the last of a token's document on average
    head_dim: Count = 0.0  # of the core
    params: Count = 0.0
    split_params: str = TENSOR
    active: Share = 1.0  # of the parameters, those that one sample's token visits
    kept: Count = 0.0  # elements that the backward pass needs
    kept_kind: str = ""  # stream, mask, attention, mlp, expert, router, scores, logits; `activations.EAGER`
    kept_width: str = "element"
    split_kept: str = WHOLE
    narrowed: Count = 0.0  # of the elements kept, those that are the input of a product and of nothing else
    doubled: Count = 0.0  # elements kept for something else that are the input of a product as well
    moved: Count = 0.0  # elements that cross memory once in a forward pass
    moved_kind: str = ""  # stream, inside, dispatch: a stack has its number of passes for each
    split_moved: str = WHOLE
    exchange: str = ""  # all_reduce, expert_all_reduce (where experts are divided by tp), dispatch, ring
    sent: Count = 0.0  # elements of the exchange, before it is divided


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of block: how many the model has, and whether they come before all others."""

    name: str
    count: Count
    leading: Share = 0.0  # 1: they come first
    hidden: Count = 0.0  # elements of a sample between two of them
    gathered: Count = 0.0  # elements of a sample's inputs of column-parallel products
    widest: Count = 0.0  # elements of a sample: the inputs of its widest operator, divided by tp
    scores: Count = 0.0  # attention scores of a sample, if they were written
    experts: Count = 0.0  # routed experts of the block (0: none)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as rows, with the order of its blocks and what its layouts must divide."""

    kinds: tuple[Kind, ...]
    rows: tuple[Row, ...]
    divisible: Divisible
    hidden: Count  # elements of one sample between two blocks
    ring: Count  # elements of keys and values that a sample sends around a ring of context parallelism
    copies: Count  # experts that a token visits (0: none)
    expert_groups: Count  # in which experts are routed (0: none)
    top_k_groups: Count  # of these, those that a token may visit
    tokens: Count  # of one sample, for people to read
