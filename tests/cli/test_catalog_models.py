"""`catalog models` lists transformers and models by rows, with what one sample of each costs."""

import json

import pytest
from click.testing import CliRunner

from steelyard.cli.app import app


def shown(*arguments: str) -> str:
    """Return what a command prints."""
    made = CliRunner().invoke(app, ["catalog", "models", *arguments])
    assert made.exit_code == 0, made.output
    return made.output


@pytest.mark.parametrize(
    ("name", "params", "flop", "sample"),
    [
        ("resnet-50", 25_557_032, 8_178_368_512, "image"),  # 4.09 GMAC
        ("ViT-L/16", 304_326_632, 123.11e9, "image"),  # both with the 1,000 classes that a job trains
        ("dit-xl", 674_834_720, 237.3e9, "image"),  # 118.6 GMAC: arXiv 2212.09748, table 4
        ("gpt2", 124_439_808, 272.3e9, "sequence of 1,024 tokens"),
    ],
)
def test_one_model_says_its_sample_and_its_flops(name: str, params: int, flop: float, sample: str) -> None:
    found = json.loads(shown(name, "--json"))
    assert (found["params"], found["sample"]) == (params, sample)
    assert found["forward_flop_per_sample"] == pytest.approx(flop, rel=1e-3)


def test_the_list_holds_models_by_rows() -> None:
    lines = {line.split()[0]: line.split() for line in shown("resnet").splitlines() if line.startswith("resnet")}
    assert lines["resnet-50"] == ["resnet-50", "rows", "25.6M", "25.6M", "image", "8.178"]
    assert lines["resnet-18"][-1] == "3.628"


def test_what_cannot_be_planned_has_no_flops() -> None:
    found = json.loads(shown("whisper-tiny", "--json"))
    assert found["sample"] == ""
    assert found["forward_flop_per_sample"] is None


def test_an_unknown_model_names_the_nearest() -> None:
    made = CliRunner().invoke(app, ["catalog", "models", "resnet-51"])
    assert made.exit_code != 0
    assert "resnet-50" in made.output
