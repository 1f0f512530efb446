"""Score what is predicted of strangers: steps without an owner, peaks without a convention, the locked third.

A step is predicted by fits that never saw the owner of a group, with all of its tables, or the families of its chips,
or both; its interval is as wide as what such a fit knows makes it. A peak is predicted by fits that never saw a group,
or any row of a *convention* (rows whose states are all of 16 bits, of chunked losses, of a schedule ...), and so are
steps; runs of ordinary users are in no fit of memory. `locked` scores the third of the owners on which no choice was
made, by fits to the others.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from fit import hierarchy
from fit.conventions import conventions
from fit.hierarchy import Array, Labels
from fit.memory import model as memory
from fit.memory.intervals import CONVENTION, cross_fitted, fitted_peak_spread, log_sds, together
from fit.memory.residuals import every_residual, held_by, left_out_gaps, spread_of_rows
from fit.memory.residuals import of_users as peaks_of_users
from fit.stacks import intervals as widths
from fit.stacks.factors import Rows, as_strangers, factors, of_users, owners, problem_of, training_rows, unlocked
from fit.stacks.intervals import Residuals, interval_score, large
from fit.stacks.scores import evidence, strangers
from steelyard.catalog import load
from steelyard.catalog.spread import job_traits
from steelyard.evidence.frames.frame import RunFrame, frame_subset
from steelyard.evidence.runs.reader import published_runs, user_runs
from steelyard.evidence.score import validation
from steelyard.evidence.score.intervals import step_traits, waiting_shares
from steelyard.evidence.score.lock import locked
from steelyard.evidence.score.splits import Split
from steelyard.units import NORMAL_90

SPLITS = {"publisher": (True, False), "family": (False, True), "publisher and family": (True, True)}
"""Way of leaving out: whether the owner of a group, with all of its tables, and whether the families of its chips."""

TIME, MEMORY, FITS = "step_time_s", "peak_memory_bytes", "fits"
USERS = "users, "
"""Before the way of leaving out of runs of ordinary users, which are scored apart."""

PROCESS = "users' PEFT process"
"""The split of what a whole process shows, adapters on one card."""

PEAK_SPLITS = {
    "stack": "stack left out",
    "group": "group left out",
    "convention": CONVENTION,
    "users": "users",
    PROCESS: "users",
}
"""Split of the scores of peaks: what the residuals of fits that saw less call it."""


def step_times() -> Iterator[Split]:
    """Yield the scores of step time by group, with its owner left out, the families of its chips, and both.

    A row's interval is as wide as residuals of other owners make it.
    """
    data, log_s = training_rows()
    splits = residuals(data, log_s)
    fitted = _fitted(splits)
    for split, seen in splits.items():
        sd = widths.cross_log_sds(fitted, seen)
        for name, rows in kinds(data, split).items():
            yield from scores(TIME, name, seen.gap[rows], sd[rows], data.labels.group[rows])
    for seen in convention_residuals(data, log_s):
        yield from scores(TIME, "convention", seen.gap, widths.cross_log_sds(fitted, seen), seen.group)


def residuals(data: RunFrame, log_s: Array) -> dict[str, Residuals]:
    """Return what strangers miss of every row, by the way of leaving out."""
    parts = factors(data)
    problem, waiting, found = problem_of(data, log_s, parts), waiting_shares(data), {}
    for split, (siblings, families) in SPLITS.items():
        far = strangers(problem, data, parts, families=families, siblings=siblings)
        traits = step_traits(data, far.evidence, waiting, load())
        found[split] = Residuals(far.predicted - log_s, traits, data.labels.group, owners(data))
    return found


def convention_residuals(data: RunFrame, log_s: Array) -> Iterator[Residuals]:
    """Yield what fits that saw no run of a convention miss of its runs, one convention after the other."""
    parts = factors(data)
    problem, waiting = problem_of(data, log_s, parts), waiting_shares(data)
    for name, mask in conventions(data).items():
        if mask.any():
            alone = hierarchy.hiding(problem, mask)
            theta = hierarchy.fit(alone)
            known = evidence(parts, hierarchy.covariance(alone, theta))
            gap = problem.predict(as_strangers(parts, theta)) - log_s
            traits = step_traits(data, known, waiting, load())
            yield Residuals(gap, traits, np.full(len(data), name), owners(data)).part(mask)


def _fitted(splits: Mapping[str, Residuals]) -> Residuals:
    """Return what the width of steps is fitted to: large groups whose owners were left out."""
    some = [splits[name] for name in ("publisher", "publisher and family")]
    return widths.together(one.part(large(one.group)) for one in some)


def kinds(data: RunFrame, split: str) -> Mapping[str, Rows]:
    """Return the rows of each score of one way of leaving out, by its name."""
    users, task = of_users(data), np.array([run.task for run in data.runs])
    found = {split: ~users, USERS + split: users}
    if split == "publisher":
        found |= {
            f"users' LoRA, {split}": users & (task == "lora"),
            f"users' QLoRA, {split}": users & (task == "qlora"),
        }
    if split == "publisher and family":
        traits = job_traits(data.job)
        found |= {f"MoE, {split}": traits["moe"] > 0, f"adapters, {split}": traits["adapters"] > 0}
    return found


def locked_steps() -> Iterator[Split]:
    """Yield the scores of the step times of the locked third, as strangers: fit and widths are those of the others."""
    data, log_s = training_rows()
    parts = factors(data)
    seen, problem = unlocked(data), problem_of(data, log_s, parts)
    alone = hierarchy.hiding(problem, ~seen)
    theta = hierarchy.fit(alone)
    traits = step_traits(data, evidence(parts, hierarchy.covariance(alone, theta)), waiting_shares(data), load())
    width = widths.fitted_spread(_fitted(residuals(frame_subset(data, seen), log_s[seen])))
    gap, sd = problem.predict(as_strangers(parts, theta)) - log_s, width.log_sd(traits)
    for name, rows in (("locked", ~seen & ~of_users(data)), (f"{USERS}locked", ~seen & of_users(data))):
        yield from scores(TIME, name, gap[rows], sd[rows], data.labels.group[rows])


def peaks() -> Iterator[Split]:
    """Yield the scores of peak memory: a stack, a group and a convention left out; users' runs, which are in no fit.

    A peak's interval is as wide as residuals of other owners make it.
    """
    rows = memory.rows_of_cases()
    parts = memory.factors(rows)
    problem = memory.problem_of(rows, parts)
    seen = together(every_residual(rows, parts, problem, hierarchy.fit(problem), left_out_gaps(rows, problem)))
    wide = cross_fitted(seen)
    for split, name in PEAK_SPLITS.items():
        keep = seen.split == name
        if split == PROCESS:
            keep &= np.char.find(seen.group, "process") >= 0
        yield from scores(MEMORY, split, seen.gap[keep], wide[keep], seen.group[keep])


def locked_peaks() -> Iterator[Split]:
    """Yield the scores of the peaks of the locked third, by fits to the others, and of users' runs of it."""
    rows = memory.rows_of_cases()
    hidden = ~unlocked(rows.frame)
    seen = memory.hiding(rows, hidden)
    parts = memory.factors(rows)
    problem = memory.problem_of(seen, parts)
    theta = hierarchy.fit(problem)
    spread = fitted_peak_spread(together(every_residual(seen, parts, problem, theta, left_out_gaps(seen, problem))))
    wide, keep = spread_of_rows(rows, held_by(rows, parts, theta), spread), rows.scored & hidden
    gap = problem.predict(theta) - rows.log_bytes
    yield from scores(MEMORY, "locked", gap[keep], wide[keep], rows.frame.labels.group[keep])
    users = peaks_of_users(parts, theta, locked_third=True)
    yield from scores(MEMORY, USERS + "locked", users.gap, log_sds(spread, users), users.group)


