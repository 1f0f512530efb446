"""One measurement of one configuration, however it is said: a step, a rate, or a row that is calibrated on."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steelyard.catalog import load
from steelyard.catalog.local.layer import Layer, read_calibration, using_layer, write_calibration
from steelyard.catalog.local.step_shift import ANYWHERE, MEASURED_STEP, REPEAT_LOG_SD, STEP_SHIFT, repeated_shift
from steelyard.errors import BadInput
from steelyard.evidence.calibration import calibrate_constants
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.run import Run
from steelyard.planner import Estimate, estimate
from steelyard.planner.choosing import job_of
from steelyard.planner.measured.alike import alike_logs, measured_gaps
from steelyard.planner.measured.exact import text_of_setting
from steelyard.planner.unstated.configuring import configure

WHOLE = {"recompute": "full", "tp": 1.0, "pp": 1.0}
CASES: tuple[tuple[str, str, str, int, dict[str, Any], str, dict[str, Any]], ...] = (
    ("fsdp2", "llama-3-8b", "H100", 64, {"sequence": 8192, "global_batch": 512}, "", {}),
    (
        "torchtitan", "llama-3-8b", "H100", 8, {"sequence": 8192, "global_batch": 64}, "zero=3,mbs=1,recompute=full",
        WHOLE | {"sharding": "fsdp", "micro_batch": 1.0},
    ),
    (
        "megatron-core", "llama-3-70b", "H100", 64, {"sequence": 8192, "global_batch": 256},
        "tp=8,pp=2,mbs=1,recompute=full", WHOLE | {"tp": 8.0, "pp": 2.0, "micro_batch": 1.0},
    ),
    (
        "unsloth", "llama-3-8b", "A100-80GB-SXM", 1, {"sequence": 2048, "global_batch": 16, "task": "qlora"},
        "mbs=4,recompute=full", WHOLE | {"micro_batch": 4.0},
    ),
    (
        "trl", "llama-3-8b", "A100-80GB-SXM", 1, {"sequence": 2048, "global_batch": 16, "task": "lora"}, "",
        {"micro_batch": 4.0},
    ),
    (
        "deepspeed", "llama-3-8b", "A100-80GB-SXM", 8, {"sequence": 2048, "global_batch": 64, "task": "full_ft"},
        "zero=3,mbs=2,recompute=full,offload=1",
        WHOLE | {"sharding": "3", "micro_batch": 2.0, "offload": "optimizer"},
    ),
)  # fmt: skip
NAMES = [case[0] for case in CASES]


def asked(case: tuple[Any, ...], **more: Any) -> Estimate:
    stack, model, chip, count, job, laid, _ = case
    return estimate(
        model, on=f"{chip}:{count}", layout=more.pop("layout", laid), stack=stack, tokens="1B", **job, **more
    )


def row_of(case: tuple[Any, ...], seconds: float, name: str = "row", **more: Any) -> Run:
    stack, model, chip, count, job, _, columns = case
    given = {
        "id": name, "group": "mine", "model": model, "accelerator": chip, "devices": float(count), "stack": stack,
        "sequence_tokens": float(job["sequence"]), "batch_samples": float(job["global_batch"]), "step_time_s": seconds,
        "task": job.get("task", "pretrain"), "precision": "bf16", "optimizer": "adamw",
    }  # fmt: skip
    return blank_run(**(given | columns | more))


def calibrated(*rows: Run) -> Layer:
    return calibrate_constants(rows, load(), "mine", "runs.csv", "2026-11-30").layer


def step_s(found: Estimate) -> float:
    return float(found.prediction.time.total_s)


@pytest.mark.parametrize("ratio", [0.8, 1.4])
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_calibrating_on_one_row_returns_that_row(case: tuple[Any, ...], ratio: float) -> None:
    plain = asked(case)
    measured = ratio * step_s(plain)
    with using_layer(calibrated(row_of(case, measured))):
        found = asked(case)
    assert step_s(found) == pytest.approx(measured, rel=0.01)
    assert found.time_s.high / found.time_s.low < 1.4 < plain.time_s.high / plain.time_s.low
    (text,) = (text for text in found.assumptions if text.startswith("exactly this was measured"))
    assert "calibration mine: 1 run of runs.csv" in text


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_step_a_rate_and_a_calibration_agree(case: tuple[Any, ...]) -> None:
    count, job = case[3], case[4]
    measured = 1.3 * step_s(asked(case))
    rate = job["sequence"] * job["global_batch"] / (count * measured)
    said = [asked(case, step_time=measured), asked(case, rate=rate)]
    layer = calibrated(row_of(case, measured))
    with using_layer(layer):
        kept = asked(case)
    for one in said:
        assert step_s(one) == pytest.approx(step_s(kept), rel=1e-6)
        own = one.measured_step
        assert own is not None
        pair = f"{own.stack} on {own.accelerator}"
        assert own.factor == pytest.approx(layer.steps[pair, "any", STEP_SHIFT].value, rel=1e-6)
        assert own.factor_elsewhere == pytest.approx(layer.steps[ANYWHERE, "any", STEP_SHIFT].value, rel=1e-6)
        assert one.time_s.high / one.time_s.low == pytest.approx(kept.time_s.high / kept.time_s.low, rel=1e-3)


def test_another_configuration_moves_by_the_law() -> None:
    """By the shift of its stack on its chip, and as far as it is like the measured one."""
    case, other = CASES[0], {"layout": "tp=2"}
    plain, before = asked(case), asked(case, **other)
    layer = calibrated(row_of(case, 1.4 * step_s(plain)))
    with using_layer(layer):
        found = asked(case, **other)
    shift = layer.steps["fsdp2 on H100-80GB-SXM", "any", STEP_SHIFT].value
    assert 1.1 < shift < 1.3
    with using_layer(layer):
        spec = job_of("llama-3-8b", tokens="1B", stack=case[0], **case[4])
        setting = configure(spec, "H100", 64, "tp=2").setting
        (beyond,) = alike_logs([text_of_setting(setting)], measured_gaps(load()))
    assert step_s(found) == pytest.approx(shift * math.exp(beyond) * step_s(before))
    assert 0 < beyond < math.log(1.4 / shift)
    assert not any(text.startswith("exactly this") for text in found.assumptions)


def test_repetitions_of_a_configuration_count_together() -> None:
    case = CASES[0]
    base = step_s(asked(case))
    steps = [1.23 * base, 1.25 * base, 1.27 * base]
    layer = calibrated(*(row_of(case, one, f"row-{place}") for place, one in enumerate(steps)))
    (row,) = (row for (_, _, quantity), row in layer.steps.items() if quantity == MEASURED_STEP)
    assert row.rows == 3
    with using_layer(layer):
        found = step_s(asked(case))
    middle = math.exp(sum(math.log(one) for one in steps) / 3)
    assert found == pytest.approx(middle, rel=0.004)
    assert row.log_sd == pytest.approx(REPEAT_LOG_SD, rel=0.05)


def test_more_repetitions_come_nearer_to_their_mean_and_the_next_scatters_as_the_first() -> None:
    some = [repeated_shift(0.3, 0.14, count) for count in (1, 2, 10, 1000)]
    assert [one.log for one in some] == sorted(one.log for one in some)
    assert some[-1].log == pytest.approx(0.3, abs=1e-4)
    assert len({one.log_sd for one in some}) == 1


def test_what_was_measured_is_read_back_from_its_file(tmp_path: Path) -> None:
    case = CASES[3]
    measured = 1.4 * step_s(asked(case))
    write_calibration(tmp_path, "mine", calibrated(row_of(case, measured)))
    with using_layer(read_calibration(tmp_path, "mine")):
        assert step_s(asked(case)) == pytest.approx(measured, rel=0.01)


def test_a_step_on_top_of_a_calibration_is_the_last_word() -> None:
    case = CASES[1]
    base = step_s(asked(case))
    with using_layer(calibrated(row_of(case, 1.4 * base))):
        again, elsewhere = asked(case, step_time=1.6 * base), asked(case, step_time=f"{1.6 * base}@H100:64")
    assert step_s(again) == pytest.approx(1.6 * base, rel=0.01)
    assert step_s(elsewhere) == pytest.approx(1.4 * base, rel=0.01)  # what is known exactly moves by no other


def test_what_a_stack_is_called_is_part_of_it() -> None:
    """Unsloth and TRL are one stack of the catalog with other kernels."""
    case = CASES[3]
    with using_layer(calibrated(row_of(case, 1.4 * step_s(asked(case))))):
        other = asked(("trl", *case[1:]))
    assert not any(text.startswith("exactly this") for text in other.assumptions)


LAID = "tp=2,mbs=2,recompute=full"
JOB = {"tokens": "2B", "stack": "fsdp2", "global_batch": 64}


@pytest.mark.parametrize(
    ("laid", "said"),
    [
        *((LAID, said) for said in ("", ",tp=2", ",mbs=2", ",tp=2,recompute=full", ",zero=3", ",dp=4")),
        *(("tp=2,zero=3", said) for said in ("", ",tp=2", ",zero=3", ",dp=4", ",mbs=1")),
        ("", ",tp=1"),
    ],
)
def test_a_place_that_says_less_is_the_place_that_is_asked_about(laid: str, said: str) -> None:
    plain = estimate("llama-3-8b", "H100:8", layout=laid, **JOB)
    found = estimate("llama-3-8b", "H100:8", layout=laid, step_time=f"{1.4 * step_s(plain)}@H100:8{said}", **JOB)
    assert found.measured_step is not None
    assert found.measured_step.layout_text == plain.layout_text == found.layout_text
    assert step_s(found) == pytest.approx(1.4 * step_s(plain), rel=0.01)


def test_a_place_that_says_otherwise_keeps_the_rest_of_what_is_asked_about() -> None:
    found = estimate("llama-3-8b", "H100:8", layout=LAID, step_time="9@H100:8,tp=4", **JOB)
    assert found.measured_step is not None
    assert found.measured_step.layout_text.startswith("tp=4,pp=1,dp=2,mbs=2,")
    assert "recompute=full" in found.measured_step.layout_text
    whole = estimate("llama-3-8b", "H100:8", layout=f"dp=4,{LAID}", step_time="9@H100:8,tp=4", **JOB)
    assert whole.measured_step is not None
    assert whole.measured_step.layout_text.startswith("tp=4,")  # tp=4, dp=4 would be 16 devices


def test_a_rate_with_a_part_of_its_place_is_the_same_step() -> None:
    plain = step_s(estimate("llama-3-8b", "H100:8", layout=LAID, **JOB))
    rate = 8192 * 64 / (8 * 1.4 * plain)
    one, two = (
        estimate("llama-3-8b", "H100:8", layout=LAID, **JOB, **said)
        for said in ({"rate": f"{rate}@H100:8,tp=2"}, {"step_time": f"{1.4 * plain}@H100:8,mbs=2"})
    )
    assert step_s(one) == pytest.approx(step_s(two)) == pytest.approx(1.4 * plain, rel=0.01)


def test_a_repetition_that_went_wrong_does_not_carry_the_rest() -> None:
    """A slip of ten beside two that agree; of two that disagree both are inside the interval."""
    case = CASES[0]
    base = step_s(asked(case))
    layer = calibrated(*(row_of(case, one * base, f"row-{one}") for one in (1.2, 1.22, 12.0)))
    with using_layer(layer):
        assert step_s(asked(case)) == pytest.approx(1.22 * base, rel=0.03)
    layer = calibrated(*(row_of(case, one * base, f"row-{one}") for one in (1.0, 1.6)))
    with using_layer(layer):
        found = asked(case)
    ends = (found.time_s.low / found.time_s.value, found.time_s.high / found.time_s.value)
    assert ends[0] < 1 / 1.26
    assert ends[1] > 1.26


def test_a_step_over_another_network_is_of_another_configuration() -> None:
    """One machine has twice the network of the other: what was measured there is no measurement of this."""
    job = {"sequence": 4096, "global_batch": 64, "stack": "fsdp2", "task": "full_ft", "tokens": "1B"}
    laid = "tp=1,pp=1,dp=64,mbs=1,ga=1,zero=3,recompute=full"
    there, here = (step_s(estimate("llama-3-8b", on=f"{one}:64", layout=laid, **job)) for one in MACHINES)
    found = estimate("llama-3-8b", on="p5.48xlarge:64", layout=laid, step_time=f"{1.1 * there}@a3-highgpu-8g:64", **job)
    assert there > 1.3 * here
    assert step_s(found) < 1.15 * here
    assert found.measured_step is not None
    assert found.measured_step.ratio == pytest.approx(1.1)


MACHINES = ("a3-highgpu-8g", "p5.48xlarge")


def test_what_rests_elsewhere_is_another_configuration() -> None:
    case = CASES[-1]
    layer = calibrated(row_of(case, 3 * step_s(asked(case))))
    with using_layer(layer):
        kept, away = asked(case), asked(case, recipe="weights=host")
    assert any(text.startswith("exactly this") for text in kept.assumptions)
    assert not any(text.startswith("exactly this") for text in away.assumptions)


def test_a_damaged_row_of_a_calibration_is_named() -> None:
    layer = calibrated(row_of(CASES[0], step_s(asked(CASES[0]))))
    ((key, row),) = ((key, row) for key, row in layer.steps.items() if key[2] == MEASURED_STEP)
    for name in ("weird", "8 x H100-80GB-SXM, tp=1,pp=1, fsdp2", "8 x H100, tp=1, fsdp2: tokens many"):
        steps = {**{one: kept for one, kept in layer.steps.items() if one != key}, (name, *key[1:]): row}
        with using_layer(replace(layer, steps=steps)), pytest.raises(BadInput, match="is no measured configuration"):
            asked(CASES[0])
