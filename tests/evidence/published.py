"""What several tests ask of all published runs, made once a process; nobody changes it."""

from functools import cache

from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score.validation import Validation, scored_runs


@cache
def published_scores() -> Validation:
    return scored_runs(published_runs())
