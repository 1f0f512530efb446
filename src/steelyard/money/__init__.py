"""What a run costs: rent, commitments, electricity, storage, data that moves, and what owning comes to."""

from steelyard.money.bill import electricity_usd, kept_usd_per_s, money, moving_usd, storage_usd
from steelyard.money.commitment import charged_s, unused_usd
from steelyard.money.ownership import break_even_share, colocation_usd_per_s, owned_usd, owned_usd_per_device_s
from steelyard.money.rent import rent_usd

__all__ = [
    "break_even_share",
    "charged_s",
    "colocation_usd_per_s",
    "electricity_usd",
    "kept_usd_per_s",
    "money",
    "moving_usd",
    "owned_usd",
    "owned_usd_per_device_s",
    "rent_usd",
    "storage_usd",
    "unused_usd",
]
