r"""Failures and reclaimed spot nodes: how often, how often to save, and what is lost.

Time is divided by one second of *work* (training and evaluation without interruptions). With :math:`\lambda`
interruptions a second, :math:`T_s` blocking seconds a checkpoint and :math:`T_r` seconds of restart, a run saves
every :math:`T_c` seconds (beginning to beginning) and pays, for each second of work, :math:`T_s / (T_c - T_s)` for
saving; each second of uptime costs another :math:`\lambda T_r` of restarts and :math:`\lambda T_c / 2` of rework.
"""

import numpy as np

from steelyard.units import Count, PerSecond, Quantity, Seconds, Share

MOST_EXPECTED = 50.0
"""Interruptions of one attempt beyond which no more are counted: one attempt in 10^21 gets through. Chosen."""

REWORKED = 0.5
"""Of the time between two checkpoints, what a failure loses on average: it falls evenly between them (Young 1974)."""


def interruptions_per_s(
    devices: Count, failures_per_device_s: PerSecond, node_devices: Count, preemptions_per_node_s: PerSecond
) -> PerSecond:
    r"""Add up the rate at which anything stops the whole job: failures of devices and reclaims of nodes.

    .. math:: \lambda = N\,\lambda_f + \lceil N / g \rceil\,\lambda_p

    Args:
        devices: devices of the job, :math:`N` [-]
        failures_per_device_s: interruptions for each device-second, :math:`\lambda_f` [1/s]
        node_devices: devices of one host, :math:`g` [-]
        preemptions_per_node_s: spot reclaims for each node-second, :math:`\lambda_p` [1/s]

    Source: nodes in series (arXiv 2410.21680: the mean time to failure falls as 1/N); the example is Llama 3
        405B, 419 unexpected interruptions in 54 days on 16,384 devices (arXiv 2407.21783, section 3.3.4).
    Limits: independent interruptions; reclaims that take several nodes at once are counted once a node.

    >>> rate = interruptions_per_s(16384.0, 419 / (54 * 86400 * 16384), 8.0, 0.0)
    >>> round(float(1 / rate / 3600), 2)
    3.09
    """
    return devices * failures_per_device_s + np.ceil(devices / node_devices) * preemptions_per_node_s


def mean_time_to_failure_s(interruptions_per_s: PerSecond) -> Seconds:
    r"""Turn a rate of interruptions into the mean time between two.

    .. math:: T_f = 1 / \lambda

    Args:
        interruptions_per_s: rate at which the job is stopped, :math:`\lambda` (more than 0) [1/s]

    Source: definition of a Poisson rate; 6.50 failures in 1,000 node-days are one in 28.8 h on 1,024 devices of
        eight a node (arXiv 2410.21680, RSC-1).
    Limits: constant rate.

    >>> round(mean_time_to_failure_s(128 * 6.5e-3 / 86400) / 3600, 1)
    28.8
    """
    return 1.0 / interruptions_per_s


def reclaims_per_s(reclaimed_share: Share, period_s: Seconds) -> PerSecond:
    r"""Turn the share of spot capacity reclaimed over a period into the rate of one node.

    .. math:: \lambda_p = \frac{-\ln(1 - p)}{T}

    Args:
        reclaimed_share: share of instances interrupted over the period, :math:`p` (less than 1) [-]
        period_s: that period, :math:`T` [s]

    Source: AWS Spot Instance Advisor prints bands of "the rate at which Spot has reclaimed capacity during the trailing
        month"; the survival of a Poisson process is :math:`1 - p = e^{-\lambda T}`.
    Limits: constant over the month, whatever the hour.

    >>> round(float(reclaims_per_s(reclaimed_share=0.10, period_s=30 * 86400.0)) * 86400, 5)
    0.00351
    """
    return -np.log1p(-reclaimed_share) / period_s


def young_interval_s(mtbf_s: Seconds, save_s: Seconds) -> Seconds:
    r"""Space checkpoints for the least lost time, to first order, when restarts cost nothing.

    .. math:: T_c = \sqrt{2\,T_f\,T_s}

    Args:
        mtbf_s: mean time between failures of the whole job, :math:`T_f` [s]
        save_s: seconds a checkpoint blocks training, :math:`T_s` [s]

    Source: J. W. Young, "A first order approximation to the optimum checkpoint interval", CACM 17(9), 1974; Daly 2006.
    Limits: :math:`T_s \ll T_f`.

    >>> round(float(young_interval_s(mtbf_s=3.09 * 3600, save_s=2.84)))
    251
    """
    return np.sqrt(2.0 * mtbf_s * save_s)


