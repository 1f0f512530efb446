"""What fits where a pinned configuration may not: the first thing to try next."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from steelyard.catalog import load
from steelyard.job import JobSpec
from steelyard.job.unstated.choices import unstated_settings
from steelyard.layout import text_of
from steelyard.planner.engine import ENGINE
from steelyard.planner.points import Configuration, configured, opened
from steelyard.planner.unstated.fit import Fit, fit_of
from steelyard.planner.unstated.layouts import Allowed, Bench, Laid, doublings, fastest
from steelyard.tables import Job, Layout
from steelyard.units import GIB_BYTES
from steelyard.vocabulary import FITS

MOST_TIMES = 16
"""Times as many devices to look for a layout that fits."""

MOST_TRIED = 3
"""Layouts that fit at the ends of their interval which are looked at with all that nobody states of the job."""

UNWRITTEN = {"recompute": "none", "offload": "0", "sp": "0"}
"""Values of settings that a layout leaves out where it is written; of the others it is 1."""

NO_WORD = 0.05
"""Difference of two times that is not worth a word."""

FOLLOWING = ("dp", "ga")
"""Settings that follow from the others and the batch."""


def fitting_text(spec: JobSpec, made: Configuration) -> str:
    """Return what fits where a configuration may not or does not: what differs, its memory, how long it takes.

    Empty where the configuration fits, and where its memory or the device's is unknown.

    Args:
        spec: its job.
        made: the configuration; of stacks only its own is looked at.
    """
    before = fit_of(made.branches)
    if before.word in {FITS, ""}:
        return ""
    on = Bench(made.setting.hardware, made.devices, (made.setting.stack,))
    for (_, layout), devices in islice(_layouts_that_fit(made.setting.job, on), MOST_TRIED):
        told = configured(replace(made.setting, layout=layout), ENGINE, made.system, made.deal)
        found = opened(told, spec, unstated_settings(spec, text_of(layout)), ())
        after = fit_of(found.branches)
        if after.word == FITS or after.share > max(before.share, 0.5):
            return _sentence(made, found, after, devices)
    return _larger_device(made, before, on)


def _larger_device(made: Configuration, fit: Fit, on: Bench) -> str:
    """Return how large a device must be where no layout of a stack fits, on however many; or that none is."""
    need = fit.memory_bytes.high / GIB_BYTES
    if need < max(one.memory_bytes for one in load().accelerators.values()) / GIB_BYTES:
        return f"what fits: a device of {math.ceil(need):,} GiB or more"
    name, most = made.setting.stack.written or made.setting.stack.name, on.count * MOST_TIMES
    return (
        f"nothing that {name} runs fits on up to {most:,} × {on.hardware.accelerator}; a plan looks for chips that do"
    )


def _layouts_that_fit(job: Job, on: Bench) -> Iterator[tuple[Laid, int]]:
    """Yield layouts that fit, the least change first, each with the devices that it is of.

    First states stay on the device; then they may rest on the host, which nobody has who does not say so; then there
    are more devices.
    """
    tries: list[tuple[Allowed, int]] = [({"offload": (0,)}, 1), *(({}, times) for times in doublings(MOST_TIMES))]
    for asked, times in tries:
        count = on.count * times
        if laid := fastest(job, asked, replace(on, count=count)):
            yield laid, count


def _sentence(made: Configuration, found: Configuration, fit: Fit, devices: int) -> str:
    """Return what differs in a configuration that fits, what it holds and how long it takes beside the other."""
    differing = _differing(made.setting.layout, found.setting.layout)
    if not differing and devices == made.devices:
        return f"what fits is what is shown: state it, as {text_of(found.setting.layout)}"
    more = f"{devices:,} × {made.setting.hardware.accelerator}, " if devices != made.devices else ""
    word = "fits" if fit.word == FITS else f"fits at {fit.share:.0%}"
    held, has = fit.memory_bytes.value / GIB_BYTES, fit.limit_bytes / GIB_BYTES
    longer = float(found.prediction.draw.wall_s) / float(made.prediction.draw.wall_s)
    pace = "as long" if abs(longer - 1) < NO_WORD else f"{longer:.2g} times as long"
    return f"what {word}: {more}{differing} ({held:.0f} of {has:.0f} GiB, {pace})"


def _differing(before: Layout, after: Layout) -> str:
    """Return the settings of a layout that are not those of another, as a layout is written."""
    old, new = (dict(one.split("=") for one in text_of(layout).split(",")) for layout in (before, after))
    whole = {**{name: UNWRITTEN.get(name, "1") for name in old}, **new}
    return ",".join(f"{key}={value}" for key, value in whole.items() if old.get(key) != value and key not in FOLLOWING)
