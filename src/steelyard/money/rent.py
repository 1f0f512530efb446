"""Rent: every device is paid from start to finish, whatever state it is in."""

from steelyard.units import Count, Seconds, Usd, UsdPerSecond


def rent_usd(devices: Count, wall_s: Seconds, usd_per_device_s: UsdPerSecond) -> Usd:
    r"""Price of holding the devices for the whole run.

    .. math:: c = N\,t\,p

    Args:
        devices: devices rented, :math:`N` [-]
        wall_s: seconds from start to finish, restarts and lost work included, :math:`t` [s]
        usd_per_device_s: price of one device, :math:`p` [usd/s]

    Source: definition; the example is MPT-7B: 440 A100 for 9.5 days at 2 dollars an hour, about $200k (MosaicML
        2023).
    Limits: whole nodes are the caller's business; billing by the second; no storage, no egress, no tax.

    >>> round(rent_usd(devices=440.0, wall_s=9.5 * 86400.0, usd_per_device_s=2 / 3600))
    200640
    """
    return devices * wall_s * usd_per_device_s
