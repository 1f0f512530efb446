"""A stack is one file: what it can run, how people write its name, what is documented; nothing else is touched."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.catalog import Catalog, load, stack, stack_rows, stacks
from steelyard.catalog.load import DATA
from steelyard.catalog.stack_names import rule_of_name
from steelyard.errors import BadCatalog, BadInput, UnknownName
from steelyard.job import read_job
from steelyard.market.build import market_of
from steelyard.market.tools import named_stack, stack_options
from steelyard.planner import estimate
from steelyard.strategies.partition import PARTITIONS

RULES = [rule.name for rule in PARTITIONS]
FILE = """
stack: colossal-ai
can_run:
  vendors: [NVIDIA]
  planned: 9
  trains: [language, rows]
  trains_source: "chosen: an example"
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


def test_stages_are_even_where_a_file_names_no_partition(tmp_path: Path) -> None:
    assert catalog_with(tmp_path, FILE).capability("colossal-ai").partitions == ("even",)
    other = FILE.replace("zero: [0,", "partitions: [ends, given]\n  zero: [0,")
    assert catalog_with(tmp_path / "other", other).capability("colossal-ai").partitions == ("ends", "given")


def test_its_name_alone_is_enough(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, FILE[: FILE.index("constants:")])
    assert stack("colossal-ai", catalog) == stack("any", catalog)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (FILE.replace("has: [tp", "has: [tensor"), "tensor"),
        (FILE.replace('source: "chosen: an example"\n  checked', 'source: ""\n  checked'), "no source"),
        (
            FILE.replace("trains: [language", "trains: [languages"),
            "languages.*known: language, image-transformer, rows",
        ),
        (FILE.replace("trains: [language, rows]", "trains: []"), "trains is empty"),
        (FILE.replace('trains_source: "chosen: an example"', 'trains_source: ""'), "no trains_source"),
        (FILE.replace("  trains: [language, rows]\n", ""), "trains"),
        (FILE.replace("recompute: [none", "recompute: [nothing"), "nothing"),
        (
            FILE.replace("zero: [0,", "partitions: [odd]\n  zero: [0,"),
            f"unknown partition odd; partitions are of: {', '.join(RULES)}, given",
        ),
        (
            FILE.replace("names:\n  - {", "names:\n  - {partition: odd, "),
            f"unknown partition 'odd'; known: {', '.join(RULES)}",
        ),
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


PROPOSED = {"any", "megatron-core", "fsdp2", "deepspeed", "maxtext", "optimum-habana"}


@pytest.mark.parametrize(
    ("model", "vendor", "stacks"),
    [
        ("llama-3-8b", "NVIDIA", ["megatron-core", "fsdp2", "deepspeed"]),
        ("vit-l-16", "NVIDIA", ["megatron-core", "fsdp2", "deepspeed"]),
        ("resnet-50", "NVIDIA", ["fsdp2", "deepspeed"]),
        ("llama-3-8b", "Google", ["maxtext"]),
        ("vit-l-16", "Google", ["any"]),
        ("resnet-50", "AWS", ["any"]),
        ("vit-l-16", "Intel", ["optimum-habana"]),
        ("resnet-50", "Intel", ["any"]),
    ],
)
def test_stacks_are_proposed_for_what_they_train(model: str, vendor: str, stacks: list[str]) -> None:
    job = read_job(model, samples="1M")
    tools, of_vendor = stack_options([vendor], None, load(), job.kind)
    proposed = [tools[index].name for index in of_vendor[vendor]]
    assert [name for name in proposed if name in PROPOSED] == stacks


@pytest.mark.parametrize(("stack", "model"), [("NeMo", "resnet-50"), ("maxtext", "vit-l-16"), ("nanogpt", "dit-xl-2")])
def test_a_named_stack_that_does_not_train_the_model_is_refused_with_the_way_out(stack: str, model: str) -> None:
    job = read_job(model, samples="1M", stack=stack, accelerators="H100")
    with pytest.raises(
        BadInput, match=r"trains language models.*, not (models by rows|image transformers) .*; leave stack out"
    ):
        market_of(job, load())
    with pytest.raises(BadInput, match="name one of any, axlearn, deepspeed, fsdp2"):
        estimate(job, "H100:8")


def test_what_stands_in_for_an_unknown_stack_is_noted() -> None:
    notes = market_of(read_job("resnet-50", samples="1M", accelerators="TPU-v5p,H100"), load()).notes
    assert any("no stack that trains models by rows is known on chips of Google: any stack" in note for note in notes)
    assert not any("no stack" in note for note in market_of(read_job("gpt2", tokens="1B"), load()).notes)


@pytest.mark.parametrize(
    ("text", "stack"),
    [
        ("MyTrainer", "any"),
        ("my-trainer 2.1", "any"),
        ("in-house trainer", "any"),
        ("notdeepspeed", "any"),
        ("composers", "any"),
        ("HFTrainer", "hf-trainer"),
        ("HF Trainer", "hf-trainer"),
        ("Transformers Trainer", "hf-trainer"),
        ("SFTTrainer", "hf-trainer"),
        ("Hugging Face", "hf-trainer"),
        ("HuggingFace Accelerate", "hf-trainer"),
        ("FSDP2", "fsdp2"),
        ("DeepSpeed v0.16", "deepspeed"),
        ("NeMo25", "megatron-core"),
    ],
)
def test_a_stack_is_named_by_words_of_its_own(text: str, stack: str) -> None:
    assert rule_of_name(load().stack_rules, text).stack == stack


@pytest.mark.parametrize(
    ("written", "nearest"),
    [("fsdp22", "fsdp2"), ("megatron-coree", "megatron-core"), ("deepspeed3", "deepspeed ZeRO-3"), ("fsdp3", "fsdp"),
     ("nemo2", "nemo 2"), ("deepspeedd", "deepspeed"), ("maxtextt", "maxtext"), ("torch-titan2", "any")],
)  # fmt: skip
def test_a_slip_of_a_stack_is_refused_with_the_nearest(written: str, nearest: str) -> None:
    with pytest.raises(BadInput, match=nearest):
        named_stack(written, load())


def test_a_slip_of_every_stack_of_the_catalog_is_refused() -> None:
    """A letter twice at the end, and a number behind: neither is the stack."""
    for name in load().stack_files:
        if name != "any":
            for slip in (name + name[-1], f"{name}7"):
                with pytest.raises(BadInput):
                    named_stack(slip, load())


WRITTEN = (
    "NeMo 25.04.rc2", "HF Trainer + foak", "DeepSpeed ZeRO-2 Offload", "zero2_offload", "FSDP with offload", "zero-3",
    "Megatron-LM", "PyTorch eager (HF models)", "transformers 4.40", "torchtune-0.6", "torchtitan FSDP2", "ZeRO3",
    "LLaMA-Factory + Liger", "SFTTrainer", "fsdp1", "FSDP2", "PyTorch FSDP + Transformer Engine", "megatron core v0.9",
)  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_words_that_are_known_stay_accepted(written: str) -> None:
    assert named_stack(written, load()) in load().stack_files
