"""What owning comes to: a purchase less what is left of it, what is paid whether used or not, when it beats rent."""

import numpy as np

from steelyard.units import Count, Seconds, Share, Usd, UsdPerJoule, UsdPerSecond, Watts


def colocation_usd_per_s(power_w: Watts, usd_per_w_s: UsdPerJoule) -> UsdPerSecond:
    r"""Price of a place in somebody's data centre, billed by the power that is reserved there.

    .. math:: c = W\,p

    Args:
        power_w: power reserved, drawn or not, :math:`W` [W]
        usd_per_w_s: price of one watt for a second, :math:`p` (135 USD a kW-month: 135 / 1000 / 2.628e6) [usd/J]

    Source: definition; Lambda bills its 10 kW Hyperplane-16 16,146 USD a year, 134.55 USD a kW-month (lambdalabs.com,
        "Hyperplane-16 InfiniBand Cluster Total Cost of Ownership Analysis").
    Limits: electricity and cooling are in the price, whatever is drawn.

    >>> year = 365 * 86400.0
    >>> round(colocation_usd_per_s(power_w=10e3, usd_per_w_s=134.55 / 1e3 / (year / 12)) * year)
    16146
    """
    return power_w * usd_per_w_s


def owned_usd(capital_usd: Usd, residual_usd: Usd, running_usd_per_s: UsdPerSecond, life_s: Seconds) -> Usd:
    r"""Cost of owning machines over their life, electricity by the meter left out.

    .. math:: C = K - R + r\,L

    Args:
        capital_usd: price of the machines with their network, :math:`K` [usd]
        residual_usd: what they sell for at the end, :math:`R` [usd]
        running_usd_per_s: colocation, administration, maintenance, whether used or not, :math:`r` [usd/s]
        life_s: how long they are kept, :math:`L` [s]

    Source: lambdalabs.com, "Hyperplane-16 InfiniBand Cluster Total Cost of Ownership Analysis": 299,504 USD upfront and
        26,146 a year are 377,942 USD after three years.
    Limits: no interest, no tax.

    >>> year = 365 * 86400.0
    >>> round(owned_usd(capital_usd=299504.0, residual_usd=0.0, running_usd_per_s=26146 / year, life_s=3 * year))
    377942
    """
    return capital_usd - residual_usd + running_usd_per_s * life_s


def owned_usd_per_device_s(owned_usd: Usd, devices: Count, life_s: Seconds, used_share: Share) -> UsdPerSecond:
    r"""Cost of owning, spread over the device-seconds that are used.

    .. math:: p = \frac{C}{N\,L\,u}

    Args:
        owned_usd: cost of owning all of them over their life, :math:`C` [usd]
        devices: devices owned, :math:`N` [-]
        life_s: how long they are kept, :math:`L` [s]
        used_share: share of that time in which they work, :math:`u` (above 0) [-]

    Source: definition; Lambda's Hyperplane-16 (16 V100) at three years and full use comes to 0.90 USD a GPU-hour.
    Limits: every used second bears the same share.

    >>> round(owned_usd_per_device_s(377942.0, 16.0, 3 * 365 * 86400.0, 1.0) * 3600, 2)
    0.9
    """
    return owned_usd / (devices * life_s * used_share)


def break_even_share(
    owned_usd_per_device_s: UsdPerSecond, rent_usd_per_device_s: UsdPerSecond, power_usd_per_device_s: UsdPerSecond
) -> Share:
    r"""Share of the time that owned machines must be in use for owning to cost no more than renting.

    .. math:: u = \frac{f}{p - v} \text{ if } p > v, \text{ else } \infty

    Args:
        owned_usd_per_device_s: cost of owning, at full use, :math:`f` [usd/s]
        rent_usd_per_device_s: rent of a device that does the same work, :math:`p` [usd/s]
        power_usd_per_device_s: electricity by the meter of one owned device in use, :math:`v` [usd/s]

    Source: cost of owning over used hours set equal to rent; the example is Lambda's Hyperplane-16 over three years
        (0.90 USD a GPU-hour) against a V100 at 3.06.
    Limits: above 1 renting is cheaper even if they never rest; infinite: electricity alone costs more than rent.

    >>> round(float(break_even_share(0.899, rent_usd_per_device_s=3.06, power_usd_per_device_s=0.0)), 3)
    0.294
    """
    gap = np.subtract(rent_usd_per_device_s, power_usd_per_device_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.divide(owned_usd_per_device_s, gap)
    return np.where(gap > 0, share, np.inf)