def availability_interval_s(mtbf_s: Seconds, restart_s: Seconds, save_s: Seconds) -> Seconds:
    r"""Space checkpoints for the highest availability, from the beginning of one to the beginning of the next.

    .. math:: T_c = T_s + \sqrt{2\,(T_f + T_r)\,T_s + T_s^2}

    Args:
        mtbf_s: mean time between failures of the whole job, :math:`T_f` [s]
        restart_s: seconds from a failure to training again, :math:`T_r` [s]
        save_s: seconds a checkpoint blocks training, :math:`T_s` [s]

    Source: arXiv 2410.18124; it maximises :math:`(1 - T_s / T_c)\,T_f / (T_f + T_r + T_c / 2)`.
    Limits: a failure falls evenly between two checkpoints.

    >>> round(float(availability_interval_s(mtbf_s=3.09 * 3600, restart_s=600.0, save_s=2.84)))
    261
    """
    return save_s + np.sqrt(save_s * (2.0 * (mtbf_s + restart_s) + save_s))


def save_share(interruptions_per_s: PerSecond, restart_s: Seconds, blocking_s: Seconds) -> Share:
    r"""Spend on checkpoints, for each second of work, at the availability-optimal interval.

    .. math:: \frac{T_s}{T_c - T_s} = \frac{\sqrt{\lambda T_s\,q}}{q}, \qquad q = 2\,(1 + \lambda T_r) + \lambda T_s

    Args:
        interruptions_per_s: rate at which the job is stopped, :math:`\lambda`; 0 saves nothing [1/s]
        restart_s: seconds from a failure to training again, :math:`T_r` [s]
        blocking_s: seconds a checkpoint blocks training, :math:`T_s` [s]

    Source: `availability_interval_s` (arXiv 2410.18124) with :math:`T_f = 1/\lambda`, written so that
        no failures cost nothing.
    Limits: those of `availability_interval_s`.

    >>> round(float(save_share(1 / (3.09 * 3600), 600.0, 2.84)), 5)
    0.011
    """
    quotient = 2.0 + interruptions_per_s * (2.0 * restart_s + blocking_s)
    return np.sqrt(interruptions_per_s * blocking_s / quotient)


def rework_share(interruptions_per_s: PerSecond, restart_s: Seconds, blocking_s: Seconds, save_s: Seconds) -> Share:
    r"""Lose to work done twice, for each second of uptime: half an interval, and what was still being written.

    .. math:: \lambda\left(\frac{T_c}{2} + T_w - T_s\right) = \frac{\lambda T_s + \sqrt{\lambda T_s\,q}}{2}
              + \lambda\,(T_w - T_s), \qquad q = 2\,(1 + \lambda T_r) + \lambda T_s

    Args:
        interruptions_per_s: rate at which the job is stopped, :math:`\lambda`; 0 loses nothing [1/s]
        restart_s: seconds from a failure to training again, :math:`T_r` [s]
        blocking_s: seconds a checkpoint blocks training, :math:`T_s` [s]
        save_s: seconds until a checkpoint is safe in storage, :math:`T_w` (at least :math:`T_s`) [s]

    Source: `availability_interval_s` (arXiv 2410.18124); a checkpoint still being written in the background
        does not save the run.
    Limits: those of `availability_interval_s`; first order in :math:`\lambda T_c`.

    >>> round(float(rework_share(1 / (3.09 * 3600), 600.0, 2.84, 2.84)), 5)
    0.01174
    """
    at_stake = interruptions_per_s * blocking_s
    quotient = 2.0 + interruptions_per_s * (2.0 * restart_s + blocking_s)
    return 0.5 * (np.sqrt(at_stake * quotient) - at_stake) + interruptions_per_s * save_s


