"""The two naive predictors that a model of the step must beat."""

import numpy as np
from numpy.typing import NDArray

from steelyard.evidence.frames.frame import RunFrame
from steelyard.units import Array

SIX_ND_SHARE = 0.4
"""The rule of thumb: 6 FLOPs per active parameter and token at 40 % of the dense peak. Source: the common reading of
Kaplan et al. 2020, arXiv 2001.08361 (6ND) with the model FLOPs utilisation of tuned large runs."""


def six_nd_s(found: RunFrame) -> Array:
    """Return seconds of a step as 6ND at 40 % of the peak of all devices; a sample without tokens has its own FLOPs."""
    work = found.job.workload
    of_sample = np.where(np.asarray(work.tokens) > 1, 6 * work.active_params * work.tokens, work.model_flop)
    flop = of_sample * found.job.batch_samples
    return np.asarray(flop / (SIX_ND_SHARE * found.machine.peak_flop_per_s * found.layout.devices))


def constant_s(found: RunFrame, measured_s: Array) -> Array:
    """Return seconds of a step at one utilisation per chip and precision, learnt from all *other* groups.

    Each other group counts once (its median). A chip and precision that no other group has falls back on its family,
    then on the precision, then on all; FLOPs are those of the workload (causal attention, no recompute).
    """
    flop = found.job.workload.model_flop * found.job.batch_samples
    ideal = np.asarray(flop / (found.machine.peak_flop_per_s * found.layout.devices))
    used = ideal / measured_s
    labels = found.labels
    keys = [
        np.char.add(np.char.add(labels.accelerator, "/"), labels.precision),
        np.char.add(np.char.add(labels.family, "/"), labels.precision),
        labels.precision,
        np.full(len(found), "all"),
    ]
    share = np.full(len(found), np.nan)
    for group in np.unique(labels.group):
        here = labels.group == group
        others = ~here & np.isfinite(used)
        for key in keys:
            for name in np.unique(key[here & np.isnan(share)]):
                rows = others & (key == name)
                if rows.any():
                    share[here & (key == name) & np.isnan(share)] = _by_group(used, labels.group, rows)
    return np.asarray(ideal / share)


def _by_group(values: Array, groups: NDArray[np.str_], rows: NDArray[np.bool_]) -> float:
    return float(np.median([np.median(values[rows & (groups == group)]) for group in np.unique(groups[rows])]))
