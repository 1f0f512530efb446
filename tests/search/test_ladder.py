"""The pipeline keeps the law that lets the search drop needless recomputation."""

import numpy as np
import pytest

from steelyard import catalog, pipeline
from steelyard.job import job_table, read_job
from steelyard.layout import BOUNDS, space
from steelyard.market import build as inputs
from steelyard.search.fitting import boundless, lightest
from steelyard.search.survivors import FREE, NOWHERE
from steelyard.step import memory, stage_job
from steelyard.tables import take


@pytest.mark.parametrize("model", ["llama-3-8b", "mixtral-8x7b", "gpt2"])
def test_recomputing_never_saves_time_or_joules(model):
    spec = read_job(model, tokens="20B")
    job, market = job_table(spec), inputs.market_of(spec, catalog.load())
    judged = 0
    for chip in market.hardware:
        for index in market.stacks_of_vendor[chip.vendor]:
            tool = market.stacks[index]
            counts = [count for count in (1, 8, 64) if count <= chip.machine.domain_devices or count == 64]
            layouts = space(job, counts, int(chip.machine.domain_devices), tool.capability, BOUNDS)
            alone = (layouts.dp * layouts.cp == 1) & (layouts.zero > tool.capability.zero[0])
            kept = (layouts.dp * layouts.cp > 1) & (layouts.zero < tool.capability.offload_from)
            modes = 2 if tool.capability.offload else 1
            some_ways = (
                (~alone & ~kept, modes),
                (alone, 1),
                (kept, 1),
            )  # one rank shares what is offloaded with nobody
            for part, away in some_ways:
                some = take(layouts, np.flatnonzero(part))
                found = pipeline.predict(
                    job, some, chip.machine, chip.kernels, tool.stack, market.policies[0], NOWHERE, FREE
                )
                draw = found.draw
                joules = draw.compute_s * draw.compute_w + draw.memory_s * draw.memory_w
                joules = joules + draw.communication_s * draw.communication_w + draw.waiting_s * draw.waiting_w
                axes = (-1, len(tool.capability.recompute), away)
                for cost in (draw.wall_s.reshape(axes), joules.reshape(axes)):
                    step = np.diff(cost, axis=1)
                    known = ~np.isnan(step)
                    judged += int(known.sum())
                    assert np.all(step[known] >= -1e-9 * np.nanmax(cost, initial=1.0))
    assert judged > 10_000


def test_memory_does_not_depend_on_the_machine():
    spec = read_job("llama-3-8b", tokens="20B")
    job, market = job_table(spec), inputs.market_of(spec, catalog.load())
    layouts = space(job, [8, 64], 8, market.stacks[0].capability, BOUNDS)
    layouts = take(layouts, np.arange(0, layouts.tp.size, 7))
    stack = market.stacks[0].stack
    staged = stage_job(job, layouts)
    first = memory(staged, boundless(market.hardware[0].machine), stack).device_bytes
    for chip in market.hardware[1:]:
        assert np.array_equal(first, memory(staged, boundless(chip.machine), stack).device_bytes)
        room, shown = chip.machine.memory_bytes, memory(staged, chip.machine, stack).device_bytes
        fits = first <= room  # there it is no more than what was needed anywhere: contexts that are known are smaller
        assert np.all(shown[fits] <= first[fits])
        assert np.all(shown[fits] >= first[fits] - stack.context_bytes)


def test_lightest_keeps_the_least_recomputation_of_each_offload_mode():
    fits = np.array([[False, True, False, True], [True, True, False, False], [True, False, True, False]])
    expected = [[False, True, False, True], [True, False, False, False], [False, False, True, False]]
    assert lightest(fits.reshape(3, 2, 2)).reshape(3, 4).tolist() == expected
