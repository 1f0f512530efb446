"""Words of hardware, networks and columns as people write them: each spelling reads as what it means, or is refused."""

from dataclasses import replace

import pytest

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.accelerators import accelerator_of_name, open_memory
from steelyard.evidence.runs.networks import network_rate
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.spellings import worded
from steelyard.evidence.runs.unread import unread_parts, unsaid
from steelyard.job.optimizers import parse_optimizer

ROW = blank_run(id="row", model="llama-3-8b", accelerator="H100-80GB", devices=8.0, sequence_tokens=4096.0,
                precision="bf16", stack="Megatron-LM", date="2025-01", tp=2.0, pp=1.0, batch_samples=64.0,
                micro_batch=1.0, recompute="none", flash_attention="yes", optimizer="adamw", task="pretrain",
                step_time_s=6.0)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-80GB-SXM"),
        ("NVIDIA H100 PCIe", "H100-80GB-PCIe"),
        ("H100 NVL", "H100-NVL"),
        ("8x H100", "H100-80GB-SXM"),
        ("DGX H100", "H100-80GB-SXM"),
        ("a100_80gb_sxm", "A100-80GB-SXM"),
        ("A100-40G", "A100-40GB-SXM"),
        ("NVIDIA A100-PCIE-40GB", "A100-40GB-PCIe"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB-PCIe"),
        ("Tesla V100-SXM2-16GB", "V100-16GB-SXM2"),
        ("Tesla V100-PCIE-16GB", "V100-16GB-PCIe"),
        ("Tesla P100-PCIE-16GB", "P100-16GB-PCIe"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("B200-192GB", "B200-180GB-SXM"),
        ("AMD Instinct MI300X", "MI300X"),
        ("Intel Gaudi 2", "Gaudi2"),
        ("Ascend 910B3", "Ascend-910B"),
        ("p4d.24xlarge", "A100-40GB-SXM"),
        ("TPU v5p", "TPU-v5p"),
    ],
)
def test_a_chip_is_found_with_its_memory_and_form(name: str, expected: str) -> None:
    """The names are those that nvidia-smi, rocm-smi and clouds print."""
    assert accelerator_of_name(name, load()).id == expected


def test_a_memory_that_a_name_leaves_open_is_assumed() -> None:
    catalog = load()
    assert open_memory("A100", catalog.accelerator("A100"), catalog)
    assert not open_memory("A100-80GB", catalog.accelerator("A100-80GB"), catalog)
    assert "chip memory" in run_frame([replace(ROW, accelerator="A100")], catalog).assumed[0]
    assert "chip memory" not in run_frame([replace(ROW, accelerator="A100-80GB")], catalog).assumed[0]


@pytest.mark.parametrize(
    ("text", "gbit", "left_open"),
    [
        ("4x200 Gb/s IB", 100, False),
        ("8 x 200 Gb/s HDR InfiniBand", 200, False),
        ("LUMI: Infinity Fabric in the node, 4x Slingshot 200 Gb/s", 100, False),
        ("four 200 Gb/s adapters per node", 100, False),
        ("200 Gb/s per adapter, 4 adapters per node", 100, False),
        ("8 NICs x 400 Gb/s", 400, False),
        ("InfiniBand 4xHDR", 100, False),
        ("8x NDR400", 400, False),
        ("2x200 Gb/s per GPU", 400, False),
        ("200 Gb/s per GPU", 200, False),
        ("800 Gb/s per node", 100, False),
        ("EFA 400 Gbps", 50, False),
        ("3200 Gbps EFA", 400, False),
        ("25 GbE", 3.125, True),
        ("NVLink 600 GB/s + 200 Gb/s HDR", 200, True),
        ("PCIe Gen4 x16 (32 GB/s), 100 Gb/s IB", 12.5, True),
        ("EDR InfiniBand", 50, True),
    ],
)
def test_a_network_is_read_by_adapter_node_or_device(text: str, gbit: float, left_open: bool) -> None:
    """Eight devices a node: 4 adapters of 200 Gb/s are 100 a device; a rate per node is an eighth."""
    found = network_rate(text, 8)
    assert (found.gbit, found.open) == (gbit, left_open)


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("precision", "BF16 mixed precision", "bf16"),
        ("precision", "bfloat16 (fp32 master weights)", "bf16"),
        ("precision", "float16", "fp16"),
        ("precision", "fp32, TF32 off", "fp32"),
        ("precision", "fp32 (TF32)", "tf32"),
        ("precision", "MXFP8", "fp8"),
        ("precision", "fp8 hybrid + bf16", "fp8"),
        ("precision", "NVFP4", "fp4"),
        ("precision", "pure bf16", "bf16-pure"),
        ("precision", "16-mixed", "fp16"),
        ("precision", "mixed precision", ""),
        ("task", "SFT", "full_ft"),
        ("task", "full fine-tuning", "full_ft"),
        ("task", "LoRA SFT", "lora"),
        ("task", "Q-LoRA", "qlora"),
        ("task", "pre-training", "pretrain"),
        ("task", "continual pre-training", "continued_pretrain"),
        ("sharding", "ZeRO-3", "3"),
        ("sharding", "zero stage 2", "2"),
        ("sharding", "stage 2", "2"),
        ("sharding", "DeepSpeed ZeRO-3", "3"),
        ("sharding", "zero++", "3"),
        ("sharding", "NO_SHARD", "0"),
        ("sharding", "FULL_SHARD", "fsdp"),
        ("sharding", "HYBRID_SHARD", "hsdp"),
        ("sharding", "distributed optimizer", "1"),
        ("recompute", "selective (core attention)", "selective"),
        ("recompute", "no recompute", "none"),
        ("recompute", "gradient checkpointing", "full"),
        ("flash_attention", "flash_attention_2", "yes"),
        ("flash_attention", "xformers", "yes"),
        ("flash_attention", "eager", "no"),
        ("offload", "cpu", "optimizer"),
        ("offload", "weights", "params"),
        ("offload", "FSDP CPU offload", "optimizer+params"),
    ],
)
def test_words_of_columns(column: str, text: str, expected: str) -> None:
    for spelling in (text, text.upper(), f" {text} "):
        assert getattr(worded(replace(ROW, **{column: spelling.strip()})), column).lower() == expected


