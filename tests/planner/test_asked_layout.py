"""A job that asks for settings of its layout: they enter the search, and one that leaves nothing is named."""

import pytest

from steelyard.job import read_job
from steelyard.planner.planning import plan_job
from steelyard.planner.unstated.configuring import configure

EXPERTS = {"model": "mixtral-8x7b", "tokens": "20B", "accelerators": "H100:64", "stack": "megatron-core"}
DENSE = EXPERTS | {"model": "llama-3-8b"}


@pytest.mark.parametrize(
    ("job", "layout", "text"),
    [
        (EXPERTS, {"tp": 4, "ep": 2, "etp": 2}, "ep=2,etp=2"),
        (DENSE, {"etp": 1}, "tp="),
        (DENSE, {"tp": 2, "pp": 4, "partition": "7-9-9-7"}, "pp=4,partition=7-9-9-7"),
        (DENSE, {"tp": 2, "sp": 0, "flash": 0}, "sp=0,recompute="),
    ],
)
def test_what_a_job_asks_for_is_planned(job, layout, text):
    found = plan_job(read_job(job | {"layout": layout}))
    assert found.feasible
    assert all(text.split(",")[0] in point.layout_text for point in found.points)
    for point in found.points:
        for name, value in layout.items():
            assert str(point.layout[name]) == str(value) or (name, job) == ("etp", DENSE)


@pytest.mark.parametrize(
    ("layout", "why"),
    [
        ({"tp": 4, "ep": 2, "etp": 3}, "layout etp = 3; leave out etp, or"),
        ({"etp": 3}, "layout etp = 3; leave out etp, or"),
        ({"tp": 4, "pp": 4, "partition": "16-16"}, "layout pp = 4, partition = 16-16; leave out some of them"),
    ],
)
def test_the_setting_that_leaves_no_layout_is_named(layout, why):
    found = plan_job(read_job(EXPERTS | {"layout": layout}))
    assert not found.feasible
    assert why in found.reason


def test_an_estimate_looks_at_what_its_job_allows():
    made = configure(read_job(DENSE | {"layout": {"tp": 4, "partition": "7-9-9-7"}}), "H100", 64)
    laid = made.setting.layout
    assert (laid.tp, laid.pp * laid.vpp) == (4, 4)


@pytest.mark.parametrize(
    ("chips", "text"),
    [
        ("RTX-4090:1", "nobody sells 1 × RTX-4090 in this catalog: 1 is no multiple of"),
        ("H100:7,B200:12", "nobody sells 7 × H100-80GB-SXM in this catalog: 7 is no multiple of"),
    ],
)
def test_a_plan_of_a_number_that_nobody_sells_says_so(chips, text):
    found = plan_job(read_job({"model": "llama-3.2-1b", "tokens": "1B", "accelerators": chips}))
    assert not found.feasible
    assert text in found.reason
    assert "price your own with own:" in found.reason
    assert "no number of devices on offer" not in found.reason