def fits() -> Iterator[Split]:
    """Yield how memory decides on runs that ran out and runs that ran: the shipped ones, and users' unlocked ones."""
    report = validation.scored_runs((*published_runs(), *(run for run in user_runs() if not locked(run))))
    one, nothing = report.fits, float("nan")
    counts = {
        "ran out, called fitting": (one.ran_out, one.ran_out_fits),
        "ran, called too large": (one.ran, one.ran_does_not),
        "left open": (
            one.ran_out + one.ran,
            (one.ran_out * one.ran_out_may_not + one.ran * one.ran_may_not) / (one.ran_out + one.ran),
        ),
    }
    for split, (count, share) in counts.items():
        yield Split(FITS, split, "all", count, nothing, share, nothing, nothing, nothing, nothing)


def scores(metric: str, split: str, gap: Array, sd: Array, group: Labels) -> Iterator[Split]:
    """Yield the score of each group, given log predicted over measured and the claimed spread of each row."""
    half = NORMAL_90 * sd
    for name in sorted(set(group)):
        rows = group == name
        error = np.abs(np.expm1(gap[rows]))
        yield Split(
            metric=metric,
            split=split,
            group=str(name),
            n=int(rows.sum()),
            median=float(np.median(error)),
            mean=float(np.mean(error)),
            p90=float(np.quantile(error, 0.9)),
            bias=float(np.expm1(np.median(gap[rows]))),
            coverage=float(np.mean(np.abs(gap[rows]) <= half[rows])),
            naive=float("nan"),
            interval_score=float(np.mean(interval_score(gap[rows], half[rows]))),
        )
