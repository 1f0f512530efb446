"""Documents of a packed sequence: what a row or a job says of them, and what that makes of attention."""

import pytest

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.jobs import run_documents
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.unread import unread_phrases, unsaid
from steelyard.job import job_table, read_job
from steelyard.planner.measured.exact import text_of_setting
from steelyard.planner.unstated.configuring import configure


@pytest.mark.parametrize(
    ("given", "tokens", "named"),
    [
        ({"document_tokens": 512.0}, 512.0, False),
        ({"document_tokens": 512.0, "note": "varlen, mean document length 600"}, 512.0, False),
        ({"note": "packed; document masking; average document length: 600"}, 600.0, False),
        ({"note": "block_causal mask, docs of 1.2k tokens on average"}, 1200.0, False),
        ({"note": "padding-free; mean sample length 700"}, 700.0, False),
        ({"note": "cu_seqlens"}, 0.0, True),
        ({"note": "sample_packing: true"}, 0.0, True),
        ({"note": "packed sequences; mean document length 600"}, 0.0, False),
        ({"note": "sample_packing: false; mean document length 600"}, 0.0, False),
        ({"note": "padding-free no"}, 0.0, False),
    ],
)
def test_documents_count_where_they_are_masked_and_an_unstated_length_is_named(given, tokens, named) -> None:
    """Packing without a mask leaves the whole sequence to attention, however long its documents are."""
    run = blank_run(**given)
    assert run_documents(run) == tokens
    assert ("document length" in unsaid(run)) == named


def test_a_row_of_masked_documents_is_predicted_with_less_attention() -> None:
    rows = [
        blank_run(id=str(place), model="llama-3-8b", accelerator="H100", devices=8.0, sequence_tokens=8192.0,
                  stack="torchtitan", micro_batch=1.0, batch_samples=8.0, recompute="none", note=note)
        for place, note in enumerate(("", "varlen, mean document length 600"))
    ]  # fmt: skip
    work = run_frame(rows, load()).job.workload
    assert work.attention_flop[1] == pytest.approx(work.attention_flop[0] * 0.1357, rel=1e-2)
    assert work.product_flop[1] == work.product_flop[0]


@pytest.mark.parametrize(
    ("note", "unread"),
    [("packed sequences", ()), ("varlen", ()), ("mean document length 600", ()), ("unpacked", ("unpacked",)),
     ("dynamic padding", ("dynamic padding",)), ("group_by_length=True", ("group_by_length=True",))],
)  # fmt: skip
def test_words_of_padding_whose_length_nobody_states_are_named(note: str, unread: tuple[str, ...]) -> None:
    assert unread_phrases(note) == unread


def test_a_job_says_how_long_its_documents_are() -> None:
    whole, packed = (read_job("llama-3-8b", tokens="1B", **given) for given in ({}, {"document_length": "600"}))
    assert packed.document_tokens == 600
    flop, masked = (job_table(spec).workload.attention_flop for spec in (whole, packed))
    assert masked == pytest.approx(0.1357 * flop, rel=1e-2)
    assert any(text.startswith("documents: 600 tokens on average, exponentially") for text in packed.assumptions)
    assert not any("documents" in text for text in whole.assumptions)
    assert text_of_setting(configure(packed, "H100", 8).setting) != text_of_setting(configure(whole, "H100", 8).setting)


def test_examples_that_are_tuned_on_are_whole_sequences_unless_told() -> None:
    """A fine-tuning example is seldom as long as its sequence: what is taken is said."""
    tuned = read_job("llama-3-8b", tokens="1B", task="full_ft")
    assert any("none is masked (document_length)" in text for text in tuned.assumptions)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"model": "llama-3-8b", "tokens": "1B", "document_length": 0}, "document_length: 0 .* 600"),
        ({"model": "vit-l-16", "samples": "1M", "document_length": 600}, "trains on no sequences; leave it out"),
    ],
)
def test_a_length_that_no_document_has_is_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_job(given)
