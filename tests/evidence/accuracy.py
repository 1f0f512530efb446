"""Write docs/accuracy.md from the shipped runs and the stored splits: `make accuracy`."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from statistics import stdev

from tests.evidence.boards import bars, percent, strangers, table
from tests.evidence.split_names import NAMES
from tests.evidence.users import USERS_HEAD, user_scores

from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score.groups import LEAST_ROWS, GroupScore
from steelyard.evidence.score.outcomes import RunOutcome
from steelyard.evidence.score.splits import Split, split_mean, split_part, splits
from steelyard.evidence.score.validation import Validation, validate_runs

NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
WORST = 10
PEAK = "peak_memory"
BIASED = 0.75
"""From this share of the median error on, a group's error is mostly one offset."""

HEAD = """# How right it is

Written by `make accuracy` from `steelyard validate` on the published runs that the package carries, and from the
refits that `make fit` stores; a test fails when this page is not what they say. Nothing here is tuned to a row. Errors
are of seconds or bytes: predicted ÷ measured - 1. A *group* is one table of one publisher; groups of at least five rows
count the same, however many rows they have. *Left out* means that the constants were fitted without the whole group
(what its owner's other tables say of the owner is kept: a stranger's figures are without them all); *in sample* that
they were fitted to it as well, so the figure is optimistic. How the runs are read and scored:
[validation](validation.md).
"""

KNOWN = {
    "axlearn": "figures of a configuration file",
    "gb200-nvfp4-8b": "kernels written for this report",
    "llamafactory-unsloth-table": "a third party's table at a maximum length; real lengths are not stated",
    "nanogpt-family": "one model of 124 M parameters, 363 to 139 ms as its kernels, optimizer and head changed",
    "nemo-automodel": "experts on FSDP2 with DeepEP beside LoRA and dense models; kernels by row, in notes only",
    "neusight-asplos25": "fp32 in eager mode without the optimizer's step",
    "optimum-habana-ci": "thresholds of a regression test; the length is often the script's default",
    "prime-rl-ci": "two micro-batches on made-up data",
    "simumax-b200": "models cut to a few layers, one node",
    "torchtitan-2025-06": "an H100 of 500 W with HBM2e; async TP and the kind of fp8 scaling by row, in notes only",
    "vtrain-single": "interleaving is not stated",
    "xtuner-2024": "accelerator as in sibling files, micro-batch and recompute as in its defaults",
}
"""What the sources and notes of groups that are often among the worst say of how they were measured."""


def summary(report: Validation) -> str:
    """Return the table that the README shows."""
    time, memory, fits = report.time_summary, report.memory_summary, report.fits
    nothing = float("nan")
    rivals = (time.constant_mean_of_medians, time.six_nd_mean_of_medians)
    rows: list[tuple[str, str, tuple[float, ...]]] = [
        *stranger_rows(splits()),
        (
            f"step time: mean of the median errors of {time.groups} groups ({time.cases:,} runs)",
            fitted(time.left_out, time.in_sample),
            (time.mean_of_medians, *rivals),
        ),
        ("step time: the same, predicted now with nothing left out", "in sample", (time.live_mean_of_medians,)),
        ("step time: mean of the 90th percentiles", fitted(time.left_out, time.in_sample), (time.mean_p90,)),
        (
            "step time: measurements inside the 90 % interval",
            fitted(time.left_out, time.in_sample),
            (time.mean_coverage,),
        ),
        (
            f"peak memory: mean of the median errors of {memory.groups} groups ({memory.cases:,} runs)",
            fitted(memory.left_out, memory.in_sample),
            (memory.mean_of_medians,),
        ),
        ("peak memory: the same, predicted now with nothing left out", "in sample", (memory.live_mean_of_medians,)),
        (
            "peak memory: measurements inside the 90 % interval",
            fitted(memory.left_out, memory.in_sample),
            (memory.mean_coverage,),
        ),
        (f"of {fits.ran_out:,} runs that ran out of memory, not called fitting", "", (1 - fits.ran_out_fits,)),
        (f"of {fits.ran:,} runs that ran, not called too large", "", (1 - fits.ran_does_not,)),
    ]
    head = ["what", "the fit", ">Steelyard", ">one utilisation per accelerator", ">6ND at 40 %"]
    return table(
        head,
        [
            [what, fit, *(f"{percent(one)} %" if one == one else "" for one in (*values, nothing, nothing)[:3])]  # noqa: PLR0124
            for what, fit, values in rows
        ],
    )


