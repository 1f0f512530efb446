"""What one sample of a model costs, whatever it is: a sequence of tokens, an image, what a file of rows says."""

import math

from steelyard.errors import BadInput
from steelyard.job.defaults import default_sequence
from steelyard.job.models.architecture import architecture
from steelyard.job.models.describe import with_classes
from steelyard.job.models.kinds import takes_sequences
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec
from steelyard.job.samples import sample_word
from steelyard.tables import Workload
from steelyard.units import Bytes, Count, Flop
from steelyard.workload import UNMASKED, collapse, model

HALF_PRECISION_BYTES = 2.0


def sample_workload(
    spec: ModelSpec | RowsSpec, sequence_tokens: Count | None = None, element_bytes: Bytes = HALF_PRECISION_BYTES
) -> Workload:
    """Return what one sample costs.

    Args:
        spec: the model.
        sequence_tokens: of a sequence; None: what the model itself takes, such as the patches of an image.
        element_bytes: of one activation.

    >>> from steelyard.job.models.rows_spec import rows_presets
    >>> sample_workload(rows_presets()["resnet50"]).params
    25557032.0
    """
    if isinstance(spec, RowsSpec):
        return collapse(spec.rows, element_bytes)
    tokens = spec.max_tokens if sequence_tokens is None else sequence_tokens
    return collapse(model(architecture(spec), tokens, UNMASKED), element_bytes)


def usual_sample(spec: ModelSpec | RowsSpec) -> tuple[str, float]:
    """Return what one sample of a model is, as a job takes it where nothing is chosen, and the FLOPs of a forward pass.

    An empty text and NaN: it is trained on what cannot be planned.

    >>> from steelyard.job.models.presets import find_model
    >>> usual_sample(find_model("gpt2"))[0], usual_sample(find_model("whisper-tiny"))
    ('sequence of 1,024 tokens', ('', nan))
    """
    try:
        word = sample_word(spec)
    except BadInput:
        return "", math.nan
    if isinstance(spec, RowsSpec) or not takes_sequences(spec):
        return word, float(forward_flop(sample_workload(with_classes(spec)[0])))
    tokens, _ = default_sequence(spec)
    return f"{word} of {tokens:,} tokens", float(forward_flop(sample_workload(spec, tokens)))


def forward_flop(work: Workload) -> Flop:
    """Return the FLOPs of a forward pass over one sample, a multiply-add counted as 2.

    >>> from steelyard.job.models.rows_spec import rows_presets
    >>> round(forward_flop(sample_workload(rows_presets()["resnet50"])) / 1e9, 2)  # 4.09 GMAC
    8.18
    """
    return work.product_flop + work.attention_flop + work.embedding_flop + work.head_flop
