"""Seconds and bytes of one optimizer step on a laid-out machine (Machine)."""

from steelyard.step.memory import memory
from steelyard.step.time import time

__all__ = ["memory", "time"]
