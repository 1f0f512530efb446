"""The public face: every name is there, small, and imported on first use."""

import pytest

import steelyard


@pytest.mark.parametrize("name", steelyard.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(steelyard, name)


def test_the_face_stays_small() -> None:
    assert len(steelyard.__all__) <= 12


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="plam"):
        _ = steelyard.plam
