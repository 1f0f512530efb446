"""What a few measured runs of a source teach about its others: one borrowed scale, shrunk towards the prediction.

The scale is the median residual of the anchors in the logarithm, times tau² / (tau² + noise² / n): tau is what the
prediction says of its own spread, noise what one run may differ from another of the same stack. Everything starts from
predictions whose source was left out of the fit.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from steelyard.units import Array
from steelyard.validation.outcomes import Outcome
from steelyard.validation.score import LEAST_ROWS
from steelyard.validation.spread import NORMAL_90

NOISE_LOG_SD = 0.12
"""Between runs of one stack: across torch releases the same configuration moves by 7 % in the median and up to 19 %."""

ANCHORS = 3


def anchored(ratio: Array, log_sd: float, anchors: NDArray[np.bool_]) -> Array:
    """Return the errors of the rows that are no anchors, once the anchors have set the scale.

    Args:
        ratio: predicted over measured time of each row.
        log_sd: spread of the prediction, in the logarithm.
        anchors: which rows were measured beforehand.

    >>> anchored(np.array([1.2, 1.2, 1.2, 1.2, 1.2]), 10.0, np.arange(5) < 3).round(3)
    array([0., 0.])
    """
    shrink = log_sd**2 / (log_sd**2 + NOISE_LOG_SD**2 / anchors.sum())
    scale = np.exp(-shrink * np.median(np.log(ratio[anchors])))
    return np.asarray(np.abs(ratio[~anchors] * scale - 1))


def halves(outcomes: Sequence[Outcome]) -> float:
    """Return the mean error of every second row with the others as anchors, and the other way round."""
    ratio, log_sd = _ratio(outcomes)
    odd = np.arange(len(ratio)) % 2 == 1
    if not odd.any():
        return float("nan")
    return float(np.mean(np.concatenate([anchored(ratio, log_sd, odd), anchored(ratio, log_sd, ~odd)])))


def few(outcomes: Sequence[Outcome]) -> float:
    """Return the median error of a group's rows beside three anchors, each row being an anchor once.

    Anchors are spread over the group: rows i, i + n/3 and i + 2n/3 in the order of publication.
    """
    ratio, log_sd = _ratio(outcomes)
    return float(np.median(np.concatenate([anchored(ratio, log_sd, rows) for rows in _triples(len(ratio))])))


def unseen(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return `few` of every group whose stack or chip family no other group has, so that leaving it out hides it."""
    groups: dict[str, list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault(one.group, []).append(one)
    found = {}
    for name, rows in groups.items():
        others = [one for group, part in groups.items() if group != name for one in part]
        stacks, families = {one.stack for one in others}, {one.family for one in others}
        new = [one for one in rows if one.stack not in stacks or one.family not in families]
        if len(new) >= LEAST_ROWS + ANCHORS:
            found[name] = few(new)
    return found


def _triples(size: int) -> Iterator[NDArray[np.bool_]]:
    third = size // ANCHORS
    for start in range(third):
        yield np.isin(np.arange(size), [start, start + third, start + 2 * third])


def _ratio(outcomes: Sequence[Outcome]) -> tuple[Array, float]:
    spans = np.array([abs(np.log(one.high / one.low)) for one in outcomes])
    log_sd = float(np.median(spans)) / (2 * NORMAL_90) if len(spans) else float("nan")
    return np.array([1 + one.error for one in outcomes]), log_sd
