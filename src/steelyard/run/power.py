"""Watts in each power state, as shares of a device's TDP that the catalog has fitted."""

import numpy as np

from steelyard.units import Count, Share, Watts


def state_w(tdp_w: Watts, power_share: Share, idle_w: Watts) -> Watts:
    r"""Power of one device in a state, from its share of the TDP; never less than it draws when idle.

    .. math:: W = \max(\phi\,W_{TDP},\ W_0)

    Args:
        tdp_w: thermal design power of one device, :math:`W_{TDP}` [W]
        power_share: mean draw in that state over the TDP, :math:`\phi` [-]
        idle_w: what the device draws when it waits, :math:`W_0` [W]

    Source: the share is a catalog row, fitted to measured power. "TDP is power" is wrong: a TPU v3 draws 220 W on
        average and 123 W at least, of 262 W (cloud.google.com/tpu/docs/v3).
    Limits: a mean over a state, not a peak.

    >>> round(float(state_w(262.0, 220 / 262, 123.0))), float(state_w(262.0, 0.25, 123.0))
    (220, 123.0)
    """
    return np.maximum(power_share * tdp_w, idle_w)


def wait_w(idle_w: Watts, tdp_w: Watts, idle_power: Share) -> Watts:
    r"""Power of one waiting device: its own idle watts where they are known, else a share of its TDP.

    .. math:: W_0 = W_{idle} \text{ if known, else } \phi_0\,W_{TDP}

    Args:
        idle_w: measured idle power of the device, :math:`W_{idle}`; NaN: unknown [W]
        tdp_w: thermal design power of one device, :math:`W_{TDP}` [W]
        idle_power: idle draw over the TDP of devices where it is known, :math:`\phi_0` [-]

    Source: the catalog's accelerators (idle watts) and power rows (share).
    Limits: an allocated device with a live context, not one that sleeps.

    >>> float(wait_w(idle_w=123.0, tdp_w=262.0, idle_power=0.1)), float(wait_w(float("nan"), 700.0, 0.1))
    (123.0, 70.0)
    """
    return np.where(np.isnan(idle_w), idle_power * tdp_w, idle_w)


def host_w(tdp_w: Watts, host_power: Share, rated_w: Watts) -> Watts:
    r"""Power of one device's share of its node (processors, memory, fans, power supplies, adapters) while training.

    .. math:: W_h = \min(\phi_h\,W_{TDP},\ W_{rated})

    Args:
        tdp_w: thermal design power of one device, :math:`W_{TDP}` [W]
        host_power: draw of the node beyond its devices, over their TDP, :math:`\phi_h` [-]
        rated_w: what the node may draw beyond its devices, one device's share, :math:`W_{rated}`; NaN: no bound [W]

    Source: the share is a catalog row, fitted to node power in MLPerf Training logs. A rating is an upper bound: eight
        H100 draw 856 to 900 W each with their node, of 1,275 W rated.
    Limits: the whole run at one level; an idle node draws less.

    >>> round(float(host_w(tdp_w=700.0, host_power=0.36, rated_w=575.0)))
    252
    """
    drawn_w = host_power * tdp_w
    return np.where(drawn_w > rated_w, rated_w, drawn_w)


def network_w(tdp_w: Watts, network_power: Share, devices: Count, domain_devices: Count) -> Watts:
    r"""Power of one device's share of the switches between the fast domains.

    .. math:: W_n = \phi_n\,W_{TDP} \text{ if } N > g, \text{ else } 0

    Args:
        tdp_w: thermal design power of one device, :math:`W_{TDP}` [W]
        network_power: draw of the switches over the devices' TDP, :math:`\phi_n` [-]
        devices: devices of the job, :math:`N` [-]
        domain_devices: devices joined by the fast links, :math:`g` [-]

    Source: the share is a catalog row; MLPerf Training v4.0, 512 H100: 59.57 kW estimated for the switches.
    Limits: a share of a fabric, whatever the traffic.

    >>> round(float(network_w(700.0, 0.166, 512.0, 8.0))), float(network_w(700.0, 0.166, 8.0, 8.0))
    (116, 0.0)
    """
    return network_power * tdp_w * np.greater(devices, domain_devices)
