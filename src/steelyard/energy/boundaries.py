"""The three boundaries. PUE enters once, between the IT equipment and the facility, and nowhere else."""

from steelyard.tables import Draw, Energy, Site
from steelyard.units import Count, Joules, Seconds, Share, Watts


def accelerator_j(devices: Count, state_s: Seconds, state_w: Watts) -> Joules:
    r"""Energy of all accelerators in one power state.

    .. math:: E = N\,t\,W

    Args:
        devices: devices of the job, :math:`N` [-]
        state_s: seconds spent in the state, :math:`t` [s]
        state_w: mean power of one device in it, :math:`W` [W]

    Source: Patterson et al. 2021, arXiv 2104.10350, section 2 (hours x processors x average power); the example is its
        Table 4, T5: 512 TPU v3 for 20 days at 310 W, which with a PUE of 1.12 are 85.3 MWh (printed: 85.7).
    Limits: a mean power; the boundary is whatever the watts were measured at.

    >>> round(accelerator_j(512.0, 20 * 86400.0, 310.0) * 1.12 / 3.6e9, 1)
    85.3
    """
    return devices * (state_s * state_w)


def host_j(devices: Count, wall_s: Seconds, host_w: Watts) -> Joules:
    r"""Energy of the nodes and switches beyond their accelerators, over the whole run.

    .. math:: E_h = N\,t\,W_h

    Args:
        devices: devices of the job, :math:`N` [-]
        wall_s: seconds from start to finish, :math:`t` [s]
        host_w: one device's share of node and network, :math:`W_h` [W]

    Source: boundary of Patterson et al. 2021, arXiv 2104.10350, Table 3: "average system power per processor, including
        memory, network interface, fans, host CPU".
    Limits: hosts hold one level through training, checkpoints and restarts.

    >>> host_j(devices=8.0, wall_s=3600.0, host_w=250.0) / 3.6e6
    2.0
    """
    return devices * (wall_s * host_w)


def facility_j(it_j: Joules, pue: Share) -> Joules:
    r"""Energy that the datacenter takes in for what its IT equipment uses.

    .. math:: E_f = \mathrm{PUE}\,E_{IT}

    Args:
        it_j: energy of the IT equipment, :math:`E_{IT}` [J]
        pue: power usage effectiveness, facility over IT (at least 1) [-]

    Source: ISO/IEC 30134-2; Patterson et al. 2021, arXiv 2104.10350, section 2. The example is Gopher: 1,066 MWh of IT
        energy at a PUE of 1.08 (arXiv 2402.00838).
    Limits: the yearly mean of a site, applied to one run. Energy that already includes it must not pass here again.

    >>> round(facility_j(it_j=1066.0, pue=1.08))
    1151
    """
    return it_j * pue


def energy(draw: Draw, site: Site) -> Energy:
    """Add up a run's energy at three boundaries: accelerators, with hosts and network, and at the facility's meter.

    Source: ISO/IEC 30134-2 (boundaries of PUE); Patterson et al. 2021, arXiv 2104.10350, Table 3 (what a processor's
        average system power includes).
    Limits: storage and service nodes outside the job are the site's, not the run's.
    """
    accelerators = draw.devices * (
        draw.compute_s * draw.compute_w
        + draw.memory_s * draw.memory_w
        + draw.communication_s * draw.communication_w
        + draw.waiting_s * draw.waiting_w
        + draw.checkpoint_s * draw.checkpoint_w
        + draw.idle_s * draw.idle_w
    )
    it = accelerators + host_j(draw.devices, draw.wall_s, draw.host_w)
    return Energy(accelerator_j=accelerators, it_j=it, facility_j=facility_j(it, site.pue))
