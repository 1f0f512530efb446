"""Fit and score the memory constants of software stacks on published peaks.

    python -m fit.memory --data FOLDER [--write]

FOLDER holds `llm_runs.csv.gz` and `simumax_b200.csv`. What the stacks' documentation says (bytes of a gradient, what
is sharded) is in `memory_structure` with its source; a few scales of each stack are fitted to its own rows with a
robust loss and a prior, and scored on rows that the fit has not seen. Deterministic. `--write` renews
`catalog/data/stacks_memory.csv`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from fit.memory_rows import Case, read, table
from fit.memory_structure import BY_PRECISION, COMMON, FITTED, STRUCTURE
from fit.memory_write import Fits, write
from steelyard.step.memory import memory
from steelyard.tables import Stack, StepMemory, join

Array = NDArray[np.float64]
Values = dict[str, float]
NOISE = 0.08  # log error of a row that is exactly described: rounding, allocator, release
FOLDS = 5
FLOOR = 0.05  # no peak is known better: allocator and release move it by as much
KIN = 6  # rows of other groups from which a stack's constants can be told
BETWEEN = 0.08  # sd of a group's own offset, added where one group alone describes a stack
NINETY = 1.645  # normal quantile of a 90 % interval
ANY = "any"


class Rows:
    """Rows as tables that broadcast."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = list(cases)
        self.job = join([case.job for case in cases])
        self.layout = join([case.layout for case in cases])
        self.measured = np.array([case.measured_bytes for case in cases])
        self.capacity = np.array([case.device_bytes for case in cases])
        self.metric = np.array([case.metric for case in cases])
        self.group = np.array([case.group for case in cases])
        self.stack = np.array([case.stack for case in cases])
        self.hosted = np.array([case.overrides.get("activations_kept", 1.0) == 0.0 for case in cases])

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """Return the rows that the mask names."""
        return Rows([case for case, wanted in zip(self.cases, mask, strict=True) if wanted])

    def constants(self, shared: Values, own: dict[str, Values] | None = None) -> Values:
        """Return each constant over the rows: shared, the stack's, its precision's, the row's own."""
        fields = {name: np.full(len(self.cases), value) for name, value in shared.items()}
        for index, case in enumerate(self.cases):
            exact = {name: known.value for name, known in BY_PRECISION.get((case.stack, case.precision), {}).items()}
            for name, value in {**(own or {}).get(case.stack, {}), **exact, **case.overrides}.items():
                if name in fields:
                    fields[name][index] = value
        return fields  # type: ignore[return-value]  # arrays broadcast where numbers do

    def peaks(self, fields: Values) -> StepMemory:
        """Return the memory of the rows."""
        return memory(self.job, self.layout, None, table(Stack, fields))  # type: ignore[arg-type]  # unread

    def predict(self, fields: Values, metric: str = "") -> Array:
        """Return the bytes that each row's metric (or the one given) counts."""
        peak = self.peaks(fields)
        allocated = peak.allocated_bytes - np.where(self.hosted, peak.activations_bytes, 0.0)
        reserved = allocated * fields["reserved_scale"]
        counted = np.full(len(self.cases), metric) if metric else self.metric
        device = reserved + fields["base_bytes"]
        return np.select([counted == "allocated", counted == "reserved"], [allocated, reserved], device)


def structure(stack: str) -> Values:
    """Return a stack's constants before any fit."""
    return {name: known.value for name, known in {**COMMON, **STRUCTURE.get(stack, {})}.items()}


def names_of(rows: Rows) -> list[str]:
    """Return the constants that these rows can tell."""
    recompute, zero = np.asarray(rows.layout.recompute), np.asarray(rows.layout.zero)
    quantised = np.asarray(rows.job.frozen_bytes) < 2
    told = {
        "activation_scale": np.any((recompute == 0) & ~rows.hosted),
        "working_scale": np.any(recompute == 2),
        "logit_bytes": True,
        "workspace_bytes": True,
        "base_bytes": np.any(rows.metric == "device"),
        "quantised_scale": np.any(quantised & (recompute == 0)),
        "gathered_units": np.any(zero == 3),
    }
    return [name for name, usable in told.items() if usable]


