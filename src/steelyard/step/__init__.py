"""Seconds and bytes of one optimizer step on a laid-out machine (Machine)."""

from steelyard.step.drive import drive_memory
from steelyard.step.host import host_memory
from steelyard.step.memory import memory
from steelyard.step.rank import StagedJob, stage_job
from steelyard.step.time import time, waiting_share

__all__ = ["StagedJob", "drive_memory", "host_memory", "memory", "stage_job", "time", "waiting_share"]
