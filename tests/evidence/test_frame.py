"""From published rows to tables: models, machines, layouts and jobs, and what each row leaves open."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from steelyard.catalog import load
from steelyard.catalog.stack_names import StackRule
from steelyard.errors import BadInput, BadLayout, UnknownName
from steelyard.evidence.frames.conventions import flop_convention
from steelyard.evidence.frames.frame import frame_subset, run_frame
from steelyard.evidence.frames.jobs import run_adapters
from steelyard.evidence.frames.layouts import layout_choices
from steelyard.evidence.frames.machines import run_machine
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.models import UnknownShape, family_vocab, run_model
from steelyard.evidence.frames.stacks import stack_rule
from steelyard.evidence.runs.accelerators import accelerator_of_name
from steelyard.evidence.runs.networks import network_rate
from steelyard.evidence.runs.reader import blank_run, published_runs
from steelyard.job.models.architecture import architecture
from steelyard.strategies.partition import given_sizes
from steelyard.strategies.settings import setting_name

RUN = blank_run(
    id="run",
    group="g",
    model="llama-3-8b",
    accelerator="H100-80GB",
    devices=64.0,
    node_devices=8.0,
    interconnect="8x400Gb NDR",
    sequence_tokens=8192.0,
    precision="bf16",
    stack="NeMo",
    date="2025-01",
    tp=2.0,
    pp=1.0,
    cp=1.0,
    micro_batch=1.0,
    batch_samples=128.0,
    recompute="none",
    flash_attention="yes",
    optimizer="adam",
    task="pretrain",
    step_time_s=2.0,
)


@pytest.fixture(scope="module")
def catalog():
    return load()


@pytest.fixture(scope="module")
def all_runs(catalog):
    return run_frame(published_runs(), catalog)


def rule_of(adapters: str) -> StackRule:
    return StackRule(stack="any", pattern=re.compile(""), order=0.0, adapters=adapters)


def options(run, memory_bytes=80e9):
    arch = architecture(run_model(run)[0])
    return layout_choices(run, arch, memory_bytes, stack_rule(run.stack, run.date, load()), 8.0)


def test_every_shipped_row_is_predictable_or_says_why(all_runs):
    assert len(all_runs) + len(all_runs.unpredicted) == len(published_runs())
    assert len(all_runs) > 3500
    assert all(len(reason) > 10 for _, reason in all_runs.unpredicted)


def test_a_frame_is_one_table_with_a_row_a_case(all_runs):
    size = len(all_runs)
    for table in (
        all_runs.job,
        all_runs.layout,
        all_runs.machine,
        all_runs.kernels,
        all_runs.stack,
    ):
        for name in table.__dataclass_fields__:
            if name not in ("workload", "recipe"):
                assert getattr(table, name).shape == (size,), name
    recipe = all_runs.job.recipe
    assert all(getattr(recipe, name).shape == (size,) for name in recipe.__dataclass_fields__)
    layout = all_runs.layout
    assert np.all(layout.tp * layout.pp * layout.cp * layout.dp == layout.devices)
    assert np.all(layout.micro_batch * layout.micro_batches * layout.dp >= all_runs.job.batch_samples)
    assert np.all(np.isfinite(all_runs.machine.peak_flop_per_s))


def test_a_subset_keeps_rows_and_labels_together(all_runs):
    part = frame_subset(all_runs, all_runs.labels.group == "megatron-2104.04473")
    assert len(part) == 10
    assert set(part.labels.publisher) == {"NVIDIA/Megatron-LM"}
    assert part.layout.devices.max() == 3072
    assert [run.id for run in part.runs] == list(part.labels.id)


def test_no_case_at_all_is_an_empty_frame(catalog):
    nothing = run_frame([], catalog)
    assert len(nothing) == 0
    assert measured(nothing).step_s.shape == (0,)


def test_published_parameters_agree_with_the_architectures(all_runs):
    published = np.array([run.params for run in all_runs.runs])
    given = np.isfinite(published)
    ratio = np.broadcast_to(all_runs.job.workload.params, len(all_runs))[given] / published[given]
    assert np.mean(np.abs(ratio - 1) < 0.05) > 0.97
    assert np.all(np.abs(ratio - 1) < 0.4)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (blank_run(model="LLAMA3.1_405B", layers=7.0), {"layers": 7, "hidden": 16384, "kv_heads": 8}),
        (blank_run(model="DeepSeekV3 (w/o MTP)", heads=128.0), {"experts": 256, "mla": 1}),
        (blank_run(model="INTELLECT-3", shape_source="GLM-4.5-Air base: public model card"), {"experts": 128}),
        (blank_run(model="GPT-200B", hidden=14400.0, ffn=57600.0, vocab=250000.0, params=200e9), {"layers": 79}),
        (blank_run(model="MaxText-16B", layers=32.0, hidden=4096.0, ffn=28672.0, heads=64.0, kv_heads=64.0,
                   vocab=32000.0, params=16e9), {"head_dim": 128, "ffn_matrices": 3}),
        (blank_run(model="gpt", layers=12.0, hidden=1024.0, ffn=4096.0, heads=16.0),
         {"ffn_matrices": 2, "kv_heads": 16}),
        (blank_run(model="my-llama", layers=12.0, hidden=1024.0, heads=16.0), {"ffn_matrices": 3}),
        (blank_run(model="my-moe", layers=8.0, hidden=512.0, ffn=256.0, heads=8.0, experts=16.0, top_k=2.0),
         {"experts": 16, "moe_ffn": 256, "top_k": 2}),
    ],
)  # fmt: skip
def test_shapes(run, expected):
    found = architecture(run_model(run)[0])
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (blank_run(model="who-knows"), "no hidden size"),
        (blank_run(model="who-knows", hidden=512.0), "no number of layers"),
        (blank_run(model="gpt", layers=12.0, hidden=768.0, ffn=3072.0, heads=12.0, params=5e9), "published are 5e"),
    ],
)
def test_a_shape_that_cannot_be_told_is_refused(run, says):
    with pytest.raises(UnknownShape, match=says):
        run_model(run)


def test_a_family_lends_its_vocabulary_and_a_stranger_none():
    assert family_vocab("Qwen1.5-0.5B") == 151936
    assert family_vocab("zzz") == 0


def test_a_published_machine_overrides_the_reference(catalog):
    found = run_machine(RUN, catalog)
    assert (found.accelerator.id, found.machine.domain_devices) == ("H100-80GB-SXM", 8)
    assert found.machine.nic_bytes_per_s == 400e9 / 8
    assert not found.assumed
    quad = run_machine(replace(RUN, node_devices=4.0, interconnect="4xV100 NVLink + 100Gb/s OmniPath"), catalog)
    assert (quad.machine.node_devices, quad.machine.nic_bytes_per_s) == (4, 100e9 / 8 / 4)
    assert run_machine(replace(RUN, interconnect="NVLink"), catalog).assumed == {"network"}
    assert (
        run_machine(replace(RUN, accelerator="GB200-192GB", interconnect="NVL72"), catalog).machine.domain_devices == 72
    )


def test_a_chip_is_found_by_the_words_people_use(catalog):
    names = ("H100-80GB", "NVIDIA H100", "A100-80GB-SXM4", "Ascend 910B-64GB", "TPUv5p", "RTX A6000-48GB")
    assert [accelerator_of_name(name, catalog).id[:4] for name in names] == [
        "H100",
        "H100",
        "A100",
        "Asce",
        "TPU-",
        "RTX-",
    ]
    with pytest.raises(BadInput, match="mixes"):
        accelerator_of_name("RTX-3090+Titan-RTX", catalog)
    with pytest.raises(UnknownName, match="nearest"):
        accelerator_of_name("H101-80GB", catalog)


@pytest.mark.parametrize("text", ["", "none", "NVLink", "25.6", "NVLink 400GB/s (A800)", "DGX H100", "PCIe"])
def test_a_network_that_is_not_stated_is_unknown(text):
    assert math.isnan(network_rate(text, 8).gbit)


def test_what_is_stated_is_taken():
    (one,) = options(RUN)
    assert (one.layout.tp, one.layout.dp, one.layout.micro_batches, one.layout.zero, one.layout.sp) == (2, 32, 4, 1, 1)
    assert one.assumed == {"sharding", "sequence parallelism"}


def test_missing_degrees_and_batches_follow_from_the_others():
    (alone,) = options(replace(RUN, micro_batch=math.nan))
    assert alone.layout.micro_batch * alone.layout.micro_batches * alone.layout.dp == 128
    assert "micro-batch" in alone.assumed
    (implied,) = options(replace(RUN, batch_samples=math.nan))
    assert implied.batch_samples == 32
    (inside,) = options(replace(RUN, cp=2.0, dp=32.0))
    assert inside.layout.dp == 16


def test_an_unknown_layout_has_several_choices_and_the_first_holds_the_states():
    found = options(replace(RUN, model="llama-2-70b", tp=math.nan, pp=math.nan, recompute="unknown"))
    assert len(found) > 4
    first = found[0].layout
    assert 69e9 * 18 / (first.tp * first.pp) < 80e9
    assert {one.layout.recompute for one in found} == {0, 1.25, 1.5, 1.75, 2}
    assert all({"layout", "recompute"} <= one.assumed for one in found)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"dp": 16.0}, "not the 64 devices"),
        ({"tp": 3.0}, "does not divide"),
        ({"devices": math.nan}, "number of devices"),
        ({"devices": 0.0}, "number of devices"),
        ({"sequence_tokens": math.nan}, "sequence length"),
        ({"batch_samples": math.nan, "pp": 2.0}, "global batch"),
        ({"batch_samples": math.nan, "micro_batch": math.nan}, "neither"),
        ({"batch_samples": 8.0}, "less than|cannot feed"),
        ({"pp": 64.0, "tp": 1.0}, "pipeline stages"),
    ],
)
def test_a_contradiction_is_a_reason(changed, says):
    with pytest.raises(BadInput, match=says):
        options(replace(RUN, **changed))


def test_fsdp_under_a_pipeline_keeps_gathered_weights():
    sharded = replace(RUN, sharding="fsdp", stack="torchtitan")
    assert options(sharded)[0].layout.zero == 3
    assert options(replace(sharded, pp=2.0))[0].layout.zero == 2


def test_stages_are_as_the_row_says_or_cut_by_cost():
    stated = replace(RUN, pp=4.0, note="layers/stage [7, 9, 9, 9]")
    assert given_sizes(options(stated)[0].layout.partition) == (6, 9, 9, 8)  # 34 with embedding and head
    assert given_sizes(options(replace(stated, note="layers/stage [7, 8, 9, 8]"))[0].layout.partition) == (7, 8, 9, 8)
    assert options(replace(stated, note="layers/stage [7, 8, 9, 9]"))[0].layout.partition == 0  # 33: of another model
    assert options(replace(stated, note="layers/stage [8, 8, 16]"))[0].layout.partition == 0  # of three stages
    cut = replace(RUN, pp=4.0, stack="nanotron", model="Llama-like 1B", layers=16.0, hidden=2048.0, ffn=8192.0,
                  heads=32.0, vocab=131072.0)  # fmt: skip
    assert setting_name("partition", options(cut)[0].layout.partition) == "cost"
    named = replace(cut, stack="Megatron-DeepSpeed", note="partition=ends (--pp-partition-method)")
    assert setting_name("partition", options(named)[0].layout.partition) == "ends"
    assert setting_name("partition", options(replace(cut, stack="NeMo"))[0].layout.partition) == "even"


def test_the_predictor_settles_what_a_row_leaves_open(catalog):
    run = replace(RUN, recompute="unknown")
    tight = run_frame([run], catalog, lambda job, layout, *_: (1 + layout.recompute, 290e9 / (1 + layout.recompute)))
    loose = run_frame([run], catalog, lambda job, layout, *_: (1 + layout.recompute, 20e9 / (1 + layout.recompute)))
    assert tight.layout.recompute[0] == 2
    assert loose.layout.recompute[0] == 0


def test_adapters_are_counted_from_their_rank_or_taken_as_stated():
    tuned = replace(RUN, model="llama-2-7b", task="lora")
    model, _ = run_model(tuned)
    assert run_adapters(replace(tuned, note="trainable 4,194,305"), model, rule_of("all")).params == 4194305
    assert run_adapters(tuned, model, rule_of("attention")).params == 4194304  # rank 8 on queries and values
    assert run_adapters(tuned, model, rule_of("all")).params > 4194304
    assert run_adapters(RUN, model, rule_of("all")) is None


@pytest.mark.parametrize("quantised", ["nf4", "nf4-dq", "int8"])
def test_frozen_weights_are_as_wide_as_they_are_written(quantised):
    tuned = replace(RUN, model="llama-2-7b", task="qlora", note=f"quant bnb.{quantised}")
    assert run_adapters(tuned, run_model(tuned)[0], rule_of("all")).quantised == quantised


@pytest.mark.parametrize(
    ("text", "recompute", "attention", "factor"),
    [
        ("6N(incl. embeddings)+12Lsh per token vs 989.5T", "none", (1.0,), 1),
        ("model FLOPs, causal attention (Bridge flop utils), no recompute", "unknown", (0.5,), 1),
        ("model FLOPs (6N*T + non-causal attention 12Lhs^2, pre-2025-07 convention), no remat", "full", (1.0,), 1),
        ("8*params*tokens (hardware, with recompute), params in B", "full", (0.0,), 4 / 3),
        ("96 B s L h^2 formula: hardware FLOPs incl. recompute", "full", (1.0,), 4 / 3),
        ("Megatron 2104.04473 formula (counts recompute when on)", "none", (1.0,), 1),
        ("model FLOPs (MFU)", "none", (1.0, 0.5), 1),
    ],
)
def test_flop_conventions(text, recompute, attention, factor):
    found = flop_convention(text, recompute)
    assert found.attention == attention
    assert found.recompute == pytest.approx(factor)


@pytest.mark.parametrize(
    "text", ["", "n/a", "none (latency)", "unstated (2020 README)", "MFU as printed (peak not stated)"]
)
def test_a_convention_that_is_not_stated_is_none(text):
    assert flop_convention(text, "none") is None


def test_counts_of_recompute_need_to_know_it():
    assert flop_convention("Megatron 2104.04473 formula (counts recompute when on)", "unknown") is None


def test_table_1_of_2104_04473_gives_the_same_seconds_from_its_flops(catalog):
    """The carried step times invert the paper's formula; ours, from the row's convention, agrees within 2 %."""
    rows = [run for run in published_runs() if run.group == "megatron-2104.04473"]
    bare = [replace(run, step_time_s=math.nan, tokens_per_s_per_device=math.nan) for run in rows]
    seconds = measured(run_frame(bare, catalog)).step_s
    assert seconds == pytest.approx([run.step_time_s for run in rows], rel=0.02)


def test_a_layout_error_is_a_kind_of_bad_input():
    assert issubclass(BadLayout, BadInput)
    assert issubclass(UnknownShape, BadInput)
