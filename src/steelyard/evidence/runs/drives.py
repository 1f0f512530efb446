"""Rows that put parameters or optimizer states on NVMe drives: what they say of it, and what that needs."""

from collections.abc import Mapping, Set
from dataclasses import replace

from steelyard.evidence.runs.columns import says
from steelyard.evidence.runs.run import Run
from steelyard.job.degrees import PRINTED
from steelyard.job.kept.drives import drive_entries, drive_layout
from steelyard.job.kept.recipes import parse_recipe

_COLUMNS = {"zero": ("sharding", "3"), "offload": ("offload", "optimizer")}


def written_on_drives(run: Run) -> Mapping[str, float]:
    """Return the entries of a recipe that a row's words, or its column of a recipe, say of drives.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> dict(written_on_drives(blank_run(note="NVMe offload"))), dict(written_on_drives(blank_run()))
    ({'states_on_nvme': 1.0}, {})
    """
    entries = parse_recipe(run.recipe) if says(run.recipe) and "nvme" in run.recipe.lower() else {}
    away = run.offload.replace(";", ",")
    return {**drive_entries(f"{run.stack}; {run.note}; offload {away}"), **entries}


def needed_by_drives(run: Run, settings: Set[str]) -> Run:
    """Return a row with the sharding and the offload that drives need in their columns, where it does not say them.

    Args:
        run: the row.
        settings: of its layout; one with all that is printed is whole, and what it leaves out is not done.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> made = needed_by_drives(blank_run(recipe="optimizer_states=nvme"), set())
    >>> made.sharding, made.offload
    ('3', 'optimizer')
    """
    needed = {} if settings >= PRINTED else drive_layout(written_on_drives(run))
    found = {column: word for column, word in map(_COLUMNS.__getitem__, needed) if not says(getattr(run, column))}
    return replace(run, **found) if found else run  # type: ignore[arg-type]  # texts all
