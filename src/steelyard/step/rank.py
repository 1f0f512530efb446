"""A job cut into stages, and one rank of it: what every kernel and every exchange asks for."""

from dataclasses import dataclass

from steelyard.step.divisors import Divisors, divisors
from steelyard.step.stages import Stage, stages
from steelyard.step.states import ModelParams, model_params
from steelyard.tables import Job, Kernels, Layout, Machine, Stack
from steelyard.units import Count


@dataclass(frozen=True, slots=True)
class StagedJob:
    """A job on layouts, cut into pipeline stages: all of it that neither accelerators nor software change."""

    job: Job
    layout: Layout
    by: Divisors
    stages: tuple[Stage, ...]  # those that can be the slowest or the heaviest
    params: ModelParams


def stage_job(job: Job, layout: Layout) -> StagedJob:
    """Return a job cut into the stages of some layouts, once for its time and its memory under whatever constants.

    Args:
        job: what is trained
        layout: one layout, or as many as its columns hold

    Source: Narayanan et al. 2021, arXiv 2104.04473, section 2.2 (stages); `divisors` (what layouts divide).
    """
    by, found = divisors(layout), stages(job.workload, layout)
    return StagedJob(job, layout, by, found, model_params(job.workload, layout, by, found))


@dataclass(frozen=True, slots=True)
class Rank:
    """What every kernel of one rank asks for: the job, how it is divided, the device, and its neighbours."""

    staged: StagedJob
    samples: Count  # of one micro-batch, a context-parallel rank's share
    machine: Machine
    kernels: Kernels
    stack: Stack

    @property
    def job(self) -> Job:
        """What is trained."""
        return self.staged.job

    @property
    def by(self) -> Divisors:
        """The number of each divisor."""
        return self.staged.by
