"""Full predictions (time, memory, energy, carbon, money) a second on one core, single-threaded."""

import time
from collections.abc import Callable

from benchmarks.realistic import MODELS, mixed_block
from steelyard import pipeline

SIZES = (1, 1024, 4096, 16384, 65536)
SECONDS = 0.7


def lines() -> list[str]:
    """Measure blocks in which chip, stack, deal, site and layout all differ, by their size."""
    found = ["| model | " + " | ".join(f"blocks of {size:,}" for size in SIZES) + " |", "|---|" + "---|" * len(SIZES)]
    for model in MODELS:
        speeds = []
        for size in SIZES:
            block = mixed_block(model, size)
            speeds.append(rate(lambda block=block: pipeline.predict(*block), size))
        found.append(f"| {model} | " + " | ".join(f"{speed:,.0f}" for speed in speeds) + " |")
    return found


def rate(run: Callable[[], object], rows: int) -> float:
    """Return rows a second of the fastest repetition."""
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return rows / best