def fit(rows: Rows, start: Values, own: dict[str, Values] | None = None) -> Values:
    """Return the constants with those that the rows can tell fitted to them."""
    names = names_of(rows)
    centre = np.array([np.log(start[name]) for name in names])
    spread = np.array([FITTED[name].log_sd for name in names])
    count = {group: int(np.sum(rows.group == group)) for group in set(rows.group)}
    weight = np.array([count[group] ** -0.25 for group in rows.group])
    fixed = rows.constants(start, own)

    def residuals(x: Array) -> Array:
        moved = dict(zip(names, np.exp(x), strict=True))
        fields = fixed | {name: fixed[name] * (moved[name] / start[name]) for name in names}
        error = np.log(rows.predict(fields) / rows.measured) / NOISE
        soft = np.sign(error) * np.sqrt(2 * (np.sqrt(1 + error**2) - 1))
        return np.concatenate([weight * soft, (x - centre) / spread])

    found = least_squares(residuals, centre)
    return start | dict(zip(names, (float(value) for value in np.exp(found.x)), strict=True))


def errors(rows: Rows, values: Values, own: dict[str, Values] | None = None) -> Array:
    """Return the log error of each row."""
    return np.log(rows.predict(rows.constants(values, own)) / rows.measured)


def shared(rows: Rows) -> Values:
    """Return the constants of any stack: documented differences kept, scales fitted over all stacks together."""
    return fit(rows, structure(ANY), _documented())


def _documented() -> dict[str, Values]:
    """What each stack documents and no fit moves."""
    return {
        stack: {name: known.value for name, known in facts.items() if name not in FITTED}
        for stack, facts in STRUCTURE.items()
    }


def centre_of(stack: str, kin: Values) -> Values:
    """Return where a stack's fit starts and what its prior pulls to: what others share, and what it documents."""
    return kin | _documented().get(stack, {})


def folds(rows: Rows, stack: str) -> Array:
    """Return the log error of each of a stack's rows with its fold left out of the stack's fit."""
    mine = rows.where(rows.stack == stack)
    start = centre_of(stack, shared(rows.where(rows.stack != stack)))
    fold = np.arange(len(mine.cases)) % FOLDS
    error = np.empty(len(mine.cases))
    for k in sorted(set(fold)):
        values = fit(mine.where(fold != k), start) if np.any(fold != k) else start
        error[fold == k] = errors(mine.where(fold == k), values)
    return error


def left_out(rows: Rows) -> Array:
    """Return each row's log error with its group left out of every fit; the rest of its stack is known."""
    error = np.empty(len(rows.cases))
    for group in sorted(set(rows.group)):
        mine = rows.group == group
        stack = str(rows.stack[mine][0])
        kin = (rows.stack == stack) & ~mine
        start = centre_of(stack, shared(rows.where(~mine)))
        error[mine] = errors(rows.where(mine), fit(rows.where(kin), start) if np.any(kin) else start)
    return error


def unseen(rows: Rows) -> Array:
    """Return each row's log error with its whole stack left out, documented constants alone kept."""
    error = np.empty(len(rows.cases))
    for stack in sorted(set(rows.stack)):
        mine = rows.stack == stack
        error[mine] = errors(rows.where(mine), shared(rows.where(~mine)), _documented())
    return error


def spread(error: Array) -> float:
    """Return the log sd whose 90 % interval holds 90 % of these errors."""
    return float(np.quantile(np.abs(error), 0.9)) / NINETY


def spread_of(rows: Rows, stack: str, cross: Array, apart: Array) -> float:
    """Return a stack's spread: each group left out where the others can stand for it, else folds of rows."""
    mine = rows.stack == stack
    kin = np.array([np.sum(mine & (rows.group != group)) for group in rows.group[mine]])
    size = spread(np.where(kin >= KIN, apart[mine], cross[mine]))
    alone = len(set(rows.group[mine])) == 1
    return max(float(np.hypot(size, BETWEEN if alone else 0.0)), FLOOR)


def line(error: Array) -> str:
    """Format median, signed median and 90 % quantile of the error in per cent."""
    size = np.abs(np.expm1(error)) * 100
    return f"{np.median(size):5.1f} {np.median(np.expm1(error)) * 100:+6.1f} {np.quantile(size, 0.9):5.0f}"


