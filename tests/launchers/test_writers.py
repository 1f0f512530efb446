"""Laws of every launch writer: each setting is accounted for, and what is written reads back as what was meant."""

import json
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.launchers.cases import MODELS, WRITERS, filled, launched, layouts_of, random_job, spec_of
from tests.launchers.readers import READERS, call_of

from steelyard.catalog import load
from steelyard.catalog.citations import cited_ids
from steelyard.job.kept.recipes import parse_recipe
from steelyard.launchers import launch
from steelyard.launchers import sheet as sheets
from steelyard.launchers.sheet import SETTINGS, LaunchJob, Sheet
from steelyard.launchers.writers import every_writer
from steelyard.planner.points import layout_numbers
from steelyard.strategies.partition import partition_number
from steelyard.tables import Layout

shares = st.floats(0, 1)
models = st.sampled_from(MODELS)

WRITTEN = {"1f1b", "interleaved"}
"""Pipeline schedules that writers know; of another that a stack runs they say that they do not."""


def laid(job: LaunchJob, **changes: float) -> LaunchJob:
    layout = replace(job.layout, **changes)
    return replace(job, layout=layout, numbers=layout_numbers(layout))


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=60, deadline=None)
@given(model=models, share=shares, optimizer=st.sampled_from(["adamw", "muon", "sgd", "lion"]),
       precision=st.sampled_from(["bf16", "fp8", "fp16", "fp32", "tf32"]),
       loss=st.sampled_from([None, "fused", "unfused", "eager", "chunked"]),
       task=st.sampled_from(["pretrain", "full_ft", "lora"]))  # fmt: skip
def test_every_setting_is_written_or_not_expressed_with_a_reason(
    name: str, model: str, share: float, optimizer: str, precision: str, loss: str | None, task: str
) -> None:
    writer = every_writer()[name]
    job = random_job(model, writer.stacks[0], share)
    spec = replace(job.spec, optimizer=optimizer, precision=precision, loss=loss, task=task)
    sheet, _ = filled(writer, replace(job, spec=spec))
    written = {one.setting for one in sheet.expressed}
    lacking = {one.setting: one.reason for one in sheet.not_expressed}
    gone = {"document_tokens", "recipe"} | (set() if task == "lora" else {"lora_rank", "lora_targets"})
    assert written | lacking.keys() == set(SETTINGS) - gone  # no documents, no recipe: nothing to say of them
    assert not written & lacking.keys() - {"model"}
    assert all(reason and "does not write it" not in reason for reason in lacking.values())


@pytest.mark.parametrize(
    ("model", "gone"), [("resnet-50", {"flash", "sequence_tokens", "loss"}), ("vit-l-16", {"sequence_tokens", "loss"})]
)
def test_nothing_is_said_of_settings_that_the_model_has_nothing_for(model: str, gone: set[str]) -> None:
    found = launch(model, samples="1M", on="H100:8", stack="deepspeed")
    said = {one.setting for one in (*found.expressed, *found.not_expressed)}
    assert set(SETTINGS) - said == gone | {"document_tokens", "recipe", "lora_rank", "lora_targets"}
    assert not any(f"{name} " in file.text for name in gone for file in found.files)


@pytest.mark.parametrize("stack", ["deepspeed", "megatron-core", "torchtitan"])
def test_documents_that_are_masked_are_not_expressed(stack: str) -> None:
    """No writer masks documents: a run of its files takes the time of whole sequences, and the account says so."""
    asked = {"tokens": "1B", "on": "H100:8", "stack": stack}
    found = [launch("llama-3-8b", **asked, **given) for given in ({}, {"document_length": 600})]
    values = [[one.value for one in each.not_expressed if one.setting == "document_tokens"] for each in found]
    assert values == [[], ["600"]]


