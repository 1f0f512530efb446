"""One rank of a layout: what every kernel and every exchange of it asks for."""

from dataclasses import dataclass

from steelyard.step.divisors import Divisors
from steelyard.step.stages import Stage
from steelyard.tables import Job, Kernels, Machine, Stack
from steelyard.units import Count


@dataclass(frozen=True, slots=True)
class Rank:
    """What every kernel of one rank asks for: the job, how it is divided, the device, and its neighbours."""

    job: Job
    samples: Count  # of one micro-batch, a context-parallel rank's share
    by: Divisors
    machine: Machine
    kernels: Kernels
    stack: Stack
    busiest: tuple[Stage, ...]  # those that can be the slowest
