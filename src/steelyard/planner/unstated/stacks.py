"""The stack of a pinned configuration where nobody names one: one that fits, and the others that it may be run on."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from steelyard.catalog import load
from steelyard.catalog.policy import policy
from steelyard.catalog.usual.rows import WHOLE
from steelyard.catalog.usual.shares import stack_share
from steelyard.errors import BadLayout
from steelyard.job import JobSpec
from steelyard.job.degrees import PRINTED
from steelyard.job.job_spec import job_on
from steelyard.job.unstated.stack import TUNED
from steelyard.market.options import SiteOption
from steelyard.planner.engine import ENGINE
from steelyard.planner.unstated.fit import Fit, fit_of
from steelyard.planner.unstated.layouts import Bench, Laid, asked_or_least, layout_of_stack, settings_of_text
from steelyard.planner.unstated.mixtures import memory_branches
from steelyard.planner.unstated.ways import PossibleRun
from steelyard.reasons.draws import Setting
from steelyard.search.survivors import NOWHERE
from steelyard.tables import Job, Offer
from steelyard.vocabulary import DOES_NOT_FIT, FITS, ON_DEMAND

FAR_SLOWER = 1.5
"""Times the fastest stack's step beyond which a stack is not what a job is run on: chosen, as far as stacks lie apart
on layouts that suit them all."""


def chosen_layouts(text: str, spec: JobSpec, job: Job, on: Bench) -> tuple[Laid, ...]:
    """Return the stack and the layout of a pinned configuration, then those of other stacks that it may be run on.

    What is stated is kept. Of the rest the usual setting of its stack's recipes is taken (`job.unstated.usual`), as of
    a measured row that is silent; what they leave open, or all where that does not fit in memory or cannot be run, is
    the fastest that fits. Where nothing fits it is what comes nearest to it. A job that names no stack has one of those
    with which it fits, as far as there is any: of these the one of the middle in time, each counted as often as it is
    met, and one that tunes a model the commonest; never the fastest for not being named. A layout with every setting
    that is always printed (`PRINTED`) is whole: what it leaves out is not done.

    Args:
        text: settings that are given, as a layout is written; empty: those of the job.
        spec: the job.
        job: its numbers.
        on: what it runs on.
    """
    whole = settings_of_text(text).keys() >= PRINTED
    if spec.stack is None:
        found = list(_of_each_stack(text, spec, job, on, whole))
        able = [(laid, fit) for laid, fit in found if whole or spec.task in TUNED or fit.word == FITS]
        able = able or [(laid, fit) for laid, fit in found if fit.word != DOES_NOT_FIT]
        if able and spec.task in TUNED:
            return _best_first(able)
        if able:
            return _middle_first(able, job, on)
    return (asked_or_least(text, spec, job, on) if whole else layout_of_stack(text, spec, job, on),)


def _of_each_stack(text: str, spec: JobSpec, job: Job, on: Bench, whole: bool) -> Iterator[tuple[Laid, Fit]]:
    """Yield each stack that can run what is stated, with its layout and whether that fits."""
    for stack in on.stacks:
        told, alone = replace(spec, stack=stack.name), replace(on, stacks=(stack,))
        with suppress(BadLayout):
            own = job_on(spec, stack.name)
            laid = (asked_or_least if whole else layout_of_stack)(text, told, own, alone)
            own = replace(own, batch_samples=job.batch_samples, samples=job.samples)
            setting = Setting(own, laid[1], on.hardware, laid[0], _ANY_POLICY, {}, _ANYWHERE, _FOR_NOTHING)
            yield laid, fit_of(memory_branches((PossibleRun(1.0, setting),), told, ()))


_ANY_POLICY, _ANYWHERE, _FOR_NOTHING = policy(ON_DEMAND), SiteOption("", NOWHERE), Offer.rent(0.0)
"""What a step and its memory do not follow from."""


def _best_first(found: Sequence[tuple[Laid, Fit]]) -> tuple[Laid, ...]:
    """Return those of some stacks and layouts that fit, or may, else all of them; the first is the commonest that fits.

    Args:
        found: the commonest first.
    """
    shown = min(range(len(found)), key=lambda place: found[place][1].rank)
    able = any(fit.word != DOES_NOT_FIT for _, fit in found)
    rest = [
        laid for place, (laid, fit) in enumerate(found) if place != shown and not (able and fit.word == DOES_NOT_FIT)
    ]
    return (found[shown][0], *rest)


def _middle_first(found: Sequence[tuple[Laid, Fit]], job: Job, on: Bench) -> tuple[Laid, ...]:
    """Return those of some stacks and layouts that are not far slower than another; of what fits the median first.

    Each counts as often as its stack is met. Nobody runs one that is `FAR_SLOWER` than what is at hand: a stack without
    pipelines on thousands of devices.
    """
    machine, kernels = on.hardware.machine, on.hardware.kernels
    taken = [
        float(
            ENGINE.predict(
                job, laid, machine, kernels, one.stack, _ANY_POLICY, _ANYWHERE.site, _FOR_NOTHING
            ).time.total_s
        )
        for (one, laid), _ in found
    ]
    near = [one for one, seconds in enumerate(taken) if not seconds > FAR_SLOWER * min(taken)]
    least = min(found[one][1].rank for one in near)
    order = sorted((one for one in near if found[one][1].rank == least), key=lambda one: taken[one])
    names = [found[one][0][0].name for one in order]
    pipelined = all(found[one][0][1].pp > 1 for one in order)
    reached = np.cumsum([stack_share(name, names, WHOLE, load(), pipelined) for name in names])
    middle = order[int(np.searchsorted(reached, reached[-1] / 2))]
    return (found[middle][0], *(found[one][0] for one in near if one != middle))