def fitting(rows: Rows, ran_out: Rows, fits: Fits) -> None:
    """Print how well the prediction separates rows that ran from rows that did not.

    At a limit: predicted device memory against a share of the nominal GiB. With a margin: a row fits if the upper end
    of its interval does, and does not fit if the lower end does not.
    """
    own = {stack: dict(values) for stack, values in fits.values.items()}
    usable = rows.where(~np.isnan(rows.capacity))
    ratio, width = {}, {}
    for name, some in (("out", ran_out), ("ran", usable)):
        ratio[name] = some.predict(some.constants(own[ANY], own), "device") / some.capacity
        width[name] = np.array([fits.spreads.get(case.stack, fits.spreads[ANY]) for case in some.cases])
    print("\nlimit, share of nominal GiB   ran out: above it   ran: below it")
    for limit in (0.80, 0.85, 0.90, 0.95, 1.00):
        print(f"{limit:27.2f} {np.mean(ratio['out'] > limit):19.0%} {np.mean(ratio['ran'] <= limit):15.0%}")
    print("margin, sd                    ran out: not called fitting   ran: not called too large   ran: called fitting")
    for sds in (0.5, 1.0, NINETY):
        out = ratio["out"] * np.exp(sds * width["out"]) > 1
        low, high = (ratio["ran"] * np.exp(sign * sds * width["ran"]) for sign in (-1, 1))
        print(f"{sds:10.2f} {np.mean(out):44.0%} {np.mean(low <= 1):27.0%} {np.mean(high <= 1):21.0%}")
    print(f"rows that ran out: {len(ran_out.cases)}, that ran: {len(usable.cases)}")


def report(rows: Rows, scores: dict[str, Array]) -> None:
    """Print each group's error under each way of fitting."""
    print(f"{'group (median, signed median, p90 in %)':39s}" + "".join(f"{name:>21s}" for name in scores))
    for group in sorted(set(rows.group), key=lambda name: -int(np.sum(rows.group == name))):
        mine = rows.group == group
        print(f"{group:34s}{int(mine.sum()):5d}" + "".join(f"{line(e[mine]):>21s}" for e in scores.values()))
    large = [group for group in sorted(set(rows.group)) if np.sum(rows.group == group) >= 5]
    means = [np.mean([np.median(np.abs(np.expm1(e[rows.group == g]))) for g in large]) for e in scores.values()]
    print(f"{'mean of group medians, n >= 5':39s}" + "".join(f"{mean:>20.1%} " for mean in means))


def main() -> None:
    """Fit, score, print and, where asked, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    cases, skipped = read(given.data)
    rows = Rows([case for case in cases if not np.isnan(case.measured_bytes)])
    ran_out = Rows([case for case in cases if np.isnan(case.measured_bytes) and not np.isnan(case.device_bytes)])
    stacks = sorted(set(rows.stack))
    common = shared(rows)
    own = {stack: fit(rows.where(rows.stack == stack), centre_of(stack, common)) for stack in stacks}
    cross = np.empty(len(rows.cases))
    for stack in stacks:
        cross[rows.stack == stack] = folds(rows, stack)
    scores = {
        "blind": errors(rows, structure(ANY), {stack: structure(stack) for stack in STRUCTURE}),
        "fit": errors(rows, common, own),
        "5-fold": cross,
        "group left out": left_out(rows),
        "stack left out": unseen(rows),
    }
    told = {stack: names_of(rows.where(rows.stack == stack)) for stack in stacks} | {ANY: names_of(rows)}
    spreads = {stack: spread_of(rows, stack, cross, scores["group left out"]) for stack in stacks}
    fits = Fits(own | {ANY: common}, told, spreads | {ANY: spread(scores["stack left out"])}, groups_of(rows))
    report(rows, scores)
    fitting(rows, ran_out, fits)
    print(f"\n{len(skipped)} rows have no prediction:")
    for reason in sorted(set(skipped.values())):
        print(f"  {sum(value == reason for value in skipped.values()):3d}  {reason}")
    if given.write:
        write(fits)


def groups_of(rows: Rows) -> dict[str, dict[str, int]]:
    """Return the rows of each group behind each stack, and behind all of them."""
    found: dict[str, dict[str, int]] = {}
    for case in rows.cases:
        for name in (case.stack, ANY):
            counts = found.setdefault(name, {})
            counts[case.group] = counts.get(case.group, 0) + 1
    return found


if __name__ == "__main__":
    main()
