"""The agreed figures are held, the page says what the figures are, and the measures are what they are called."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.evidence.accuracy import alike
from tests.evidence.published import published_scores

from steelyard.catalog import load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score import agreed, feasibility, tiers
from steelyard.evidence.score.outcomes import BoundedPredictions
from steelyard.evidence.score.splits import Split, split_mean, split_part, splits
from steelyard.evidence.score.strangers import SPLIT_FIGURES, strangers_now
from steelyard.evidence.score.validation import scored_runs
from steelyard.report.page import render
from steelyard.report.validation.page import short_validation_page, validation_page

BARS = {bar.id: bar for bar in agreed.agreed_figures()}


@pytest.fixture(scope="module")
def report():
    return published_scores()


@pytest.fixture(scope="module")
def now(report):
    return agreed.figures_now(report, splits())


@pytest.mark.parametrize("bar", BARS)
def test_an_agreed_figure_is_held(bar, now):
    one = BARS[bar]
    assert not one.lost(now[bar]), (
        f"{one.what}, {one.metric}: {now[bar]:.4g} where {one.reached:.4g} was reached (tolerance {one.tolerance:g}); "
        "mend it, or agree on less with `python -m steelyard.evidence.score.agreed`"
    )


def test_every_measure_has_a_bar_and_every_bar_a_measure(now):
    assert set(now) == set(BARS)


@pytest.mark.parametrize("one", agreed.agreed_figures(agreed.STRANGERS), ids=lambda one: one.id)
def test_a_strangers_figure_is_held(one):
    value = strangers_now(splits())[one.id]
    assert not one.lost(value), f"{one.what}, {one.metric}: {value:.4g} where {one.reached:.4g} was reached"


def test_every_strangers_figure_has_a_bar_and_is_the_mean_of_its_split():
    bars = {one.id for one in agreed.agreed_figures(agreed.STRANGERS)}
    assert bars == set(SPLIT_FIGURES)
    row = Split("step_time_s", "publisher", "a", 5, 0.1, 0.1, 0.2, 0.0, 0.9, math.nan, 1.1)
    found = strangers_now([row, replace(row, group="b", median=0.3, interval_score=0.7), replace(row, group="c", n=4)])
    known = ("time-owner", "time-owner-p90", "interval-owner", "cover-owner")
    assert [found[name] for name in known] == pytest.approx([0.2, 0.2, 0.9, 0.9])
    assert all(math.isnan(value) for name, value in found.items() if name not in known)


def test_pages_differ_by_more_than_the_last_digit_only():
    assert alike("| a | 14.4 % | +0.31 |", "| a | 14.5 % | +0.30 |")
    assert not alike("| a | 14.4 % |", "| a | 14.6 % |")
    assert not alike("| a | 14.4 % |", "| b | 14.4 % |")


def test_every_tier_has_its_groups(report):
    groups = {one.group for one in report.cases if one.scored}
    assert {tier for tier in tiers.TIERS if not any(tiers.in_tier(tier, group) for group in groups)} == set()
    papers = [one for one in report.cases if one.scored and tiers.in_tier("papers", one.group)]
    assert len([one for one in papers if not one.metric.startswith("peak")]) == 24


def test_step_times_are_scored_by_constants_that_never_saw_the_group(report):
    assert report.time_summary.left_out == 1
    assert report.time_summary.in_sample == 0


def test_three_answers_are_told_apart_by_the_ends_of_the_interval():
    runs = [run for run in published_runs() if run.group == "bigscience-a100" and run.peak_memory_bytes > 0][:3]
    found = run_frame(runs, load())
    limit = np.broadcast_to(found.machine.memory_bytes, 3).astype(float)
    device = limit * [0.5, 1.0, 2.0]
    shares = feasibility.feasibility(
        found, BoundedPredictions(device, device / 1.2, device * 1.2, np.array([True, False, False]), device)
    )
    assert (shares.ran_fits, shares.ran_may_not, shares.ran_does_not) == pytest.approx((1 / 3,) * 3)
    assert (shares.ran, shares.ran_out, shares.left_out) == (3, 0, pytest.approx(1 / 3))


def test_splits_are_averaged_over_large_groups():
    row = Split("step_time_s", "family", "a", 5, 0.1, 0.1, 0.2, 0.0, 0.9, math.nan)
    found = [row, replace(row, group="b", median=0.3), replace(row, group="c", n=4), replace(row, split="publisher")]
    assert split_mean(split_part(found, "step_time_s", "family"), "median") == pytest.approx(0.2)
    assert math.isnan(split_mean(split_part(found, "step_time_s", "family"), "naive"))


def test_what_is_agreed_can_be_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(agreed, "TABLE", tmp_path / "agreed.csv")
    (tmp_path / "agreed.csv").write_text(
        "id,what,metric,bar,sense,best_known,reached,tolerance\na,b,c,0.1,at most,,,0.01\n"
    )
    agreed.agree_on({"a": 0.05})
    (one,) = agreed.agreed_figures()
    assert (one.reached, one.lost(0.055), one.lost(0.065)) == (0.05, False, True)


def test_a_file_of_other_runs_has_scores_and_sets_but_no_agreed_figures():
    multi = [run for run in published_runs() if run.group == "vtrain-multi"]
    runs = [replace(run, id=f"new-{i}", step_time_s=run.step_time_s * 1.01) for i, run in enumerate(multi)]
    found = scored_runs(runs)
    assert (found.time_summary.left_out, found.time_summary.in_sample) == (0, 0)
    assert found.ranking[0].sets == 2
    said = " ".join(render(validation_page(found, "group")).split())
    assert "100 % are new: no fit has seen these cases" in said
    assert "Choosing among measured layouts" in said
    assert "Agreed figures" not in said


def test_the_first_page_counts_what_is_not_predicted_and_what_no_fit_has_seen():
    first, second, third = [run for run in published_runs() if run.group == "vtrain-multi"][:3]
    runs = [first, replace(second, id="mine"), replace(third, id="odd", accelerator="Abacus 9")]
    said = " ".join(render(short_validation_page(scored_runs(runs), "group")).split())
    assert "Left out: 1 of 3 cases; new, as your own are: 1. --details" in said


def test_the_page_of_the_shipped_runs_says_what_was_left_out(report, now):
    said = " ".join(render(validation_page(report, "group", agreed.figures_board(now))).split())
    assert "100 % are left out (out)" in said
    assert "Agreed figures" in said
    assert "does not fit" in said
