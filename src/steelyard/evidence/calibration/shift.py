"""The first thing that runs set: a shift of the time of a step, by its law in `catalog.local.step_shift`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog import Catalog, Fitted, stack_rows, stacks
from steelyard.catalog.local.step_shift import ANYWHERE, STEP_SHIFT, Shift, pair_name, shifts_of
from steelyard.evidence.calibration.sample import Sample
from steelyard.planner.measured.alike import scatter_covariance
from steelyard.units import Array


@dataclass(frozen=True, slots=True)
class StepShifts:
    """Shifts by pair of stack and chip, and how many runs each pair has."""

    by_pair: dict[str, Shift]
    runs: dict[str, int]

    def of(self, pairs: NDArray[np.str_]) -> Array:
        """Return the logarithm of the factor on each run's step; of a pair without a run, what the others tell."""
        return np.array([self.by_pair.get(str(name), self.by_pair[ANYWHERE]).log for name in pairs])

    def rows(self, blank: Fitted) -> list[Fitted]:
        """Return the local rows of the shifts; none where no step was measured."""
        return [
            replace(
                blank,
                entity=name,
                precision="any",
                quantity=STEP_SHIFT,
                value=float(np.exp(one.log)),
                unit="1",
                log_sd=round(one.log_sd, 4),
                rows=self.runs.get(name, sum(self.runs.values())),
                note="step time over the shipped fit's, shrunk; publishers differ so",
            )
            for name, one in self.by_pair.items()
            if self.runs
        ]


def pairs_of(of: Sample, names: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the pair of stack and chip of every run of a sample's frame."""
    chips = of.found.labels.accelerator
    return np.array([pair_name(str(a), str(b)) for a, b in zip(names, chips, strict=True)], dtype=np.str_)


@dataclass(frozen=True, slots=True)
class StepGaps:
    """How far measured steps are from predicted ones, and what they are of, a run each."""

    logs: Array  # of measured over predicted seconds
    pairs: NDArray[np.str_]  # of stack and chip
    texts: Sequence[str]  # configurations in words

    def by_text(self) -> dict[str, float]:
        """Return the median gap of each configuration."""
        found = dict[str, list[float]]()
        for text, gap in zip(self.texts, self.logs, strict=True):
            found.setdefault(text, []).append(float(gap))
        return {text: float(np.median(some)) for text, some in found.items()}


def step_shifts(known: StepGaps, open_log_sds: Mapping[str, float]) -> StepShifts:
    """Return the shifts that some measurements of step time set.

    Args:
        known: the measurements beside what the shipped fit predicts
        open_log_sds: by pair, how far the constants of its chip are open
    """
    mine = [str(name) for name in known.pairs]
    scatter = scatter_covariance(known.texts) if mine else None
    shifts = shifts_of([float(gap) for gap in known.logs], mine, open_log_sds=open_log_sds, scatter=scatter)
    return StepShifts(shifts, {name: mine.count(name) for name in mine})


def names_of_new_stacks(of: Sample, names: NDArray[np.str_], catalog: Catalog, blank: Fitted) -> list[Fitted]:
    """Return a row that makes each stack of the runs known that the catalog lacks: as its framework, or any, is."""
    known, made = set(stacks(catalog)), {}
    for row in of.owner:
        name, base = str(names[row]), str(of.found.labels.stack[row])
        if name not in known and name != "any":
            usual = stack_rows(base if base in known else "any", catalog)["time_scale"]
            note = f"as {usual.entity}, which it is read as"
            made[name] = replace(
                blank, entity=name, precision="any", quantity="time_scale", value=usual.value, unit=usual.unit,
                log_sd=usual.log_sd, rows=int(np.sum(names[of.owner] == name)), note=note,
            )  # fmt: skip
    return list(made.values())
