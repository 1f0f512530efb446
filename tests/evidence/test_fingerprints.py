"""The stored figures belong to the code that is checked out; where they do not, nothing of them is shown."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.evidence.accuracy import differences, page

from fit import changes as listed
from fit import seal
from steelyard.catalog import Catalog, Fitted, load, peak_spread
from steelyard.catalog.local.layer import Layer
from steelyard.catalog.peaks import PeakSpread
from steelyard.cli.app import app
from steelyard.errors import StaleFigures
from steelyard.evidence.frames import predicted
from steelyard.evidence.runs.reader import published_runs
from steelyard.evidence.score import fingerprints, live
from steelyard.evidence.score.fingerprints import (
    ChangedPrediction,
    changed_predictions,
    check_fingerprints,
    differing_predictions,
    fingerprints_of,
    in_sample,
)
from steelyard.evidence.score.validation import validate_runs
from steelyard.step import time as step_time

PAGE = Path(__file__).parents[2] / "docs/accuracy.md"
RUN = {"model": "llama-3-8b", "accelerator": "H100", "devices": 8, "sequence_tokens": 8192, "step_time_s": 6.0,
        "batch_samples": 64, "micro_batch": 1, "tp": 1, "pp": 1, "sharding": "fsdp"}  # fmt: skip


def test_the_stored_figures_belong_to_this_code() -> None:
    """The one test that fails once predictions change: refit with `make fit DATA=FOLDER`."""
    check_fingerprints(load())
    assert differences(PAGE.read_text("utf-8"), page(validate_runs(published_runs()))) == [], "run `make accuracy`"


@pytest.fixture
def slower(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Multiply every predicted step by 3."""

    def thrice(*tables: object) -> object:
        step = step_time(*tables)  # type: ignore[arg-type]  # as they are
        return replace(step, total_s=3 * step.total_s)

    live.live_predictions.cache_clear()
    monkeypatch.setattr(predicted, "time", thrice)
    yield
    live.live_predictions.cache_clear()


@pytest.mark.usefixtures("slower")
def test_three_times_every_step_is_refused() -> None:
    with pytest.raises(StaleFigures) as refusal:
        validate_runs(published_runs())
    said = str(refusal.value)
    rows = sum(metric == "step_time_s" for metric, _ in in_sample())
    assert f"{rows:,} of {rows:,} of step_time_s" in said
    assert "make fit" in said
    assert refusal.value.exit_code == 5


@pytest.mark.usefixtures("slower")
def test_the_command_line_prints_no_figure_and_says_how_to_refit() -> None:
    for more in ((), ("--json",), ("--details",), ("--by", "accelerator")):
        done = CliRunner().invoke(app, ["validate", *more])
        assert done.exit_code == 5
        assert done.stdout == ""
        assert "make fit" in done.stderr