def stranger_rows(found: Sequence[Split]) -> list[tuple[str, str, tuple[float, ...]]]:
    """Return the figures of those whose runs no fit has seen: what, what the fit knew, the figure."""
    rows: list[tuple[str, str, tuple[float, ...]]] = []
    for metric, split, what, without in STRANGERS:
        mine = split_part(found, metric, split)
        if not mine:
            continue
        figures = [split_mean(mine, name) for name in ("median", "p90", "coverage")]
        medians = [one.median for one in mine]
        error = stdev(medians) / len(mine) ** 0.5 if len(mine) > 1 else float("nan")
        beside = f" (standard error {percent(error)})" if "locked" in split else ""
        rows.append((f"{what}: mean of the median errors of {len(mine)} groups{beside}", without, (figures[0],)))
        if metric == "step_time_s":
            rows.append((f"{what}: 90th percentile", without, (figures[1],)))
        rows.append((f"{what}: inside the 90 % interval", without, (figures[2],)))
    return rows


STRANGERS = (
    ("step_time_s", "publisher", "a stranger's step time", "without their owner"),
    ("step_time_s", "publisher and family", "a stranger's step time", "without owner and chips"),
    ("step_time_s", "locked", "a stranger's step time, the locked third", "by the others"),
    ("step_time_s", "users, publisher", "an ordinary user's step time", "without their owner"),
    ("step_time_s", "users, locked", "an ordinary user's step time, the locked third", "by the others"),
    ("peak_memory_bytes", "locked", "a stranger's peak memory, the locked third", "by the others"),
    ("peak_memory_bytes", "users", "an ordinary user's peak memory", "without users' runs"),
    ("peak_memory_bytes", "users, locked", "an ordinary user's peak memory, the locked third", "by the others"),
)
"""Splits of runs that no fit has seen: metric, split, what it is, what the fit knew."""


def fitted(left_out: float, in_sample: float) -> str:
    """Return what the constants knew of the runs."""
    parts = [(left_out, "left out"), (in_sample, "in sample"), (1 - left_out - in_sample, "never seen")]
    told = [(share, name) for share, name in parts if share > 0.0005]
    return told[0][1] if len(told) == 1 else ", ".join(f"{percent(share, 0)} % {name}" for share, name in told)


def groups(title: str, scores: Sequence[GroupScore], *, rivals: bool) -> str:
    """Return the scores of every group."""
    head = ["group", ">rows", ">median", ">in sample", ">mean", ">p90", ">bias", ">inside 90 %", ">± log", "the fit"]
    head += [">constant", ">6ND"] if rivals else []
    rows = [
        [
            one.group,
            f"{one.n:,}",
            *(percent(value) for value in (one.median_error, one.live_error, one.mean_error, one.p90_error)),
            f"{100 * one.bias:+.1f}",
            percent(one.coverage, 0),
            f"{one.log_half_width:.2f}",
            fitted(one.left_out, one.in_sample),
            *((percent(one.constant_error), percent(one.six_nd_error)) if rivals else ()),
        ]
        for one in scores
    ]
    said = "Errors in per cent; *in sample*: the median by constants fitted to the group as well, predicted now."
    return f"## {title}\n\n{said}\n\n{table(head, rows)}\n"


def worst(report: Validation) -> str:
    """Return the groups furthest off, with what their rows show of the cause."""
    times = [one for one in report.cases if one.scored and not one.metric.startswith(PEAK)]
    anchored = {one.group: one.median for one in split_part(splits(), "step_time_s", "three anchors, group", 1)}
    large = sorted((one for one in report.time if one.n >= LEAST_ROWS), key=lambda one: -one.median_error)[:WORST]
    rows = []
    for one in large:
        mine = [row for row in times if row.group == one.group]
        others = [row for row in times if row.group != one.group]
        cause = [KNOWN[one.group]] if one.group in KNOWN else []
        why = "; ".join([*shown(one, mine, others), *cause])
        rows.append(
            [one.group, percent(one.median_error), f"{100 * one.bias:+.1f}", percent(anchored.get(one.group)), why]
        )
    head = ["group", ">median", ">bias", ">with three anchors", "what its rows show"]
    return (
        f"## The worst {WORST} groups, and why\n\n*With three anchors*: the median of its other runs once "
        f"`steelyard calibrate` has seen three of them.\n\n{table(head, rows)}\n"
    )


def shown(score: GroupScore, mine: Sequence[RunOutcome], others: Sequence[RunOutcome]) -> list[str]:
    """Return what distinguishes a group: an offset or scatter, a stack or chips of its own, what it leaves open."""
    said = ["mostly one offset" if abs(score.bias) > BIASED * score.median_error else "scatter"]
    for name in ("stack", "family"):
        alone = {getattr(row, name) for row in mine} - {getattr(row, name) for row in others}
        said += [f"no other group has the {name} {', '.join(sorted(alone))}"] if alone else []
    guesses = Counter(guess for row in mine for guess in row.assumed if guess not in ("network", "vocabulary"))
    open_ = [f"{guess} ({count} of {len(mine)})" for guess, count in guesses.most_common(3)]
    return said + ([f"left open: {', '.join(open_)}"] if open_ else [])


