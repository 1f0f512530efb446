"""Runs of one's own on the pages of `validate` and `calibrate`: whatever is left out stands there with its reason."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from steelyard.catalog.local import layer
from steelyard.cli.app import app
from steelyard.evidence.runs.reader import published_runs
from steelyard.verbs import validate

HEADER = (
    "id,model,accelerator,devices,sequence_tokens,stack,global_batch,micro_batch,task,step_time_s,peak_memory_bytes,"
    "memory_metric,batch_sise\n"
)
ROWS = (
    "good,llama-3-8b,H100,8x,8192,torchtitan,64,1,pretrain,7.5 s,60 GiB,max_memory_reserved,3",
    'comma,llama-3-8b,H100,8,8192,torchtitan,64,1,pretrain,"12,9",60e9,reserved,3',
    "heap,llama-3-8b,H100,8,8192,torchtitan,64,1,pretrain,7500 ms,60e9,heap,",
    "weaving,llama-3-8b,H100,8,8192,torchtitan,64,1,weaving,7.5,60e9,reserved,",
    "chip,llama-3-8b,Z100,8,8192,torchtitan,64,1,pretrain,7.5,60e9,reserved,",
    "untimed,llama-3-8b,H100,8,8192,torchtitan,64,1,pretrain,,60e9,reserved,",
    *(f"half-{n},llama-3-8b,H100,8.5,8192,torchtitan,64,1,pretrain,7.5,,," for n in range(6)),
)
REASONS = (
    "step_time_s is '12,9': a comma is no decimal point; write 12.9",
    "memory_metric is 'heap'",
    "task is 'weaving'",
    "unknown accelerator 'Z100'",
    "devices is '8.5', but it is a whole number",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(layer.VARIABLE, str(tmp_path / "catalog"))
    return tmp_path / "catalog"


@pytest.fixture
def runs(tmp_path: Path) -> str:
    path = tmp_path / "runs.csv"
    path.write_text(HEADER + "\n".join(ROWS) + "\n")
    return str(path)


def page(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("details", [[], ["--details"]])
def test_validate_counts_each_row_that_is_left_out_with_its_reason(runs: str, details: list[str]) -> None:
    said = page("validate", "--cases", runs, *details)
    counts = re.findall(r"(Step time|Peak memory): (\d+) rows read, (\d+) scored, (\d+) not", said)
    assert [kind for kind, *_ in counts] == ["Step time", "Peak memory"]
    assert [int(rows) - int(scored) - int(lost) for _, rows, scored, lost in counts] == [0, 0]
    assert {rows for _, rows, _, _ in counts} == {"12"}
    assert [reason for reason in REASONS if reason not in said] == []
    assert "(comma)" in said
    assert (
        "no step time, throughput or utilisation that a run can have is given: a number above zero is needed (untimed)"
        in said
    )
    assert "column 'batch_sise'; nearest: batch_samples" in said
    assert [f"half-{n}" in said for n in (3, 5)] == [True, bool(details)], "each row by --details"


def test_each_row_is_listed_with_what_is_predicted_and_whether_it_holds(runs: str) -> None:
    found = validate(runs)
    said = page("validate", "--cases", runs)
    for case in found.cases:
        if case.scored:
            inside = "yes" if case.low <= case.measured <= case.high else "no"
            ending = re.escape(f"{100 * case.error:+.0f} % {inside}")
            assert re.search(rf"{re.escape(case.id)} \w+ [^%]*{ending}", said), case.id
    assert "median error" in said
    assert "Taken where rows say nothing" in said


def test_a_model_that_only_has_a_size_is_told_with_the_nearest_names(tmp_path: Path) -> None:
    row = ONE.format("sized", "5", "").replace("llama-3-8b", "lama-3-8b")
    said = stderr_of(tmp_path, "validate", row)
    assert "predicted as a sibling of its size, not scored" in said
    assert "unknown model 'lama-3-8b'; nearest: llama-3-8b" in said


def test_calibrate_names_what_it_does_not_use_and_learns_from_the_rest(runs: str) -> None:
    said = page("calibrate", runs, "--dry-run")
    assert [reason for reason in REASONS if reason not in said] == []
    assert "comma: its step time: step_time_s is" in said
    assert "heap: its peak memory: memory_metric is" in said
    assert "column 'batch_sise'; nearest: batch_samples (2 runs)" in said
    assert "comma: comma:" not in said


def test_published_scores_are_of_the_shipped_constants(
    runs: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calibrations move predictions of one's own runs alone."""
    few = tuple(replace(run, id=f"copy of {run.id}") for run in published_runs()[:40])  # no figures stored of them
    monkeypatch.setattr("steelyard.evidence.runs.reader.published_runs", lambda: few)
    page("calibrate", runs)
    plain = validate()
    with layer.using_layer(layer.read_calibrations(folder)):
        assert validate().to_dict() == plain.to_dict()
        assert validate(runs).cases[0].predicted != pytest.approx(plain.cases[0].predicted)
    assert "your calibrations are left out (--cases FILE uses them)" in page("validate", "--by", "stack")
    assert "Calibrated on your own runs" in page("validate", "--cases", runs)


