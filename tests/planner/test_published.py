"""The exact best layout against a published one under the same rules (`python -m benchmarks published`)."""

import pytest
from benchmarks.published import DEVICES, MEASURED_S, PUBLISHED, SHARDED, best, decision, step_s

from steelyard.layout import parse


@pytest.mark.parametrize("zero", SHARDED.values(), ids=SHARDED)
def test_the_best_is_no_slower_than_the_published_layout_of_gpt_3(zero):
    job, chip, tool = decision()
    theirs = parse(PUBLISHED, job, DEVICES, 8, chip.machine.nic_bytes_per_s, tool.capability)
    ours, considered = best(job, chip, tool, zero)
    published, found = (step_s(job, layout, chip, tool) for layout in (theirs, ours))
    assert considered > 500
    assert found <= published
    assert published <= 1.1 * found, "people who measured chose a layout that the model calls bad"
    assert published == pytest.approx(MEASURED_S, rel=0.25)
