"""What a run costs at the price of its purchase: on-demand or spot."""

from steelyard.money.rent import money, rent_usd

__all__ = ["money", "rent_usd"]