def test_a_saved_answer_names_the_way_around_a_calibration(runs: str, tmp_path: Path) -> None:
    words = ("llama-3-8b", "--tokens", "2B", "--on", "H100:8", "--stack", "fsdp2", "--json")
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(CliRunner().invoke(app, ["estimate", *words]).stdout)
    page("calibrate", runs)
    after.write_text(CliRunner().invoke(app, ["estimate", *words]).stdout)
    for verb in ("explain", "where"):
        refused = CliRunner().invoke(app, [verb, str(before)])
        assert refused.exit_code == 2
        assert "answered without your calibrations, which are in use now: --no-calibration leaves" in refused.stderr
        page(verb, str(before), "--no-calibration")
        page(verb, str(after))
    assert (
        "a calibration that is not in use now"
        in CliRunner().invoke(app, ["explain", str(after), "--no-calibration"]).stderr
    )


ONE = "{},llama-3-8b,H100,8,8192,torchtitan,64,1,pretrain,{},{},reserved,\n"


def stderr_of(tmp_path: Path, verb: str, text: str) -> str:
    path = tmp_path / "some.csv"
    path.write_text(HEADER + text)
    option = {"validate": ["--cases"], "calibrate": ["--dry-run"]}[verb]
    done = CliRunner().invoke(app, [verb, *option, str(path)])
    assert (done.exit_code, len(done.stderr.strip().splitlines())) == (2, 1), done.output
    return done.stderr


@pytest.mark.parametrize(
    "text", ["", ONE.format("one", "", ""), ONE.format("late", 9400, ""), ONE.format("odd", "x", "")]
)
def test_validate_refuses_a_file_that_tells_nothing_with_the_words_of_calibrate(tmp_path: Path, text: str) -> None:
    assert stderr_of(tmp_path, "validate", text) == stderr_of(tmp_path, "calibrate", text)


def test_a_step_in_milliseconds_is_scored_by_neither_verb_and_named_by_both(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text(HEADER + ONE.format("late", 9400, "60e9") + ONE.format("good", 9.4, ""))
    said = page("validate", "--cases", str(path))
    assert "as if milliseconds were given as seconds; correct the file, or leave the run out (late)" in said
    found = {(case.id, case.metric.startswith("peak")): case for case in validate(path).cases}
    assert [one.scored for one in found.values()] == [False, True, False]
    assert found["late", True].reason == found["late", False].reason
    assert found["late", True].reason in page("calibrate", str(path), "--dry-run")


@pytest.mark.parametrize("peak", ["", "60e9"])
def test_peaks_are_counted_where_one_is_given(tmp_path: Path, peak: str) -> None:
    path = tmp_path / "some.csv"
    path.write_text(HEADER + ONE.format("good", 9.4, peak))
    said = page("validate", "--cases", str(path))
    assert "Step time: 1 row read, 1 scored, 0 not" in said
    assert ("Peak memory: " in said) == bool(peak)


@pytest.mark.parametrize("recompute", ["full", "none"])
def test_validate_predicts_what_was_measured_exactly_as_an_estimate_does(tmp_path: Path, recompute: str) -> None:
    path, whole = tmp_path / "some.csv", f"tp=1,pp=1,dp=8,mbs=1,ga=8,zero=3,recompute={recompute}"
    head = HEADER.replace("batch_sise", "tp,pp,sharding,recompute")
    path.write_text(f"{head}good,llama-3-8b,H100,8,8192,torchtitan,64,1,pretrain,11.3,,,1,1,zero-3,{recompute}\n")

    def shown(*words: str) -> Any:
        return json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)

    (before,) = shown("validate", "--cases", str(path))["cases"]
    page("calibrate", str(path))
    (after,) = shown("validate", "--cases", str(path))["cases"]
    job = ["--stack", "torchtitan", "--sequence", "8192", "--global-batch", "64", "--tokens", "1B"]
    wanted = shown("estimate", "llama-3-8b", "--on", "H100:8", "--layout", whole, *job)
    assert any("exactly this was measured" in text for text in wanted["assumptions"])
    assert after["predicted"] == pytest.approx(wanted["time"]["total_s"], rel=1e-6)
    assert abs(after["error"]) < 0.02 < abs(before["error"])
    assert after["high"] / after["low"] < 1.15 < before["high"] / before["low"]
