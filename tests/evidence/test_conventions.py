"""What TFLOP/s and MFU count, by framework and date, and what the figures of one row say against each other."""

import math
from dataclasses import replace

import pytest

from steelyard.catalog import load
from steelyard.evidence.frames.agreement import figure_notes, peak_note, published_flop
from steelyard.evidence.frames.conventions import FRAMEWORK_COUNTS, framework_convention
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.score.validation import scored_runs

ROW = blank_run(id="row", group="g", model="llama-2-7b", accelerator="A100-80GB", devices=8.0, sequence_tokens=32768.0,
                precision="bf16", stack="in-house", date="2025-01", tp=1.0, pp=1.0, batch_samples=8.0,
                micro_batch=1.0, recompute="none", flash_attention="yes", optimizer="adamw",
                task="pretrain")  # fmt: skip
TOKENS = 8 * 32768
MATRICES = 6738415616 - 32000 * 4096  # a token looks its embedding up
SCORES = 12 * 32 * 4096 * 32768


@pytest.mark.parametrize(
    ("stack", "date", "recompute", "attention", "passes"),
    [
        ("MaxText", "2024-04", "full", (1.0,), 1),
        ("MaxText (JAX)", "2025-09", "full", (0.5,), 1),
        ("Megatron-Bridge 26.04", "2026-04", "none", (0.5,), 1),
        ("Megatron-LM", "2021-04", "full", (1.0,), 4 / 3),
        ("Megatron-LM", "2024-07", "full", (1.0,), 1),
        ("Megatron-DeepSpeed", "2024-07", "full", (1.0,), 4 / 3),
        ("GPT-NeoX", "2023-01", "none", (1.0,), 1),
        ("torchtitan", "2025-01", "none", (1.0,), 1),
        ("llm-foundry/Composer", "2024-01", "full", (1.0,), 1),
    ],
)
def test_a_framework_counts_by_its_date(stack, date, recompute, attention, passes):
    """The log of each framework, by its own source code (FRAMEWORK_COUNTS names the function)."""
    found = framework_convention(stack, date, recompute)
    assert (found.attention, found.recompute) == (attention, passes)
    assert all(one.source for one in FRAMEWORK_COUNTS)


@pytest.mark.parametrize(
    ("stack", "date", "recompute"), [("in-house", "2024-01", "none"), ("Megatron-LM", "2025-06", "none"),
                                     ("GPT-NeoX", "2023-01", "unknown")]
)  # fmt: skip
def test_a_count_that_nobody_knows_is_none(stack, date, recompute):
    assert framework_convention(stack, date, recompute) is None


def test_an_unstated_convention_is_the_frameworks_and_assumed():
    row = replace(ROW, stack="torchtitan", tflops_per_device=150.0)
    seen = measured(run_frame([row], load()))
    flop = (6 * MATRICES + SCORES) * TOKENS
    assert seen.step_s[0] == pytest.approx(flop / 8 / 150e12, rel=1e-3)
    assert seen.assumed[0] == {"FLOP convention"}
    stated = replace(row, flop_convention="model FLOPs, causal attention")
    seen = measured(run_frame([stated], load()))
    assert seen.step_s[0] == pytest.approx((6 * MATRICES + SCORES / 2) * TOKENS / 8 / 150e12, rel=1e-3)
    assert seen.assumed[0] == set()


def test_latent_attention_counts_both_widths_of_its_heads():
    """DeepSeek-V3: queries and keys of 192, values of 128 (arXiv 2412.19437, section 4.2): 61 blocks of 128 heads."""
    row = replace(ROW, model="deepseek-v3", flop_convention="full attention", tp=8.0, step_time_s=100.0)
    with_scores, _ = published_flop(run_frame([row], load()), 0)
    none, _ = published_flop(run_frame([replace(row, flop_convention="6nd")], load()), 0)
    assert (with_scores - none) / TOKENS == pytest.approx(6 * 61 * 128 * (192 + 128) * 32768, rel=1e-6)


def figures(attention: float, passes: float = 1.0) -> float:
    """Return TFLOP/s of a device for a step of 100 s, under one convention."""
    return (6 * MATRICES + attention * SCORES) * passes * TOKENS / 8 / 100 / 1e12


@pytest.mark.parametrize(
    ("tflops", "convention", "recompute", "says"),
    [
        (figures(1.0), "full attention", "none", ""),
        (figures(0.5), "causal", "none", ""),
        (figures(0.5), "full attention", "none", "agree with causal attention, not with the stated convention"),
        (figures(1.0, 4 / 3), "full attention", "full", "recompute counted, not with the stated convention"),
        (figures(1.0) * 2, "full attention", "none", "under no convention: 1.9"),
        (figures(0.5), "", "none", ""),
        (figures(1.0) * 0.3, "", "none", "under no convention"),
    ],
)
def test_figures_of_one_row_agree_or_say_so(tflops, convention, recompute, says):
    row = replace(ROW, step_time_s=100.0, tflops_per_device=tflops, flop_convention=convention, recompute=recompute)
    notes = figure_notes(run_frame([row], load()), 0, 100.0)
    assert [says in note for note in notes] == ([True] if says else [])


def test_a_peak_that_is_not_the_dense_one_is_said():
    assert "x2.00" in peak_note(replace(ROW, tflops_per_device=156.0, mfu=0.25), 312e12)
    assert peak_note(replace(ROW, tflops_per_device=156.0, mfu=0.5), 312e12) == ""
    assert peak_note(replace(ROW, tflops_per_device=math.nan, mfu=0.5), 312e12) == ""


def test_validate_shows_what_is_said_of_a_row():
    row = replace(ROW, step_time_s=100.0, tflops_per_device=figures(1.0) * 2, note="packed sequences")
    (case,) = scored_runs([row]).cases
    assert case.scored
    assert [note.split(":")[0] for note in case.notes][:2] == [
        "TFLOP/s and step time agree under no convention",
        "not read",
    ]
