"""Full predictions (time, memory, energy, carbon, money) a second on one core, single-threaded."""

import time
from collections.abc import Callable

from benchmarks.realistic import MODELS, job_and_world, mixed_block
from steelyard import pipeline
from steelyard.search.reduce import FREE, NOWHERE

SIZES = (4096, 16384, 65536)
SECONDS = 0.7


def lines() -> list[str]:
    """Measure blocks in which everything differs, and batches of one chip and stack as the search forms them."""
    found = []
    for model in MODELS:
        for size in SIZES:
            block = mixed_block(model, size)
            speed = rate(lambda block=block: pipeline.predict(*block), size)
            found.append(f"{model}, {size} rows, chip, stack, deal and layout differ: {speed:,.0f} a second")
        found.append(f"{model}, batches of one chip and stack, as in a plan: {batched(model):,.0f} a second")
    return found


def rate(run: Callable[[], object], rows: int) -> float:
    """Return rows a second of the fastest repetition."""
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return rows / best


def batched(model: str) -> float:
    """Return candidates a second over all batches of a plan."""
    job, world, candidates = job_and_world(model)
    batches = list(candidates.batches())
    start, rows = time.perf_counter(), 0
    for batch in batches:
        chip, tool = world.chips[batch.chip], world.tools[batch.tool]
        policy = world.policies[0]
        pipeline.predict(job, batch.layouts, chip.machine, chip.kernels, tool.stack, policy, NOWHERE, FREE)
        rows += batch.layouts.tp.size
    return rows / (time.perf_counter() - start)
