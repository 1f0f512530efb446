"""A third of the sources is locked away from whoever chooses among formulas, priors and intervals.

A choice made on scores that are then published selects on itself. Whose runs are locked follows from the name of the
owner alone, so that nobody chooses it, and rows of an owner that is carried in later are locked, or not, by the same
rule. `python -m fit.stacks --unlocked` scores the other two thirds; the locked third is opened once, when the choices
are made, and `docs/log.md` has the date and how many they were.
"""

import hashlib

from steelyard.evidence.runs.run import Run, publisher

LOCKED_PARTS = 3
"""One part in so many is locked: chosen."""


def owner(run: Run) -> str:
    """Return who ran a published run: the owner of the repository, so that all tables of one are one source.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> owner(blank_run(source="NVIDIA/NeMo@8e3d65dcfe:docs/performance_summary.md"))
    'NVIDIA'
    """
    return publisher(run).split("/")[0]


def locked(run: Run) -> bool:
    """Tell whether a run belongs to the locked third.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> locked(blank_run(source="NVIDIA/NeMo@8e3d:a.md")), locked(blank_run(source="pytorch/torchtitan@1a2b:b.md"))
    (False, True)
    """
    return int(hashlib.sha256(owner(run).encode()).hexdigest(), 16) % LOCKED_PARTS == 0
