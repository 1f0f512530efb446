"""What an estimate says where the catalog has no rate for a part of a step."""

from steelyard import estimate
from steelyard.report.estimate_page import short_estimate_page
from steelyard.report.page import render


def test_an_unknown_step_is_said_to_be_unknown_and_never_a_share_of_nothing() -> None:
    """Nobody publishes the peak of an L20; that of an L40 is known."""
    blind, known = (render(short_estimate_page(estimate("gpt2", f"{chip}:1", tokens="2B"))) for chip in ("L20", "L40"))
    assert "nan" not in blind
    assert "speed of training is not known" in " ".join(blind.split())
    assert "tokens/s" in known
