"""What a run is billed for beside its devices: electricity, storage, data that must move; and the whole bill."""

import numpy as np

from steelyard.money.commitment import unused_usd
from steelyard.money.rent import rent_usd
from steelyard.tables import Draw, Energy, Money, Offer
from steelyard.units import Bytes, Joules, Seconds, Usd, UsdPerByte, UsdPerByteSecond, UsdPerJoule, UsdPerSecond


def electricity_usd(facility_j: Joules, usd_per_facility_j: UsdPerJoule) -> Usd:
    r"""Price of the energy at the facility's meter, where the price of a device leaves it out.

    .. math:: c = E\,r \text{ if } r \ne 0, \text{ else } 0

    Args:
        facility_j: energy of the run at the facility's meter, :math:`E`; NaN: unknown, which only a tariff minds [J]
        usd_per_facility_j: tariff, :math:`r`; 0: in the price of the devices [usd/J]

    Source: power x PUE x tariff, the usual form of a cost of ownership (lambdalabs.com Hyperplane TCO).
    Limits: one tariff, no demand charge.

    >>> round(float(electricity_usd(facility_j=1000 * 3.6e6, usd_per_facility_j=0.10 / 3.6e6)), 6)
    100.0
    """
    return np.where(np.equal(usd_per_facility_j, 0.0), 0.0, facility_j * usd_per_facility_j)


def kept_usd_per_s(kept_bytes: Bytes, usd_per_byte_s: UsdPerByteSecond) -> UsdPerSecond:
    r"""Price of keeping data and checkpoints, for each second of the run.

    .. math:: s = B\,p

    Args:
        kept_bytes: data and checkpoints kept at once, :math:`B` [byte]
        usd_per_byte_s: price of storage, :math:`p` [usd/byte/s]

    Source: definition; S3 Standard is listed at 0.023 USD for a GB-month.
    Limits: one price, no tiers, no requests.

    >>> round(kept_usd_per_s(kept_bytes=1e12, usd_per_byte_s=0.023 / 1e9 / (730 * 3600)) * 730 * 3600, 6)
    23.0
    """
    return kept_bytes * usd_per_byte_s


def storage_usd(wall_s: Seconds, storage_usd_per_s: UsdPerSecond) -> Usd:
    r"""Price of what is kept in storage while the run lasts.

    .. math:: c = s\,T

    Args:
        wall_s: seconds from start to finish, :math:`T` [s]
        storage_usd_per_s: price of all that is kept, :math:`s` [usd/s]

    Source: `kept_usd_per_s`.
    Limits: before and after the run nothing is kept.

    >>> storage_usd(wall_s=1000.0, storage_usd_per_s=0.002)
    2.0
    """
    return wall_s * storage_usd_per_s


def moving_usd(moved_bytes: Bytes, usd_per_byte: UsdPerByte) -> Usd:
    r"""Price of carrying data out of where it lies.

    .. math:: c = B\,p

    Args:
        moved_bytes: data that must move, :math:`B`; 0 where it lies at the site [byte]
        usd_per_byte: price of egress where the data lies, :math:`p` [usd/byte]

    Source: definition; the first 10 TB out of AWS to the internet are listed at 0.09 USD a GB.
    Limits: one price, no tiers; the time that the move takes is not counted.

    >>> moving_usd(moved_bytes=2e12, usd_per_byte=0.09 / 1e9)
    180.0
    """
    return moved_bytes * usd_per_byte


def money(draw: Draw, energy: Energy, offer: Offer) -> Money:
    """Price a run at its offer; spot interruptions are already in the run's seconds. NaN: not sold so, or unknown.

    Source: `rent_usd`, `unused_usd`, `electricity_usd`, `storage_usd`; what moving data costs is the offer's.
    Limits: no tax, no minimum billing, no support plan.
    """
    compute = rent_usd(draw.devices, draw.wall_s, offer.usd_per_device_s)
    unused = unused_usd(draw.devices, draw.wall_s, offer.term_s, offer.term_per_use, offer.usd_per_device_s)
    electricity = electricity_usd(energy.facility_j, offer.usd_per_facility_j)
    stored = storage_usd(draw.wall_s, offer.storage_usd_per_s)
    return Money(
        compute_usd=compute,
        unused_usd=unused,
        energy_usd=electricity,
        storage_usd=stored,
        moving_usd=offer.moving_usd,
        total_usd=compute + unused + electricity + stored + offer.moving_usd,
    )