def availability_at(
    interruptions_per_s: PerSecond, restart_s: Seconds, blocking_s: Seconds, interval_s: Seconds
) -> Share:
    r"""Share of wall time that does work once, if a checkpoint is taken every so often, best or not.

    .. math:: A = \frac{1 - T_s / T_c}{1 + \lambda\,(T_r + T_c / 2)}

    Args:
        interruptions_per_s: rate at which the job is stopped, :math:`\lambda` [1/s]
        restart_s: seconds from a failure to training again, :math:`T_r` [s]
        blocking_s: seconds a checkpoint blocks training, :math:`T_s` [s]
        interval_s: from the beginning of one checkpoint to the beginning of the next, :math:`T_c` [s]

    Source: arXiv 2410.18124. The example is 100,000 GPUs at RSC-2's rate, whose intervals and restarts "need to be ~2
        minutes" for 0.9 (arXiv 2410.21680; its model also counts queueing).
    Limits: first order in :math:`\lambda T_c`.

    >>> rate = 100_000 / 8 * 2.34e-3 / 86400
    >>> round(availability_at(rate, restart_s=120.0, blocking_s=0.0, interval_s=120.0), 2)
    0.94
    """
    return (1.0 - blocking_s / interval_s) / (1.0 + interruptions_per_s * (restart_s + REWORKED * interval_s))


def unsaved_s(work_s: Seconds, interruptions_per_s: PerSecond) -> Seconds:
    r"""Time at work until a run that saves nothing gets through without an interruption, failed attempts included.

    .. math:: \frac{e^{\lambda W} - 1}{\lambda}, \qquad W \text{ for } \lambda = 0

    Args:
        work_s: seconds of work of one attempt, :math:`W` [s]
        interruptions_per_s: rate at which the job is stopped, :math:`\lambda` [1/s]

    Source: mean of a Poisson process' first gap of length :math:`W` (Daly 2006, with one segment and no save).
    Limits: :math:`\lambda W` is cut at `MOST_EXPECTED`, where the run never ends.

    >>> round(float(unsaved_s(work_s=24 * 3600.0, interruptions_per_s=1 / (6 * 3600))) / 3600, 1)
    321.6
    """
    expected = np.minimum(work_s * interruptions_per_s, MOST_EXPECTED)
    stopped = np.greater(expected, 0.0)
    return work_s * np.where(stopped, np.expm1(expected) / np.where(stopped, expected, 1.0), 1.0)


def failed_attempts(work_s: Seconds, interruptions_per_s: PerSecond) -> Count:
    r"""Count the attempts that a run which saves nothing loses before one gets through.

    .. math:: e^{\lambda W} - 1

    Args:
        work_s: seconds of work of one attempt, :math:`W` [s]
        interruptions_per_s: rate at which the job is stopped, :math:`\lambda` [1/s]

    Source: geometric distribution with the chance :math:`e^{-\lambda W}` of each attempt.
    Limits: those of `unsaved_s`.

    >>> round(float(failed_attempts(work_s=24 * 3600.0, interruptions_per_s=1 / (6 * 3600))), 1)
    53.6
    """
    return np.expm1(np.minimum(work_s * interruptions_per_s, MOST_EXPECTED))


def availability(interruptions_per_s: PerSecond, restart_s: Seconds, blocking_s: Seconds, save_s: Seconds) -> Share:
    r"""Share of wall time that does work once: what saving, restarts and rework leave.

    .. math:: A = \frac{1}{(1 + \sigma)\,(1 + \lambda T_r + \rho)}

    Args:
        interruptions_per_s: rate at which the job is stopped, :math:`\lambda` [1/s]
        restart_s: seconds from a failure to training again, :math:`T_r` [s]
        blocking_s: seconds a checkpoint blocks training, :math:`T_s` [s]
        save_s: seconds until a checkpoint is safe in storage [s]

    Source: arXiv 2410.18124, with :math:`\sigma` of `save_share` and :math:`\rho` of `rework_share`. Llama 3 405B
        reports more than 90% at one interruption in 3.09 h (arXiv 2407.21783, section 3.3.4).
    Limits: those of `availability_interval_s`.

    >>> round(float(availability(1 / (3.09 * 3600), 600.0, 2.84, 2.84)), 3)
    0.928
    """
    saving = save_share(interruptions_per_s, restart_s, blocking_s)
    rework = rework_share(interruptions_per_s, restart_s, blocking_s, save_s)
    return _over(saving, interruptions_per_s * restart_s + rework)


def _over(saving: Quantity, losses: Quantity) -> Quantity:
    return 1.0 / ((1.0 + saving) * (1.0 + losses))
