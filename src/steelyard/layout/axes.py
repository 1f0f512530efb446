"""Which axes of parallelism a model has, by what there is of it to divide, and in which words that is said."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.strategies.experts import usual_expert_tensor
from steelyard.tables import Divisible, Layout
from steelyard.units import Count


@dataclass(frozen=True, slots=True)
class Axis:
    """One way to divide a model."""

    degrees: tuple[str, ...]  # fields of `Layout` that need it; the first is its degree
    field: str  # of `Divisible`: how much there is to divide
    least: int  # of which at least so much must be there
    lacks: str  # what a model is said to be without it


LAYOUT_AXES = (
    Axis(("tp",), "heads", 2, "has no attention heads to share out"),
    Axis(("pp", "vpp"), "stages", 2, "cannot be cut into stages"),
    Axis(("cp", "sp"), "sequence", 2, "has no sequence to split"),
    Axis(("ep", "etp"), "experts", 1, "has no experts"),
)
AXIS_DEGREES = tuple(name for axis in LAYOUT_AXES for name in axis.degrees)


def lacking_axis(model: Divisible, degrees: Mapping[str, int]) -> str:
    """Return what is wrong with degrees that a model has nothing for, empty where nothing is.

    Args:
        model: of one job
        degrees: of fields of `Layout`, as they were asked for

    >>> network = Divisible(blocks=17, stages=1, heads=1, kv_heads=1, ffn=0, experts=0, sequence=1, projection=0)
    >>> lacking_axis(network, {"tp": 2})
    'tp = 2 but the model has no attention heads to share out; only dp divides it'
    >>> dense = Divisible(blocks=12, stages=12, heads=12, kv_heads=12, ffn=3072, experts=0, sequence=1024, projection=0)
    >>> lacking_axis(dense, {"etp": 2})
    'etp = 2 but the model has no experts; what divides it: tp (1, 2, 3, 4, 6 or 12), pp (up to 12), cp, dp'
    """
    for axis in LAYOUT_AXES:
        if getattr(model, axis.field) >= axis.least:
            continue
        for name in axis.degrees:
            asked = degrees.get(name, 0)
            if asked > (0 if name == "sp" else 1):
                return f"{name} = {asked:.15g} but the model {axis.lacks}; {dividing_text(model)}"
    return ""


def lacks_axis(model: Divisible, layout: Layout) -> NDArray[np.bool_]:
    """Return which layouts divide a model by what it has nothing for.

    Experts of no model are tensor parallel as the rest is, which says nothing.
    """
    etp = np.where(np.equal(layout.etp, usual_expert_tensor(layout.tp, layout.ep)), 1.0, layout.etp)
    beyond = [
        np.less(getattr(model, axis.field), axis.least)
        & np.greater(etp if name == "etp" else getattr(layout, name), 0 if name == "sp" else 1)
        for axis in LAYOUT_AXES
        for name in axis.degrees
    ]
    found: NDArray[np.bool_] = np.logical_or.reduce(np.broadcast_arrays(*beyond))
    return found


def dividing_text(model: Divisible) -> str:
    """Return what divides a model.

    >>> dividing_text(Divisible(blocks=17, stages=1, heads=1, kv_heads=1, ffn=0, experts=0, sequence=1, projection=0))
    'only dp divides it'
    """
    found = list(_dividing(model))
    return f"what divides it: {', '.join([*found, 'dp'])}" if found else "only dp divides it"


def _dividing(model: Divisible) -> Iterator[str]:
    if model.heads > 1:
        *some, last = (str(tp) for tp in divisors_of(int(model.heads)) if _suits_heads(tp, model))
        yield f"tp ({', '.join(some)} or {last})" if some else "tp (1)"
    if model.stages > 1:
        yield f"pp (up to {model.stages:.0f})"
    if model.sequence > 1 and model.sequence % 4 == 0:
        yield "cp"
    if model.experts >= 1:
        yield "ep"


def _suits_heads(tp: int, model: Divisible) -> bool:
    """Return whether a tensor-parallel degree divides heads, key-value heads (or is a multiple of them) and the MLP."""
    heads, some = model.heads % tp == 0, model.kv_heads % tp == 0 or tp % model.kv_heads == 0
    return bool(heads and some and model.ffn % tp == 0)


def divisors_of(count: Count) -> list[int]:
    """Return the divisors of a whole number, rising.

    >>> divisors_of(12)
    [1, 2, 3, 4, 6, 12]
    """
    most = max(int(count), 1)
    small = [part for part in range(1, math.isqrt(most) + 1) if most % part == 0]
    return sorted({*small, *(most // part for part in small)})
