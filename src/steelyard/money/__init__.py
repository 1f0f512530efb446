"""What a run costs: rent, commitments, electricity, storage, data that moves, and what owning comes to."""

from steelyard.money.bill import electricity_usd, kept_usd_per_s, money, moving_usd, storage_usd
from steelyard.money.commitment import charged_s, unused_usd
from steelyard.money.rent import rent_usd

__all__ = [
    "charged_s",
    "electricity_usd",
    "kept_usd_per_s",
    "money",
    "moving_usd",
    "rent_usd",
    "storage_usd",
    "unused_usd",
]
