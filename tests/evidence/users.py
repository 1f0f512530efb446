"""What the page of accuracy says of runs of ordinary users."""

import math
from collections.abc import Iterator

from steelyard.evidence.runs.reader import user_runs
from steelyard.evidence.score.groups import LEAST_ROWS, score_summary
from steelyard.evidence.score.lock import locked
from steelyard.evidence.score.validation import scored_runs

USERS_HEAD = """## Runs of ordinary users

One card, adapters, fine-tunes, small pretraining (`users.csv`), but for the locked third of who ran them; they are in
none of the figures above. Their step times are predicted with the group left out where a fit has stored that, their
peaks by constants that no such run was fitted to.
"""


def user_scores() -> Iterator[tuple[str, str, int, tuple[float, float, float, float]]]:
    """Yield metric, group, runs, (median, 90th percentile, bias, coverage); last of a metric the mean of groups."""
    report = scored_runs([run for run in user_runs() if not locked(run)])
    for what, scores in (("step time", report.time), ("peak memory", report.memory)):
        large = tuple(one for one in scores if one.n >= LEAST_ROWS)
        for one in large:
            yield what, one.group, one.n, (one.median_error, one.p90_error, one.bias, one.coverage)
        mean = score_summary(large)
        figures = (mean.mean_of_medians, mean.mean_p90, math.nan, mean.mean_coverage)
        yield f"**{what}, mean**", "", mean.cases, figures
