"""The network between nodes where that of a machine is unknown: what machines of its family have."""

import math
from dataclasses import replace
from statistics import median

from steelyard import catalog as facts
from steelyard.market.options import HardwareOption
from steelyard.units import GB_BYTES

DOUBT = 2.0
"""A rate that stands in for an unknown one may be off by this factor at least: chosen, a generation of adapters."""


def family_networks(accelerator: str, catalog: facts.Catalog) -> tuple[float, ...]:
    """Return the lowest, median and highest network share of a family's devices; empty where none is known.

    Args:
        accelerator: of the catalog.
        catalog: of systems.

    >>> [rate / 1e9 for rate in family_networks("H20", facts.load())]
    [12.5, 50.0, 100.0]
    >>> family_networks("K80", facts.load())
    ()
    """
    family = catalog.accelerators[accelerator].family
    known = [
        row.nic_gb_per_s * GB_BYTES / row.node_devices
        for row in catalog.systems.values()
        if catalog.accelerators[row.accelerator].family == family and not math.isnan(row.nic_gb_per_s)
    ]
    if not known:
        return ()
    middle = median(known)
    return min(*known, middle / DOUBT), middle, max(*known, middle * DOUBT)


def with_network(option: HardwareOption, devices: int, catalog: facts.Catalog) -> HardwareOption:
    """Return a machine with the network of its family where so many devices need one and its own is unknown.

    Args:
        option: the machine.
        devices: of the job.
        catalog: of systems.

    >>> from steelyard.market.build import hardware_option
    >>> option = hardware_option(facts.load().system("H20"), "bf16", facts.load())
    >>> [with_network(option, count, facts.load()).machine.nic_bytes_per_s for count in (8, 64)]
    [nan, 50000000000.0]
    """
    machine = option.machine
    if not math.isnan(machine.nic_bytes_per_s) or devices <= machine.domain_devices:
        return option
    rates = family_networks(option.accelerator, catalog)
    return replace(option, machine=replace(machine, nic_bytes_per_s=rates[1]), networks=rates) if rates else option


def network_text(option: HardwareOption) -> str:
    """Return which network was taken of a machine of which none is known; empty where it is known, or not needed.

    >>> from steelyard.market.build import hardware_option
    >>> option = hardware_option(facts.load().system("H20"), "bf16", facts.load())
    >>> network_text(with_network(option, 64, facts.load()))
    'network 50 GB/s a device: the median of nvidia-hopper, 12.5 to 100 of others, as none of H20 is known (name a
    system)'
    """
    if not option.networks:
        return ""
    low, middle, high = (f"{rate / GB_BYTES:.3g}" for rate in option.networks)
    return (
        f"network {middle} GB/s a device: the median of {option.family}, {low} to {high} of others, as none of "
        f"{option.accelerator} is known (name a system)"
    )
