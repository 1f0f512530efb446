"""What a model is trained on: sequences of tokens, or images; how many, and how long one is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from steelyard.errors import BadInput
from steelyard.job.defaults import default_batch, default_sequence, divisible_batch
from steelyard.job.fields import JobFields
from steelyard.job.models.kinds import IMAGES
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec

SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class TrainedSamples:
    """What a job is trained on."""

    word: str  # one of them, in the singular
    count: float  # in all
    tokens: int | None  # of one; None: it has no tokens that a job could choose

    @property
    def text(self) -> bool:
        """Whether they are sequences of tokens."""
        return self.tokens is not None

    def of_batch(self, given: tuple[str, int], field: str) -> float:
        """Return how many samples a batch has that is given as a number of something: `('token', 4000000)`.

        >>> TrainedSamples("sequence", 1e6, 2048).of_batch(("token", 2**20), "global_batch")
        512.0
        """
        unit, number = given
        if unit == "token" and self.tokens is not None:
            return number / self.tokens
        if unit not in {"", "sample", self.word}:
            usual = "512 (sequences) or '4M tokens'" if self.text else f"1024 ({self.word}s)"
            raise BadInput(
                f"{field} is given in {unit}s but the model trains on {self.word}s; write global_batch: {usual}"
            )
        return float(number)


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


def trained_samples(read: JobFields, model: ModelSpec | RowsSpec) -> tuple[TrainedSamples, str]:
    """Return what a job is trained on, and why a sequence is as long as it is where nobody chose."""
    word = sample_word(model)
    if read.samples is not None and read.tokens is not None:
        raise BadInput("tokens and samples are both given; give one of them")
    if isinstance(model, RowsSpec) or word != SEQUENCE:
        return TrainedSamples(word, _images(read, model.name, word), None), ""
    tokens, why = (read.sequence, "") if read.sequence else default_sequence(model)
    if read.samples is None and read.tokens is None:
        raise BadInput("tokens is missing; write tokens: 20B in a job file, or give --tokens 20B")
    count = read.samples if read.samples is not None else (read.tokens or 0.0) / tokens
    if count < 1:
        whole = 2 ** max(int(count * tokens).bit_length() - 1, 0)
        raise BadInput(
            f"tokens {count * tokens:g} do not fill one sequence of {tokens}; write more tokens, "
            f"or a sequence of at most {whole} tokens"
        )
    return TrainedSamples(word, count, tokens), why


def _images(read: JobFields, name: str, word: str) -> float:
    """Return how many samples that have no tokens are trained on."""
    if read.sequence:
        raise BadInput(f"sequence is given but {name} trains on {word}s; leave it out")
    if read.tokens is not None:
        raise BadInput(f"tokens are given but {name} trains on {word}s; write samples: 100M")
    if read.samples is None:
        raise BadInput(f"samples is missing; write samples: 100M ({word}s) in a job file, or give --samples 100M")
    if read.samples < 1:
        raise BadInput(f"samples are {read.samples:g}; write at least one, such as samples: 100M")
    return read.samples


def documents_text(document_tokens: int | None, name: str, *, text: bool, tuned: bool) -> str:
    """Return what is assumed of the documents of a job, stated or not; empty where there is nothing to say.

    Args:
        document_tokens: the mean of documents that are masked from each other; None: nobody says so.
        name: of the model.
        text: whether it trains on sequences of tokens.
        tuned: whether examples are fine-tuned on, which are seldom as long as a sequence.

    >>> documents_text(None, "gpt2", text=True, tuned=True)
    'documents: attention crosses whole sequences, none is masked (document_length)'
    >>> documents_text(600, "gpt2", text=True, tuned=False)
    'documents: 600 tokens on average, exponentially distributed, masked from each other'
    """
    if document_tokens is None:
        return (
            "documents: attention crosses whole sequences, none is masked (document_length)" if text and tuned else ""
        )
    if not text:
        raise BadInput(f"document_length is {document_tokens} but {name} trains on no sequences; leave it out")
    return f"documents: {document_tokens} tokens on average, exponentially distributed, masked from each other"


def step_batch(read: JobFields, model: ModelSpec | RowsSpec, samples: TrainedSamples) -> tuple[int, str]:
    """Return the samples of one optimizer step, and why where nobody chose exactly so many."""
    if read.batch_samples is None:
        made = implied_batch(read.layout, _devices(read))
        if made is not None:
            return made, f"global batch {made} {samples.word}s: as micro-batches, their number and replicas make it"
        return default_batch(model, samples.tokens, samples.count, read.task)
    exact = samples.of_batch(read.batch_samples, "global_batch")
    in_tokens = read.batch_samples[0] == "token"
    size = divisible_batch(exact) if in_tokens else int(exact)
    if size > samples.count:
        each = samples.tokens or 1
        raise BadInput(
            f"global_batch of {size} sequences is {size * each:.3g} tokens, more than the job's "
            f"{samples.count * each:.3g}; write global_batch: 512 (sequences) or '4M tokens'"
            if samples.text
            else f"global_batch of {size} {samples.word}s is more than the job's {samples.count:.3g}"
        )
    rounded = f"{read.batch_samples[1]:.3g} tokens, rounded so that replicas share it evenly"
    return size, f"global batch {size} sequences: {rounded}" if in_tokens and size != exact else ""


def implied_batch(layout: Mapping[str, tuple[int, ...]], devices: int | None) -> int | None:
    """Return the samples of a step that a micro-batch, their number and the replicas make; None where one is open.

    Args:
        layout: allowed values of its settings, by field of `tables.Layout`.
        devices: of the run; None: not known.

    >>> given = {"micro_batch": (2,), "micro_batches": (8,)}
    >>> implied_batch(given, 8), implied_batch({**given, "tp": (2,)}, 8), implied_batch(given, None)
    (128, 64, None)
    """
    one = {name: values[0] for name, values in layout.items() if len(values) == 1}
    open_ranks = any(name in layout and name not in one for name in ("tp", "pp", "cp", "dp"))
    if devices is None or open_ranks or not {"micro_batch", "micro_batches"} <= one.keys():
        return None
    ranks = math.prod(one.get(name, 1) for name in ("tp", "pp", "cp"))
    return one["micro_batch"] * one["micro_batches"] * one.get("dp", max(1, devices // ranks))


def _devices(read: JobFields) -> int | None:
    """Return how many devices a job runs on, where it says."""
    counts = [count for _, count in read.accelerators]
    return read.devices or (counts[0] if len(counts) == 1 else None)


def check_positions(model: ModelSpec | RowsSpec, tokens: float | None) -> None:
    """Raise `BadInput` where a sequence is longer than the positions that a model has learned.

    >>> from steelyard.job.models.presets import find_model
    >>> check_positions(find_model("gpt2"), 2048)
    Traceback (most recent call last):
    steelyard.errors.BadInput: sequence 2048 is longer than the 1024 learned positions of gpt2; write ...
    """
    if isinstance(model, RowsSpec) or model.position != "learned" or tokens is None or tokens <= model.max_tokens:
        return
    raise BadInput(
        f"sequence {tokens:.0f} is longer than the {model.max_tokens} learned positions of {model.name}; "
        f"write sequence: {model.max_tokens}, or describe the model with max_tokens: {tokens:.0f}"
    )
