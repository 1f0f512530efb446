"""A stack is one file: what it can run, how people write its name, what is documented; nothing else is touched."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.catalog import Catalog, load, stack, stack_rows, stacks
from steelyard.catalog.load import DATA
from steelyard.catalog.stacks import rule_of_name
from steelyard.errors import BadCatalog, UnknownName
from steelyard.job import read_job
from steelyard.market.build import market_of, named_stack

FILE = """
stack: colossal-ai
can_run:
  vendors: [NVIDIA]
  planned: 9
  has: [tp, offload]
  schedules: [1f1b]
  zero: [0, 1, 2, 3]
  zero_most_with_pp: 1
  recompute: [none, full]
  source: "chosen: an example"
  checked: 2026-11-29
names:
  - {pattern: "colossal-?ai", why: "github.com/hpcaitech/ColossalAI"}
constants:
  - {quantity: grad_bytes, value: 2, unit: byte, source: "chosen: an example"}
  - {quantity: reserved_scale, value: 1.1, unit: "1", source: "chosen: an example"}
"""


def catalog_with(tmp_path: Path, text: str, name: str = "colossal-ai") -> Catalog:
    folder = tmp_path / "data"
    shutil.copytree(DATA, folder)
    (folder / "stacks" / f"{name}.yaml").write_text(text)
    return Catalog(folder)


def test_one_file_adds_a_stack(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, FILE)
    assert "colossal-ai" in stacks(catalog)
    assert rule_of_name(catalog.stack_rules, "Colossal-AI 0.4").stack == "colossal-ai"
    assert named_stack("ColossalAI", catalog) == "colossal-ai"
    made, usual = stack("colossal-ai", catalog), stack("any", catalog)
    assert made == replace(usual, grad_bytes=2.0, reserved_scale=1.1)
    spread = stack_rows("colossal-ai", catalog)["reserved_scale"].log_sd
    assert spread == stack_rows("any", catalog)["reserved_scale"].log_sd > 0
    job = read_job("llama-3-8b", tokens="20B", accelerators="H100", regions="aws/us-east-1")
    names = [one.name for one in market_of(job, catalog).stacks]
    assert names == [*(one.name for one in market_of(job, load()).stacks), "colossal-ai"]


def test_its_name_alone_is_enough(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, FILE[: FILE.index("constants:")])
    assert stack("colossal-ai", catalog) == stack("any", catalog)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (FILE.replace("has: [tp", "has: [tensor"), "tensor"),
        (FILE.replace('source: "chosen: an example"\n  checked', 'source: ""\n  checked'), "no source"),
        (FILE.replace("recompute: [none", "recompute: [nothing"), "nothing"),
        (FILE.replace("can_run:", "runs:"), "runs"),
        (FILE.replace("pattern:", "patern:"), "patern"),
        ("stack: [", "colossal-ai.yaml"),
        ("", "colossal-ai.yaml"),
        (FILE.replace("stack: colossal-ai", "stack: colossal"), "name the file colossal.yaml"),
    ],
)
def test_a_file_that_is_none_says_what_is_wrong(tmp_path: Path, broken: str, says: str) -> None:
    with pytest.raises(BadCatalog, match=says):
        _ = catalog_with(tmp_path, broken).stack_files


def test_a_stack_that_nobody_knows_is_named() -> None:
    with pytest.raises(UnknownName, match="weaver"):
        named_stack("weaver-3", load())


def test_patterns_are_tried_in_one_order_and_the_last_meets_every_text() -> None:
    rules = load().stack_rules
    assert [rule.order for rule in rules] == sorted({rule.order for rule in rules})
    assert (rules[-1].stack, rules[-1].pattern.pattern) == ("any", "")
