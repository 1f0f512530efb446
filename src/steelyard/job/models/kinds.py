"""What kind of model one is: trained on text, on images, or described by rows."""

from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.vocabulary import IMAGE_TRANSFORMER, LANGUAGE, ROWS

IMAGES = frozenset({"vit", "dit"})
"""Kinds of transformers whose samples are images."""


def trained_kind(model: ModelSpec | RowsSpec) -> str:
    """Return what a model is to the stacks that train it, of `vocabulary.TRAINED_KINDS`.

    >>> from steelyard.job.models.presets import find_model
    >>> from steelyard.job.models.rows_spec import rows_presets
    >>> [trained_kind(one) for one in (find_model("gpt2"), find_model("vit-l-16"), next(iter(rows_presets().values())))]
    ['language', 'image-transformer', 'rows']
    """
    if isinstance(model, RowsSpec):
        return ROWS
    return LANGUAGE if takes_sequences(model) else IMAGE_TRANSFORMER


def takes_sequences(model: ModelSpec | RowsSpec) -> bool:
    """Return whether a model is trained on sequences of tokens, as far as its description says.

    >>> from steelyard.job.models.presets import find_model
    >>> takes_sequences(find_model("llama-3-8b")), takes_sequences(find_model("vit-l-16"))
    (True, False)
    """
    return isinstance(model, ModelSpec) and model.kind not in IMAGES