def test_a_word_without_a_meaning_is_refused_with_the_nearest() -> None:
    for column, text in (("sharding", "zero stage two"), ("recompute", "selectiv"), ("precision", "int3")):
        found = run_frame([replace(ROW, **{column: text})], load())
        assert [text[:6] in reason for _, reason in found.unpredicted] == [True], column


@pytest.mark.parametrize(
    ("note", "column", "fused"),
    [
        ("attention=sdpa (memory-efficient)", "no", 1),
        ("attention=sdpa (SDPA memory-efficient kernel, fp16)", "no", 1),
        ("attention=eager", "yes", 0),
        ("attn_implementation=eager", "unknown", 0),
        ("SDPA math kernel", "unknown", 0),
        ("flash-attn 2.5.8", "unknown", 1),
        ("HF eager kernels", "yes", 1),
        ("packed", "no", 0),
    ],
)
def test_a_named_attention_kernel_decides(note: str, column: str, fused: float) -> None:
    found = run_frame([replace(ROW, note=note, flash_attention=column)], load())
    assert found.layout.flash[0] == fused


def test_what_is_not_read_is_said() -> None:
    row = replace(ROW, optimizer="sophia_adamw", offload="cpu", note="dynamic padding; window 512; site=Snellius")
    assert set(run_frame([row], load()).notes[0]) == {
        "optimizer 'sophia_adamw': 'sophia'",
        "of what offload 'cpu' is: the optimizer's states",
        "dynamic padding",
        "window 512",
    }
    assert unread_parts(ROW) == ()


def test_what_is_not_stated_is_assumed_by_name() -> None:
    bare = replace(ROW, optimizer="", stack="", precision="", flash_attention="unknown", recompute="unknown")
    assert {"optimizer", "stack", "precision", "attention", "recompute", "sharding"} <= run_frame(
        [bare], load()
    ).assumed[0]
    assert unsaid(replace(ROW, task="qlora")) == {"adapters", "quantisation"}


def test_frozen_types_are_no_precision_of_the_work() -> None:
    for text in ("nf4", "4-bit", "int8"):
        assert worded(replace(ROW, precision=text, task="qlora")).precision == ""
    assert worded(replace(ROW, precision="bf16 (nf4 base)", task="qlora")).precision == "bf16"


def test_an_optimizer_that_nobody_knows_is_refused_as_of_a_job() -> None:
    for text in ("sophia", "foo", "adamw8bt"):
        (refused,) = (why for _, why in run_frame([replace(ROW, optimizer=text)], load()).unpredicted)
        with pytest.raises(BadInput) as job:
            parse_optimizer(text)
        assert refused == str(job.value)
    assert "optimizer" in run_frame([replace(ROW, optimizer="AdamW, cosine schedule")], load()).assumed[0]
    for text in ("adamw_bnb_8bit", "FusedAdam", "distributed adam", "paged_adamw_32bit", "SGD momentum"):
        assert "optimizer" not in run_frame([replace(ROW, optimizer=text)], load()).assumed[0], text


def test_several_chips_are_refused() -> None:
    with pytest.raises(BadInput, match="mixes"):
        accelerator_of_name("RTX-3090+Titan-RTX", load())