def test_every_field_of_a_layout_is_a_setting_and_a_new_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(Layout.__slots__) <= set(SETTINGS)
    job = random_job("llama-3-8b", "megatron-core", 0.5)
    monkeypatch.setattr(sheets, "SETTINGS", (*SETTINGS, "novel"))
    sheet = Sheet(replace(job, numbers=job.numbers | {"novel": 3}))
    every_writer()["megatron-core"].fill(sheet)
    sheet.account()
    assert [(one.setting, one.value) for one in sheet.not_expressed if "does not write it" in one.reason] == [
        ("novel", "3")
    ]


@pytest.mark.parametrize("name", sorted(READERS))
@settings(max_examples=150, deadline=None)
@given(model=models, share=shares, flash=st.sampled_from([0.0, 1.0]))
def test_what_is_written_reads_back_as_the_layout(name: str, model: str, share: float, flash: float) -> None:
    writer = every_writer()[name]
    job = laid(random_job(model, writer.stacks[0], share), flash=flash)
    sheet, files = filled(writer, job)
    found = READERS[name](files)
    lacking = {one.setting for one in sheet.not_expressed}
    meant = {key: value for key, value in job.values.items() if key in found and key not in lacking}
    assert {key: found[key] for key in meant} == meant
    assert found["devices"] == job.nodes * job.node_devices == job.number("devices")
    assert int(found["tp"]) * int(found["pp"]) * int(found["cp"]) * int(found["dp"]) == found["devices"]
    assert int(found["micro_batch"]) * int(found["dp"]) * int(found["micro_batches"]) == found["batch_samples"]
    stages, chunks = job.number("pp"), job.number("vpp")
    if chunks > 1 and "layers_per_stage" in found:
        assert int(found["layers_per_stage"]) * stages * chunks == job.decoder.layers


@pytest.mark.parametrize("name", sorted(READERS))
def test_valid_layouts_of_a_stack_are_nearly_all_expressed(name: str) -> None:
    """What a stack can run by its file in the catalog, its writer can write; the exceptions are few and known."""
    writer = every_writer()[name]
    known = {
        "megatron-core": {"offload"},  # with ZeRO 0
        "deepspeed": {"model", "sequence_tokens", "steps", "flash", "task", "recompute"},  # the script has them
        "torchtitan": {"sp", "model", "shard_devices"},  # a sequence not divisible by cp tp; flavors; shards below cp
    }
    for model in MODELS:
        for share in (0, 0.1, 0.25, 0.4, 0.5, 0.7, 0.9, 1):
            job = random_job(model, writer.stacks[0], share)
            sheet, _ = filled(writer, job)
            other = set() if job.numbers["schedule"] in WRITTEN else {"schedule"}
            assert {one.setting for one in sheet.not_expressed} <= known.get(name, set()) | other, (model, share)


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_cites_the_repository_that_its_names_were_read_in(name: str) -> None:
    assert cited_ids(every_writer()[name].source, load().sources)
    assert set(every_writer()[name].stacks) <= set(load().stack_files)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [({"zero": 3.0}, "zero"), ({"zero": 0.0, "offload": 1.0}, "offload"), ({"partition": 2.0}, "partition"),
     ({"schedule": 1.0}, "schedule")],
)  # fmt: skip
def test_megatron_core_names_what_it_cannot_express(changes: dict[str, float], setting: str) -> None:
    table = layouts_of("llama-3-8b", "megatron-core")
    row = next(i for i in range(table.devices.size) if table.pp[i] == 4 and table.vpp[i] == 1)
    job = laid(random_job("llama-3-8b", "megatron-core", row / (table.devices.size - 1)), **changes)
    sheet, _ = filled(every_writer()["megatron-core"], job)
    assert setting in {one.setting for one in sheet.not_expressed}


@pytest.mark.parametrize(
    ("changes", "setting"),
    [({"shard_devices": 5.0}, "shard_devices"), ({"zero": 1.0}, "zero"), ({"flash": 0.0}, "flash"),
     ({"etp": 3.0}, "etp")],
)  # fmt: skip
def test_torchtitan_names_what_it_cannot_express(changes: dict[str, float], setting: str) -> None:
    job = laid(random_job("llama-3-8b", "fsdp2", 0.5), **changes)
    sheet, _ = filled(every_writer()["torchtitan"], job)
    assert setting in {one.setting for one in sheet.not_expressed}


