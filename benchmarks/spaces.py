"""How long it takes to enumerate layouts, and how many candidates a plan considers."""

import time

from benchmarks.realistic import MODELS, job_and_world


def lines() -> list[str]:
    """Measure enumeration with its memory cut, per model over the whole catalog."""
    found = []
    for model in MODELS:
        job_and_world(model)
        _, _, candidates = job_and_world(model)
        start = time.perf_counter()
        for _ in candidates.batches():
            pass
        spent, tally = time.perf_counter() - start, candidates.tally
        found.append(
            f"{model}: {tally.considered:,} candidates in {spent:.2f} s ({tally.considered / spent:,.0f} a second); "
            f"{tally.out_of_memory:,} out of memory, {tally.dominated:,} recompute needlessly, "
            f"{tally.predicted:,} to predict"
        )
    return found
