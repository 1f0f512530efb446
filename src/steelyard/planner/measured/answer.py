"""What a measured step makes of an answer, as types."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from steelyard.catalog.local.layer import EMPTY, Layer, current_layer, using_layer


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A 90 % interval of the time of a step before and after a measured one, as factors of its median."""

    low_before: float = math.nan
    high_before: float = math.nan
    low_after: float = math.nan
    high_after: float = math.nan
    text: str = ""


@dataclass(frozen=True, slots=True)
class ComparedStep:
    """A measured step beside the predicted one, and the factors that it sets."""

    stack: str = ""
    accelerator: str = ""
    devices: int = 0
    layout_text: str = ""
    measured_s: float = math.nan
    predicted_s: float = math.nan  # the median without it
    ratio: float = math.nan  # measured over predicted
    within_90: bool = False  # whether it lies in the 90 % interval of the prediction
    factor: float = math.nan  # on times of this stack on this accelerator
    factor_elsewhere: float = math.nan  # on times of all others
    factor_here: float = math.nan  # on exactly what was measured
    log_sd_here: float = math.nan  # how far a repetition of that may be off
    trained: str = ""  # exactly what was measured (`exact.configuration_text`)
    narrowing: Narrowing = Narrowing()
    taken: tuple[str, ...] = ()  # of stack and layout what nobody said
    stacks: tuple[str, ...] = ()  # that it may have been run on, of which this is the one that makes it likeliest
    text: str = ""


@dataclass(frozen=True, slots=True)
class StepLayer:
    """An own step with the rows of the catalog that it sets."""

    answer: ComparedStep | None = None
    layer: Layer = EMPTY


NOTHING = StepLayer()
_CURRENT: ContextVar[ComparedStep | None] = ContextVar("own step", default=None)


def current_step() -> ComparedStep | None:
    """Return the step that the question in hand was given; None: it was given none.

    >>> current_step() is None
    True
    """
    return _CURRENT.get()


@contextmanager
def using(found: StepLayer) -> Iterator[ComparedStep | None]:
    """Let the catalog have what a measured step sets while the block runs."""
    token = _CURRENT.set(found.answer)
    try:
        with using_layer(current_layer() | found.layer):
            yield found.answer
    finally:
        _CURRENT.reset(token)