def test_the_shape_of_a_model_is_that_of_its_description() -> None:
    _, files = filled(every_writer()["megatron-core"], random_job("deepseek-v3", "megatron-core", 0.3))
    call = call_of(files["launch.sh"])
    given_ = dict(pairwise(call))
    assert given_["--num-layers"] == "61"
    assert (given_["--qk-head-dim"], given_["--qk-pos-emb-head-dim"], given_["--v-head-dim"]) == ("128", "64", "128")
    assert (given_["--num-experts"], given_["--moe-router-topk"]) == ("256", "8")
    assert (given_["--moe-router-num-groups"], given_["--moe-router-group-topk"]) == ("8", "4")
    assert given_["--moe-layer-freq"] == "([0]*3+[1]*58)"
    assert given_["--moe-shared-expert-intermediate-size"] == "2048"
    _, files = filled(every_writer()["megatron-core"], random_job("gpt2-xl", "megatron-core", 0.3))
    call = call_of(files["launch.sh"])
    assert not {"--disable-bias-linear", "--swiglu", "--group-query-attention", "--rotary-base"} & set(call)
    assert dict(pairwise(call))["--position-embedding-type"] == "learned_absolute"


@pytest.mark.parametrize("name", WRITERS)
def test_the_script_stops_at_what_is_left_to_fill_in_and_hands_it_on(name: str, tmp_path: Path) -> None:
    writer = every_writer()[name]
    sheet, files = filled(writer, random_job("llama-3-8b", writer.stacks[0], 0.6))
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    starter = tmp_path / call_of(files["launch.sh"])[0]
    starter.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    starter.chmod(0o755)
    names = [one.name for one in sheet.blanks if one.name.isidentifier()]
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    for lacking in names:
        env = path | {one: f"a {one}" for one in names if one != lacking}
        done = subprocess.run(["bash", "launch.sh"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert lacking in done.stderr
        assert done.stdout == ""
    env = path | {one: f"a {one}" for one in names}
    done = subprocess.run(["bash", "launch.sh"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert all(f"a {one}" in done.stdout for one in names)


def test_shards_on_part_of_the_ranks_are_instances_of_the_distributed_optimizer() -> None:
    table = layouts_of("llama-3-8b", "megatron-core")
    row = next(i for i in range(table.devices.size) if table.dp[i] == 8 and table.cp[i] == 1 and table.zero[i] == 1)
    job = laid(random_job("llama-3-8b", "megatron-core", row / (table.devices.size - 1)), shard_devices=2.0)
    _, files = filled(every_writer()["megatron-core"], job)
    assert "--num-distributed-optimizer-instances 4 " in files["launch.sh"]
    assert READERS["megatron-core"](files)["shard_devices"] == 2


def test_a_model_of_another_shape_has_no_flavor_and_its_name_no_say_in_the_script() -> None:
    job = random_job("llama-3-8b", "fsdp2", 0.5)
    model = replace(job.decoder, layers=30, name="llama-3-8b")
    job = replace(job, spec=replace(job.spec, model=model), configuration="toy\nrm -rf x")
    sheet, files = filled(every_writer()["torchtitan"], job)
    assert "flavor" not in files["torchtitan.toml"]
    assert '--model.flavor "${MODEL_FLAVOR}"' in files["launch.sh"]
    assert "MODEL_FLAVOR" in {one.name for one in sheet.blanks}
    assert "# toy rm -rf x" in files["launch.sh"]


@pytest.mark.parametrize(
    ("chunks", "partition", "text"),
    [(1.0, "ends", "Et*8|t*9|t*8|t*7L"), (1.0, "7-9*2-7", "Et*7|t*9|t*9|t*7L"),
     (2.0, "3-4*3-5*2-4-3", "Et*3|t*4|t*4|t*4|t*5|t*5|t*4|t*3L")],
)  # fmt: skip
def test_stages_shared_out_otherwise_are_written_part_by_part(chunks: float, partition: str, text: str) -> None:
    table = layouts_of("llama-3-8b", "megatron-core")
    row = next(i for i in range(table.devices.size) if table.pp[i] == 4 and table.vpp[i] == chunks)
    number = float(partition_number(partition) or 0)
    job = laid(random_job("llama-3-8b", "megatron-core", row / (table.devices.size - 1)), partition=number)
    _, files = filled(every_writer()["megatron-core"], job)
    found = READERS["megatron-core"](files)
    assert f"--pipeline-model-parallel-layout '{text}'" in files["launch.sh"]
    assert (found["vpp"], found["partition"]) == (int(chunks), job.numbers["partition"])
    torchtitan, _ = filled(every_writer()["torchtitan"], job)
    assert ("partition" in {one.setting for one in torchtitan.not_expressed}) == (partition != "ends")


def test_every_axis_is_above_one_somewhere() -> None:
    for stack, axes in (("megatron-core", ("tp", "pp", "cp", "ep", "vpp", "dp")), ("fsdp2", ("tp", "pp", "cp", "ep"))):
        for axis in axes:
            assert any(getattr(layouts_of(model, stack), axis).max() > 1 for model in MODELS), (stack, axis)


def test_devices_that_fill_no_node_are_spread_evenly() -> None:
    table = layouts_of("llama-3-8b", "megatron-core")
    row = int(next(i for i in range(table.devices.size) if table.devices[i] == 48))
    job = random_job("llama-3-8b", "megatron-core", row / (table.devices.size - 1))
    assert launched(spec_of("llama-3-8b"), job.layout).nodes * 8 == 48


@pytest.mark.parametrize(("batches", "steps"), [(0.1, 1), (1.0, 1), (2.01, 3), (2.5, 3), (7.0, 7)])
def test_a_run_reads_all_of_its_samples(batches: float, steps: int) -> None:
    """A last batch that samples do not fill is a step too."""
    job = random_job("llama-3-8b", "megatron-core", 0.5)
    job = replace(job, spec=replace(job.spec, samples=batches * job.batch_samples))
    assert job.steps == steps
    _, files = filled(every_writer()["megatron-core"], job)
    assert READERS["megatron-core"](files)["steps"] == steps


RECIPES = ("weights=host", "activations=host", "weights=nvme,optimizer_states=nvme", "states=16", "grad_bytes=4")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_setting_of_a_recipe_is_written_or_not_expressed(name: str, recipe: str) -> None:
    writer = every_writer()[name]
    job = random_job("llama-3-8b", writer.stacks[0], 0.5)
    spec = replace(job.spec, recipe=parse_recipe(recipe))
    sheet, files = filled(writer, replace(job, spec=spec))
    said = [one for one in (*sheet.expressed, *sheet.not_expressed) if one.setting == "recipe"]
    assert len(said) >= len(recipe.split(","))
    if name == "deepspeed" and recipe.startswith("weights="):
        device = "cpu" if recipe == "weights=host" else "nvme"
        assert json.loads(files["deepspeed.json"])["zero_optimization"]["offload_param"]["device"] == device


def test_adapters_are_the_training_scripts_under_deepspeed() -> None:
    found = launch("llama-3-8b", tokens="10M", on="H100:8", stack="deepspeed", task="lora", lora_r=64)
    values = {one.setting: one.value for one in found.not_expressed}
    assert values["lora_rank"] == "64"
    assert "q" in values["lora_targets"].split(",")


def test_saved_inputs_on_the_host_are_deepspeeds_checkpoints_on_the_cpu() -> None:
    given = {"tokens": "10M", "on": "H100:8", "stack": "deepspeed", "recipe": "activations=host"}
    found = launch("llama-3-8b", **given)
    text = next(file.text for file in found.files if file.name == "deepspeed.json")
    assert json.loads(text)["activation_checkpointing"] == {"cpu_checkpointing": True}