@pytest.mark.usefixtures("slower")
def test_runs_of_one_s_own_have_no_stored_figures_and_are_scored(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text(json.dumps(RUN))
    done = CliRunner().invoke(app, ["validate", "--cases", str(tmp_path / "runs.jsonl"), "--json"])
    assert done.exit_code == 0
    (one,) = json.loads(done.stdout)["cases"]
    assert one["live_error"] == one["error"]


class Touched(Catalog):
    """The shipped catalog with one fitted constant another."""

    key: tuple[str, str, str]
    table = "stacks"
    field = "value"
    by = 1.001

    def _fitted(self, *names: str) -> dict[tuple[str, str, str], Fitted]:
        rows = dict(super()._fitted(*names))
        if self.table in names and self.key in rows:
            one = rows[self.key]
            rows[self.key] = replace(one, **{self.field: getattr(one, self.field) * self.by})
        return rows


@pytest.mark.parametrize(
    ("table", "key", "field", "metrics"),
    [
        ("stacks", ("megatron-core", "any", "time_scale"), "value", {"step_time_s"}),
        ("stacks", ("any", "any", "loss_bytes"), "value", {"step_time_s"}),
        ("kernels", ("family:nvidia-hopper", "any", "gemm_efficiency"), "value", {"step_time_s"}),
        ("kernels", ("any", "any", "nic_hop_s"), "value", {"step_time_s"}),
        ("kernels", ("H100-80GB-SXM", "any", "link_efficiency"), "value", {"step_time_s", "collective_s"}),
        ("kernels", ("T4", "any", "gemm_efficiency"), "value", {"gemm_s"}),
        ("kernels", ("any", "any", "communication_power"), "value", {"node_power_w"}),
        ("stacks", ("nanotron", "any", "workspace_bytes"), "value", {"peak_memory_bytes", "device_memory_bytes"}),
        ("stacks", ("fsdp2", "any", "reserved_scale"), "value", {"peak_memory_bytes", "device_memory_bytes"}),
        ("kernels", ("H100-80GB-SXM", "any", "time_scale"), "log_sd", {"step_time_s"}),
    ],
)
def test_a_constant_that_was_touched_is_refused(
    table: str, key: tuple[str, str, str], field: str, metrics: set[str]
) -> None:
    catalog = Touched(load().folder)
    catalog.table, catalog.key, catalog.field = table, key, field
    catalog.by = 1.01 if field == "log_sd" else 1.001
    found = differing_predictions(live.live_predictions(load()), live.live_predictions(catalog))
    assert metrics <= {one.metric for one in found}
    with pytest.raises(StaleFigures):
        validate_runs(published_runs(), catalog=catalog)


def test_a_spread_of_peaks_that_was_touched_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = live.live_predictions(load())
    wider = PeakSpread(*[1.01 * getattr(peak_spread("fsdp2", load()), one.name) for one in fields(PeakSpread)])
    monkeypatch.setattr("steelyard.evidence.score.intervals.peak_spread", lambda name, catalog: wider)
    live.live_predictions.cache_clear()
    after = live.live_predictions(load())
    live.live_predictions.cache_clear()
    found = {one.metric for one in differing_predictions(before, after)}
    assert found == {"peak_memory_bytes", "device_memory_bytes"}


def test_a_user_s_calibrations_leave_the_shipped_figures_what_they_are() -> None:
    row = load().stacks["megatron-core", "any", "time_scale"]
    layer = Layer(stacks={("megatron-core", "any", "time_scale"): replace(row, value=2 * row.value)})
    assert changed_predictions(load().over(layer)) == changed_predictions(load())


@pytest.mark.parametrize("name", fingerprints.FIGURES)
def test_figures_that_were_edited_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    true = fingerprints.stored_text
    head, first, *rest = true(name).splitlines()
    changed = "\n".join([head, f"{first}7", *rest])
    monkeypatch.setattr(fingerprints, "stored_text", lambda one: changed if one == name else true(one))
    with pytest.raises(StaleFigures, match="changed after the fit wrote them"):
        check_fingerprints(load())


def test_the_same_rows_give_the_same_fingerprint() -> None:
    table = "metric,id,predicted,log_sd\nx,a,1,0\ny,b,2,0\n"
    figures = ["id,metric,predicted\na,x,2\n", "metric,split,group\ny,chip,z\n"]
    made = fingerprints_of(table, figures)
    assert [one.metric for one in made] == ["x", "y"]
    assert made == fingerprints_of(table, figures)
    other = fingerprints_of(table, ["id,metric,predicted\na,x,3\n", figures[1]])
    assert [one.figures == two.figures for one, two in zip(made, other, strict=True)] == [False, True]
    assert [one.predictions for one in made] == [one.predictions for one in other]


def test_what_changed_is_listed_the_furthest_first() -> None:
    found = [
        ChangedPrediction("step_time_s", name, 1.0, now, 0.1, 0.1) for name, now in (("a", 1.1), ("b", 3.0), ("c", 0.5))
    ]
    lines = listed.table(found).splitlines()
    assert [line.split(",")[1] for line in lines] == ["id", "b", "c", "a"]
    assert lines[1].endswith(",2")


def test_figures_of_other_code_are_not_sealed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = live.live_predictions(load())
    monkeypatch.setattr(seal, "FOLDER", tmp_path)
    monkeypatch.setattr(
        seal, "live_predictions", lambda _: {key: replace(one, predicted=3 * one.predicted) for key, one in now.items()}
    )
    with pytest.raises(SystemExit, match="nothing sealed"):
        seal.seal()
    assert list(tmp_path.iterdir()) == []


def test_every_stored_figure_has_a_prediction_beside_it() -> None:
    kept = seal.kept(in_sample())
    assert kept == set(in_sample())
    assert np.all([one.predicted > 0 and one.log_sd >= 0 for one in in_sample().values()])
