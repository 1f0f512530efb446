r"""What a few measured steps of one's own tell: one factor on the time of a step, before any other constant moves.

Who runs a configuration is an offset that nothing in its description tells apart: the build of the software, compile
flags, clocks, the fabric, what was timed. Its logarithm has the spread :math:`s` from one publisher to the next; about
it, runs of one publisher scatter by :math:`r`. After :math:`n` runs of one stack on one chip with a mean residual
:math:`\bar d` (the logarithm of measured over predicted) the offset is normal with

.. math:: \mathrm{mean} = \bar d \, \frac{n s^2}{n s^2 + r^2}, \qquad
          \mathrm{variance} = \frac{s^2 r^2}{n s^2 + r^2}.

One run moves it by :math:`s^2 / (s^2 + r^2)` of what it is off, many by all of it. Most of the offset is the
publisher's on whatever it runs: :math:`s^2 = c^2 + q^2`, where :math:`q` is the part of one stack on one chip. Other
stacks and chips move by the common part, and several pairs of stack and chip are solved for together.
Source of the law: the posterior of a normal mean of known variances (Gelman et al., Bayesian Data Analysis, 3rd ed.,
section 2.5).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.units import NORMAL_90, Array

PUBLISHER_LOG_SD = 0.14
"""s: spread of the offsets of publishers in the logarithm of a step. Source: left-out predictions of 35 publishers,
root mean square and robust alike (`python -m fit.anchors` prints the present one)."""

PAIR_LOG_SD = 0.06
"""q: what one stack's offset on one chip differs by from the publisher's. Source: tables and releases of one publisher
about its offset (0.06). Without a common part three own runs leave 12.9 % in place of 11.6 (docs/log.md)."""

RUN_LOG_SD = 0.12
"""r: spread of a publisher's runs about its offset. Source: scale of the residuals at which the fit of step times
starts to count a run less; the scatter within a source (`python -m fit.anchors`)."""

FARTHEST_RUN_SDS = 3.0
"""A run counts as at most so many r from the median of the runs, so that one that went wrong does not carry the rest.
Chosen."""

REPEAT_LOG_SD = 0.03
"""e: spread of the steps of one configuration that runs again. Source: rows of one table that differ in nothing but
their note scatter by 0.028 and 0.034 in Megatron Bridge 25.09 and 25.11 (12 configurations), by less than 0.005 in
tables of 8B models on GB200 and of torchtune (12 configurations), each the root mean square within configurations."""

STEP_SHIFT = "step_shift"
"""Quantity of the local row: the factor, 1 where the steps are as predicted."""

MEASURED_STEP = "measured_step"
"""Quantity of the local row of exactly one configuration: its factor, in place of that of its stack on its chip."""


@dataclass(frozen=True, slots=True)
class ShiftPrior:
    """What is known of an offset before a step is measured: variances of its logarithm."""

    common: float = PUBLISHER_LOG_SD**2 - PAIR_LOG_SD**2  # what all stacks and chips of a publisher share
    pair: float = PAIR_LOG_SD**2  # what is one stack's on one chip


@dataclass(frozen=True, slots=True)
class Shift:
    """The logarithm of a factor on step times, and its spread."""

    log: float
    log_sd: float


def shifts_of(
    gaps: Sequence[float],
    pairs: Sequence[str],
    prior: ShiftPrior | None = None,
    open_log_sds: Mapping[str, float] | None = None,
    scatter: Array | None = None,
) -> dict[str, Shift]:
    """Return the shift of each pair of stack and chip whose steps were measured, and of any other (`ANYWHERE`).

    Args:
        gaps: logarithm of measured over predicted seconds, one a run; none: nothing is known
        pairs: of each run, as `pair_name` writes it
        prior: what is known before; None: what publishers differ by
        open_log_sds: by pair, how far the constants of its chip are open besides: its own runs tell that of it alone
        scatter: covariance of the runs about the offset; None: each by itself, of variance r²

    >>> found = shifts_of([math.log(1.2)], ["fsdp2 on H100"])
    >>> {name: (round(one.log / math.log(1.2), 3), round(one.log_sd, 3)) for name, one in found.items()}
    {'fsdp2 on H100': (0.576, 0.091), 'all others': (0.471, 0.11)}
    >>> shifts_of([], [])
    {'all others': Shift(log=0.0, log_sd=0.14)}
    """
    known = prior or ShiftPrior()
    names = np.array([*dict.fromkeys(pairs), ANYWHERE])
    of_run = np.array(pairs, dtype=names.dtype)
    far, middle = FARTHEST_RUN_SDS * RUN_LOG_SD, float(np.median(gaps)) if len(gaps) else 0.0
    seen = np.clip(np.array(gaps, dtype=float), middle - far, middle + far)
    more = open_log_sds or {}
    own, of_name = (np.array([known.pair + more.get(str(one), 0.0) ** 2 for one in part]) for part in (of_run, names))
    same = known.common + own * (of_run[:, None] == of_run)
    reach = known.common + own * (names[:, None] == of_run)
    about = RUN_LOG_SD**2 * np.eye(len(seen)) if scatter is None else scatter
    gain = np.linalg.solve(same + about, reach.T).T
    left = known.common + of_name - (gain * reach).sum(axis=1)
    return {
        str(name): Shift(float(log), math.sqrt(max(float(variance), 0.0)))
        for name, log, variance in zip(names, gain @ seen, left, strict=True)
    }


def repeated_shift(gap: float, open_log_sd: float, runs: int = 1) -> Shift:
    r"""Return the shift of exactly the configuration that was measured: of it, only a repetition's noise stays open.

    The offset of its publisher and what is its own beside that (:math:`r`) are told by the same run, so that

    .. math:: \mathrm{mean} = d \, \frac{s^2 + r^2}{s^2 + r^2 + e^2 / n}, \qquad
              \mathrm{variance} = \frac{(s^2 + r^2)\,e^2}{s^2 + r^2 + e^2}.

    However many repetitions there were, the next one scatters as the first.

    Args:
        gap: logarithm of measured over predicted seconds, the mean of all repetitions, :math:`d`
        open_log_sd: how far its publisher's offset, and the constants of its chip, are open, :math:`s`
        runs: repetitions that were measured, :math:`n`

    Source: as `shifts_of`.

    >>> found = repeated_shift(math.log(1.4), 0.14)
    >>> round(math.exp(found.log), 3), round(found.log_sd, 3)
    (1.388, 0.03)
    >>> round(math.exp(repeated_shift(math.log(1.4), 0.14, runs=10).log), 3)
    1.399
    """
    variance = open_log_sd**2 + RUN_LOG_SD**2
    one, all_runs = (variance / (variance + REPEAT_LOG_SD**2 / count) for count in (1, runs))
    return Shift(gap * all_runs, math.sqrt(one) * REPEAT_LOG_SD)


def narrowed_log_sd(log_sd: Array | float, shift_log_sd: Array | float) -> Array:
    """Return the spread of a stack's step time once a shift replaces the publisher's part of it.

    It is not less than what the runs themselves scatter by, and never more than before.

    Args:
        log_sd: spread without a run of one's own, that of publishers included
        shift_log_sd: spread that is left of the shift; NaN where no step was measured

    >>> narrowed_log_sd(np.array([0.2, 0.1, 0.2]), np.array([0.0911, 0.09, math.nan])).round(3)
    array([0.169, 0.1  , 0.2  ])
    """
    before = np.asarray(log_sd, dtype=float)
    rest = np.maximum(before**2 - PUBLISHER_LOG_SD**2, RUN_LOG_SD**2)
    return np.asarray(np.fmin(before, np.sqrt(rest + np.square(shift_log_sd))))


def interval_factors(log_sd: float) -> tuple[float, float]:
    """Return the ends of a 90 % interval as factors of its median.

    >>> [round(end, 2) for end in interval_factors(0.209)]
    [0.71, 1.41]
    """
    high = math.exp(NORMAL_90 * log_sd)
    return 1 / high, high


def pair_name(stack: str, accelerator: str) -> str:
    """Return what a stack on a chip is called, as the entity of a local row.

    >>> pair_name("fsdp2", "H100-80GB-SXM"), pair_of("fsdp2 on H100-80GB-SXM")
    ('fsdp2 on H100-80GB-SXM', ('fsdp2', 'H100-80GB-SXM'))
    """
    return f"{stack} on {accelerator}"


def pair_of(entity: str) -> tuple[str, str]:
    """Return the stack and the chip of a `pair_name`."""
    stack, _, accelerator = entity.partition(" on ")
    return stack, accelerator


ANYWHERE = "all others"
"""Entity of the row that stands for every stack and chip whose steps were not measured."""
