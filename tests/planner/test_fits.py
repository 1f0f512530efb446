"""Whether a configuration fits has three answers, in one word on the page and in JSON."""

import json
import math

import pytest
from tests.planner.test_mixtures import JOB, LAYOUT

import steelyard
from steelyard.formatting.interval import Interval
from steelyard.job.unstated.mixture import mixture_interval, share_within
from steelyard.planner.answers import Estimate
from steelyard.report.estimate_page import short_estimate_page
from steelyard.report.page import render

SMALL = {**JOB, "stack": "hf-trainer", "model": "llama-3.2-3b"}
CASES = {
    "fits": ("H100:1", {"precision": "bf16-pure"}, True),
    "may not fit": ("A100-40GB-SXM:1", {}, None),
    "does not fit": ("RTX-4090:1", {"precision": "bf16-mixed"}, False),
}


def estimated(word: str) -> Estimate:
    on, told, _ = CASES[word]
    return steelyard.estimate({**SMALL, **told}, on, layout=LAYOUT)


@pytest.mark.parametrize("word", CASES)
def test_one_word_stands_on_the_page_and_in_json(word: str) -> None:
    found = estimated(word)
    held = json.loads(json.dumps(found.to_dict()))
    assert (held["fits_word"], held["fits"]) == (word, CASES[word][2])
    low, high, limit = (held[name] for name in ("memory_bytes_low", "memory_bytes_high", "memory_limit_bytes"))
    assert {"fits": high <= limit, "may not fit": low <= limit < high, "does not fit": limit < low}[word]
    first = render(short_estimate_page(found)).splitlines()[0]
    share = f" ({found.fits_share:.0%} of what is possible does)" if word == "may not fit" else ""
    assert first.endswith(f": {word}{share}")
    assert (held["fits_reason"] == "") == (word == "fits")
    if word != "fits":
        assert held["fits_reason"] in {one["text"] for one in held["bound_by"]}
        assert word in held["fits_reason"]


def test_the_share_that_fits_is_of_the_settings_that_exist() -> None:
    """Half of the scripts have 8 bytes of a parameter, which fit, and half 18, which do not."""
    shares = {word: estimated(word).fits_share for word in CASES}
    assert shares["fits"] > 0.95
    assert shares["does not fit"] < 0.05
    narrow, wide = (
        steelyard.estimate({**SMALL, "precision": one}, CASES["may not fit"][0], layout=LAYOUT).fits_share
        for one in ("bf16-pure", "bf16-mixed")
    )
    assert wide < shares["may not fit"] < narrow
    assert "of what is possible fits" in estimated("may not fit").fits_reason


def test_an_open_answer_is_saved_and_asked_again() -> None:
    found = estimated("may not fit")
    again = Estimate.from_dict(json.loads(json.dumps(found.to_dict())))
    assert (again.fits, again.fits_word) == (None, "may not fit")
    assert steelyard.explain(again).fits is None


def test_the_share_within_a_limit_is_that_of_the_mixture() -> None:
    """A tenth of a mixture lies below its own 10th percentile, whichever way it is asked."""
    parts = [(0.3, Interval(10.0, 8.0, 14.0)), (0.7, Interval(40.0, 30.0, 50.0))]
    found = mixture_interval(parts)
    for place, share in ((found.low, 0.05), (found.value, 0.5), (found.high, 0.95)):
        assert sum(met * share_within(one, place) for met, one in parts) == pytest.approx(share, abs=0.01)
    assert math.isnan(share_within(Interval(), 80.0))
