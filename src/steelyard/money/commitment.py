"""A reservation: a term that is paid whether it is used or not."""

import numpy as np

from steelyard.units import Count, Seconds, Share, Usd, UsdPerSecond


def charged_s(wall_s: Seconds, term_s: Seconds, term_per_use: Share) -> Seconds:
    r"""Seconds of a commitment that one run must carry: its own, and its share of those that nobody uses.

    .. math:: t_c = \max(T,\ \min(D,\ u\,T))

    Args:
        wall_s: seconds that the run holds the devices, :math:`T` (more than 0) [s]
        term_s: length of the commitment, :math:`D`; 0: none [s]
        term_per_use: seconds of the term paid for each that is used, :math:`u`: one over the share of the term that all
            jobs together use; infinite: this run alone uses it [-]

    Source: definition. A reserved instance "provides a significant discount ... when you commit to a one-year or
        three-year term", billed for every hour of it (aws.amazon.com/ec2/pricing/reserved-instances).
    Limits: one term at a time, no resale; a run that outlasts its term goes on at the term's rate.

    >>> float(charged_s(wall_s=3 * 86400.0, term_s=365 * 86400.0, term_per_use=float("inf"))) / 86400
    365.0
    >>> float(charged_s(wall_s=3 * 86400.0, term_s=365 * 86400.0, term_per_use=1 / 0.75)) / 86400
    4.0
    """
    return np.maximum(wall_s, np.minimum(term_s, term_per_use * wall_s))


def unused_usd(
    devices: Count, wall_s: Seconds, term_s: Seconds, term_per_use: Share, usd_per_device_s: UsdPerSecond
) -> Usd:
    r"""Price of what a run must carry of a commitment beyond its own seconds.

    .. math:: c = N\,p\,(t_c - T)

    Args:
        devices: devices committed to, :math:`N` [-]
        wall_s: seconds that the run holds them, :math:`T` (more than 0) [s]
        term_s: length of the commitment; 0: none [s]
        term_per_use: seconds of the term paid for each that is used [-]
        usd_per_device_s: price of one device, :math:`p` [usd/s]

    Source: :math:`t_c` of `charged_s`. The example is eight H100 of AWS at the one-year rate of 2025-04-04.
    Limits: those of `charged_s`.

    >>> round(float(unused_usd(8.0, 3 * 86400.0, 365 * 86400.0, float("inf"), 7.5 / 3600)))
    521280
    """
    return devices * (charged_s(wall_s, term_s, term_per_use) - wall_s) * usd_per_device_s
