"""Devices that are held but do not train: waiting for a better hour, between two halves of a paused run."""

from steelyard.units import Count, Share, Watts


def held_w(devices: Count, idle_w: Watts, host_w: Watts, pue: Share) -> Watts:
    r"""Power at the facility's meter of devices that are held, powered and without work.

    .. math:: W = N\,(w_i + w_h)\,\mathrm{PUE}

    Args:
        devices: devices held, :math:`N` [-]
        idle_w: one device, powered and waiting, :math:`w_i` [W]
        host_w: one device's share of node and network, :math:`w_h` [W]
        pue: power usage effectiveness, facility over IT (at least 1) [-]

    Source: boundary of Patterson et al. 2021, arXiv 2104.10350, Table 3 (memory, network interface, fans, host CPU).
        The example is an idle H100 node: 8 devices at 70 W beside hosts at 200 W a device, in a hall of PUE 1.1.
    Limits: hosts stay at the level they hold while training: an upper bound of an idle node.

    >>> round(held_w(devices=8.0, idle_w=70.0, host_w=200.0, pue=1.1))
    2376
    """
    return devices * (idle_w + host_w) * pue