def ranking(report: Validation) -> str:
    """Return rank correlation and regret."""
    head = ["group", ">jobs", ">layouts", ">rank correlation", ">mean regret", ">median", ">worst", ">blind choice"]
    rows = [
        [
            one.group,
            str(one.sets),
            str(one.layouts),
            f"{one.spearman:.2f}",
            *(percent(v) for v in (one.mean_regret, one.median_regret, one.worst_regret, one.chance_regret)),
        ]
        for one in report.ranking
    ]
    return (
        "## Choosing among measured layouts of one job\n\nSame model, batch, sequence, accelerator, devices, precision "
        "and stack in at least three layouts whose degrees are published. Regret: by how many per cent the layout that "
        "is predicted fastest took longer than the best measured one; *blind choice* is the mean over all its layouts. "
        f"Predictions are those of the groups left out.\n\n{table(head, rows)}\n"
    )


def fits(report: Validation) -> str:
    """Return the three answers on rows that ran out and on rows that ran."""
    one = report.fits
    rows = [
        [
            "ran out of memory",
            f"{one.ran_out:,}",
            *map(percent, (one.ran_out_fits, one.ran_out_may_not, one.ran_out_does_not)),
        ],
        ["ran", f"{one.ran:,}", *map(percent, (one.ran_fits, one.ran_may_not, one.ran_does_not))],
    ]
    head = ["measured", ">runs", ">called: fits", ">may not fit", ">does not fit"]
    return (
        "## Does it fit\n\nAs `plan` judges: it fits if the upper end of the 90 % interval of device memory is within "
        "the device's, it does not if the lower end is above. In per cent of the runs; "
        f"{percent(one.left_out, 0)} % of them are judged by constants fitted without their group.\n\n"
        f"{table(head, rows)}\n"
    )


def signed(bias: float) -> str:
    """Return a bias in brackets, nothing for an unknown one."""
    return "" if bias != bias else f" ({100 * bias:+.0f})"  # noqa: PLR0124  # NaN


def further(found: Sequence[Split]) -> str:
    """Return the splits that need refits, each with its worst groups."""
    rows = []
    for (metric, split), name in NAMES.items():
        mine = split_part(found, metric, split, 1 if metric == "node_power_w" or "anchors" in split else LEAST_ROWS)
        if mine:
            furthest = sorted(mine, key=lambda one: -one.median)[:4]
            figures = [percent(split_mean(mine, figure)) for figure in ("median", "p90", "coverage", "naive")]
            names = ", ".join(f"{one.group} {percent(one.median, 0)}{signed(one.bias)}" for one in furthest)
            rows.append([name, str(len(mine)), *figures, names])
    head = ["what", ">groups", ">mean of medians", ">mean p90", ">inside 90 %", ">naive", "worst: median (bias)"]
    return (
        "## More left out\n\nFits made anew without a whole publisher, a family of chips, a device; errors in per cent "
        f"by group, stored by `make fit` (`evidence/score/splits.csv`).\n\n{table(head, rows)}\n"
    )


def users() -> str:
    """Return the scores of runs of ordinary users, whose steps are in the fit and whose peaks are not."""
    rows = [[what, group, str(runs), *map(percent, figures)] for what, group, runs, figures in user_scores()]
    head = ["what", "group", ">runs", ">median", ">p90", ">bias", ">inside 90 %"]
    return f"{USERS_HEAD}\n{table(head, rows)}\n"


def page(report: Validation) -> str:
    """Return docs/accuracy.md."""
    parts = [
        HEAD,
        summary(report) + "\n",
        strangers(splits(), report),
        bars(report),
        worst(report),
        ranking(report),
        fits(report),
        users(),
        further(splits()),
        groups("Step time by group", report.time, rivals=True),
        groups("Peak memory by group", report.memory, rivals=False),
    ]
    return "\n".join(parts)


def differences(written: str, made: str) -> list[str]:
    """Return the lines of two pages that differ by more than the last printed digit."""
    pairs = zip_longest(written.splitlines(), made.splitlines(), fillvalue="")
    return [new for old, new in pairs if not alike(old, new)]


def alike(one: str, other: str) -> bool:
    """Tell whether two lines say the same but for the last digit of their numbers."""
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(abs(float(old) - float(new)) <= 1.01 * 10.0 ** -len(old.partition(".")[2]) for old, new in pairs)


if __name__ == "__main__":
    print(page(validate_runs(published_runs())), end="")
