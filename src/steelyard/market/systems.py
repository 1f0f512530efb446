"""Which system is meant, and how many devices a job can get of it."""

import math
from collections.abc import Sequence

from steelyard import catalog as facts
from steelyard.catalog.query import plain_spelling

_UNBOUNDED = 10**7


def reach_devices(system: facts.System) -> int:
    """Return the devices that one job can get of a system: no more than a domain where the network is unknown.

    >>> [reach_devices(facts.load().system(name)) for name in ("node-RTX-4090", "p5.48xlarge")]
    [4, 10000000]
    """
    return system.max_devices or (system.domain_devices if math.isnan(system.nic_gb_per_s) else _UNBOUNDED)


def system_meant(
    name: str, count: int | None, offers: Sequence[facts.OfferRow], catalog: facts.Catalog
) -> facts.System:
    """Return the system of a name and a count: the one that is named, else that which stands for an accelerator.

    Where the network of the latter is unknown and its domain is too small for so many, the smallest node that is sold
    and holds them all stands for it, as a plan finds it.

    Args:
        name: of a system or an accelerator
        count: devices of the job; None: not said
        offers: what the job allows to buy
        catalog: of systems

    >>> rows = facts.load().offers
    >>> [system_meant("RTX-4090", count, rows, facts.load()).id for count in (4, 8, 16)]
    ['node-RTX-4090', 'vast/8x-RTX_4090-32-65536', 'node-RTX-4090']
    """
    meant = catalog.system(name)
    if count is None or is_named(name, meant) or _holds(meant, count):
        return meant
    sold = {row.system for row in offers if row.accelerator == meant.accelerator and count % row.devices == 0}
    able = [catalog.systems[one] for one in sold if _holds(catalog.systems[one], count)]
    return min(able, key=lambda one: (one.node_devices, one.id), default=meant)


def is_named(name: str, system: facts.System) -> bool:
    """Tell whether a name is that of a system itself, not of an accelerator that it stands for.

    >>> [is_named(name, facts.load().system(name)) for name in ("DGX-H100", "H100")]
    [True, False]
    """
    return plain_spelling(name) == plain_spelling(system.id)


def _holds(system: facts.System, count: int) -> bool:
    """Return whether so many devices can exchange gradients: within one domain, or over a network that is known."""
    return count <= (system.domain_devices if math.isnan(system.nic_gb_per_s) else reach_devices(system))
