"""The pipeline schedules by name and by number: whatever the files of `schedules` make."""

import importlib
import math
import pkgutil
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from steelyard.strategies import schedules
from steelyard.strategies.schedule import PipelineSchedule


def found_schedules() -> Mapping[str, PipelineSchedule]:
    """Return the schedules that the files of `schedules` make, by name, in the order of their numbers.

    Raises:
        ValueError: two files give their schedules one name or one number

    >>> list(found_schedules())[:2]
    ['1f1b', 'interleaved']
    """
    names = (module.name for module in pkgutil.iter_modules(schedules.__path__))
    modules = [importlib.import_module(f"{schedules.__name__}.{name}") for name in names]
    made = [one for module in modules for one in vars(module).values() if type(one) is PipelineSchedule]
    if len({one.name for one in made}) < len(made) or len({one.code for one in made}) < len(made):
        raise ValueError(f"schedules share a name or a number: {[(one.name, one.code) for one in made]}")
    return MappingProxyType({one.name: one for one in sorted(made, key=lambda one: one.code)})


SCHEDULES = found_schedules()


def named_schedule(text: str, chunks: float) -> PipelineSchedule | None:
    """Return the schedule that a text names and that runs so many chunks (NaN: any); None where it names none.

    >>> named_schedule("DeepSeek-V3 with DualPipe", 1).name, named_schedule("zero bubble, ZBV", math.nan).name
    ('dualpipe', 'zb-v')
    >>> named_schedule("without DualPipe", 1) is None, named_schedule("GPipe", 2) is None
    (True, True)
    """
    for one in list(SCHEDULES.values())[::-1]:
        if not one.pattern or not (math.isnan(chunks) or one.runs(chunks)):
            continue
        if re.search(rf"(?<!no )(?<!not )(?<!without )(?:{one.pattern})", text.lower()):
            return one
    return None


def suiting(names: Iterable[str], chunks: float) -> list[PipelineSchedule]:
    """Return those of some schedules that run stages of so many chunks, in the order of their numbers.

    >>> suiting(SCHEDULES, 1)[0].name, [[one.name for one in suiting(SCHEDULES, chunks)] for chunks in (2, 3)]
    ('1f1b', [['interleaved', 'zb-v'], ['interleaved']])
    """
    known = set(names)
    return [one for one in SCHEDULES.values() if one.name in known and one.runs(chunks)]


def usual_code(names: Iterable[str], chunks: float) -> int:
    """Return the number of the schedule that a stack runs where nobody names one; without a pipeline there is none.

    >>> usual_code(("1f1b", "interleaved"), 4), usual_code((), 1)
    (1, 0)
    """
    return next((one.code for one in suiting(names, chunks)), int(chunks > 1))
