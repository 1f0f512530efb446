"""What tests of the command line share."""

import pytest


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print stored scores whether or not they belong to this code: tests/evidence/test_fingerprints.py asks that."""
    monkeypatch.setattr("steelyard.evidence.score.validation.check_fingerprints", lambda _: None)
