"""What a model is trained on: sequences of tokens, or images; how many, and how long one is."""

from steelyard.errors import BadInput
from steelyard.job.defaults import default_sequence
from steelyard.job.fields import JobFields
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec

SEQUENCE = "sequence"
IMAGES = frozenset({"vit", "dit"})
"""Kinds of transformers whose samples are images."""


def sample_word(model: ModelSpec | RowsSpec) -> str:
    """Return what one pass through a model takes, in the singular; BadInput where that cannot be planned yet.

    >>> from steelyard.job.models.presets import find_model
    >>> sample_word(find_model("llama-3-8b")), sample_word(find_model("vit-l-16"))
    ('sequence', 'image')
    """
    if isinstance(model, RowsSpec):
        return model.sample
    if model.kind in IMAGES:
        return "image"
    if model.kind == "speech" or not model.vocab:
        raise BadInput(f"{model.name} trains on neither text nor images; only its parameters can be counted")
    return SEQUENCE


def sample_tokens(read: JobFields, model: ModelSpec | RowsSpec) -> tuple[int, str]:
    """Return the tokens of one sample and why: a sequence's are chosen, an image's are the model's."""
    sample = sample_word(model)
    if sample == SEQUENCE:
        return (read.sequence, "") if read.sequence else default_sequence(_spec(model))
    if read.sequence:
        raise BadInput(f"sequence is given but {model.name} trains on {sample}s; leave it out")
    return (1, "") if isinstance(model, RowsSpec) else (model.max_tokens, "")


def trained_tokens(read: JobFields, model: ModelSpec | RowsSpec, each: int) -> float:
    """Return the tokens that are trained on in all, from tokens or samples as they are given."""
    sample = sample_word(model)
    if read.samples is not None and read.tokens is not None:
        raise BadInput("tokens and samples are both given; give one of them")
    if read.samples is not None:
        return read.samples * each
    if read.tokens is None:
        usual = "tokens: 20B" if sample == SEQUENCE else f"samples: 100M ({sample}s)"
        raise BadInput(
            f"tokens is missing; write {usual} in a job file, or give --tokens 20B"
            if sample == SEQUENCE
            else f"samples is missing; write {usual} in a job file, or give --samples 100M"
        )
    if sample != SEQUENCE:
        raise BadInput(f"tokens are given but {model.name} trains on {sample}s; write samples: 100M")
    return read.tokens


def _spec(model: ModelSpec | RowsSpec) -> ModelSpec:
    if isinstance(model, RowsSpec):
        raise BadInput(f"{model.name} is described by rows; its samples have no length")
    return model
