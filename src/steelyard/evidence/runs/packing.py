"""What the words of a row say of documents in its sequences: whether each sees itself alone, and how long one is."""

import re
from functools import lru_cache

from steelyard.strategies.denial import named

MASKED = (
    r"\bvar[ _-]?len\b|cu_?seq_?lens|padding[ _-]?free"
    r"|(?:intra[ -]?)?document[ _-](?:level[ _-])?(?:causal[ _-])?mask\w*|\bdoc[ _-]mask\w*"
    r"|block[ _-](?:diagonal|causal)\b"
    r"|\bsample[ _-]packing\b"
)
"""How people write that documents do not see each other: the arguments of FlashAttention's kernels of variable length,
torchtitan's block_causal, Hugging Face's padding-free collator, axolotl's sample_packing (multipack with cu_seqlens).
Packing alone does not say so: its sequences are whole. Nor does Megatron-core's --reset-attention-mask, whose layers
take the kernels of a causal mask all the same (models/gpt/gpt_layer_specs.py: attn_mask_type causal)."""

_WHAT = r"(?:documents?|docs?|samples?|examples?)"
_MEAN = r"(?:mean|average|avg\.?)"
_LENGTHS = (
    rf"\b{_MEAN}[ _-]{_WHAT}[ _-](?:lengths?|len|size|tokens)\b\D{{0,6}}?([\d,.]+k?)",
    rf"\b{_WHAT} of (?:about )?([\d,.]+k?) tokens(?: on average| in the mean| \(mean\))",
    rf"\b{_WHAT}[ _-](?:lengths?|len)\W{{1,3}}(?:{_MEAN}|about|~) ?([\d,.]+k?)",
)


@lru_cache(maxsize=1 << 14)
def masked_documents(note: str) -> bool:
    """Tell whether a note says that documents of a sequence are masked from each other.

    >>> texts = ("varlen attention", "no varlen", "padding-free no", "intra-document masking", "packed sequences")
    >>> [masked_documents(text) for text in texts]
    [True, False, False, True, False]
    """
    return named(MASKED, note.lower()) is not None


@lru_cache(maxsize=1 << 14)
def document_length_of_note(note: str) -> float | None:
    """Return the mean tokens of a document that a note states; None where it states none.

    >>> texts = ("mean document length 600", "avg sample len: 1.5k", "documents of 1,024 tokens on average", "packed")
    >>> [document_length_of_note(text) for text in texts]
    [600.0, 1500.0, 1024.0, None]
    """
    for pattern in _LENGTHS:
        if found := re.search(pattern, note.lower()):
            thousands = found[1].endswith("k")
            plain = found[1].rstrip("k.").replace(",", "")
            return float(plain) * (1000 if thousands else 1) if re.fullmatch(r"\d+(\.\d+)?", plain) else None
    return None
