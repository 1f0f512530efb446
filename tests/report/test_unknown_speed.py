"""What an estimate says where the catalog has no rate for a part of a step."""

from steelyard import estimate
from steelyard.report.estimate_page import short_estimate_page
from steelyard.report.page import render


def test_an_unknown_step_is_said_to_be_unknown_and_never_a_share_of_nothing() -> None:
    """TPU v3 publishes no bandwidth of its links; on one of them no wire is asked."""
    blind, one = (render(short_estimate_page(estimate("gpt2", f"TPU-v3:{count}", tokens="2B"))) for count in (8, 1))
    assert "nan" not in blind
    assert "unknown, for communication" in " ".join(blind.split())
    assert "tokens/s" in one
