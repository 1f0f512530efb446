"""A job file becomes a `JobSpec` with every default said, or one message that names the field and the way out."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.job.configs import CONFIGS

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.job.fields import JOB_FIELD_NAMES
from steelyard.job.job_spec import JobSpec, job_table
from steelyard.job.read import read_job, with_overrides
from steelyard.job.spelled.names import FIELD_ALIASES
from steelyard.job.training import TASKS

NOW = dt.datetime(2027, 1, 13, 12, 0)
EXAMPLES = Path(__file__).parents[2] / "examples"
WHOLE = """
model: llama-3.1-70b
tokens: 20B
sequence: 8192
global_batch: 4M tokens
precision: fp8
optimizer: adam8bit
task: continued_pretrain
accelerators: [H100:64, H200]
regions: [NO, aws/us-*]
providers: aws,gcp
max_devices: 512
by: Fri
budget: $250k
co2e_max: 20t
energy_max: 100MWh
purchase: [on-demand, spot]
checkpoints: 3
max_price_age: 90d
stack: megatron-core
layout: {tp: [4, 8], recompute: full}
policy: {evaluation_share: 2%, restart: 20m}
"""


def test_every_field_of_a_job_file() -> None:
    job = read_job(WHOLE, NOW)
    assert (job.model.name, job.tokens, job.sequence_tokens, job.batch_samples) == ("llama-3.1-70b", 2e10, 8192, 512)
    assert (job.precision, job.optimizer, job.task) == ("fp8", "adam8bit", "continued_pretrain")
    assert job.accelerators == (("H100", 64), ("H200", None))
    assert (job.regions, job.providers) == (("NO", "aws/us-*"), ("aws", "gcp"))
    assert (job.max_devices, job.deadline_s, job.budget_usd) == (512, 60 * 3600, 250e3)
    assert (job.co2e_max_kg, job.energy_max_j) == (20e3, pytest.approx(3.6e11))
    assert (job.purchase, job.stack) == (("on-demand", "spot"), "megatron-core")
    assert (job.checkpoints, job.price_age_s) == (3, 90 * 86400)
    assert job.layout == {"tp": (4, 8), "recompute": (2,)}
    assert job.policy == {"evaluation_share": 0.02, "restart_s": 1200}
    assert job.assumptions == ("global batch 512 sequences: 4e+06 tokens, rounded so that replicas share it evenly",)
    assert read_job(WHOLE.replace("4M tokens", "500"), NOW).batch_samples == 500


def test_what_is_not_given_is_said() -> None:
    job = read_job({"model": "llama-3-8b", "tokens": "20B"}, NOW)
    assert job.deadline_s is None
    assert job.budget_usd is None
    assert [text.split(" ")[0] for text in job.assumptions] == [
        "sequence",
        "global",
        "precision",
        "optimizer",
        "task",
        "purchase",
        "checkpoints",
    ]
    assert "arXiv" in job.assumptions[1]


@pytest.mark.parametrize(
    ("model", "tokens", "batch", "sequence"),
    [
        ("gpt2", "10B", 512, 1024),  # 0.5M tokens
        ("gpt3-1.3b", "300B", 512, 2048),  # 1M
        ("llama-3-8b", "20B", 512, 8192),  # 4M
        ("llama-3.1-405b", "1T", 2048, 8192),  # 16M
        ("qwen3-8b", "1B", 1024, 4096),  # its pre-training context, not its 40960 positions
        ("gpt2", "10k", 9, 1024),  # no larger than the job
    ],
)
def test_the_batch_follows_published_runs(model: str, tokens: str, batch: int, sequence: int) -> None:
    job = read_job({"model": model, "tokens": tokens}, NOW)
    assert (job.batch_samples, job.sequence_tokens) == (batch, sequence)


def test_a_model_that_accepts_more_than_it_starts_with_starts_at_8192() -> None:
    job = read_job({"model": "mixtral-8x22b", "tokens": "20B"}, NOW)
    assert job.sequence_tokens == 8192
    assert "accepts 65536" in job.assumptions[0]


def test_options_win_over_the_file_and_are_checked_alike() -> None:
    job = read_job(WHOLE, NOW)
    more = with_overrides(job, NOW, tokens="40B", by="2w", budget=None, regions="aws/eu-*")
    assert (more.tokens, more.deadline_s, more.budget_usd, more.regions) == (4e10, 1209600, 250e3, ("aws/eu-*",))
    assert with_overrides(job, NOW) == job
    with pytest.raises(BadInput, match="tokens: '-1' is not a count"):
        with_overrides(job, NOW, tokens="-1")
    with pytest.raises(BadInput, match="unknown field 'tokns'; nearest: tokens"):
        with_overrides(job, NOW, tokns="1B")


def test_an_option_replaces_the_other_spelling_of_its_field() -> None:
    job = read_job({"model": "gpt2", "tokens": "1B", "deadline": "7d", "budget_total": 5}, NOW, by="1d", budget="9")
    assert (job.deadline_s, job.budget_usd) == (86400, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": "-5B"}, r"tokens: '-5B' is not a count above zero; write 20B"),
        ({"tokens": 0}, "tokens: 0 is not a count above zero"),
        ({"tokens": None}, "tokens is missing; write tokens: 20B in a job file, or give --tokens 20B"),
        ({"model": None}, "model is missing; write model: llama-3-8b"),
        ({"model": "llama-3-9b"}, "unknown model 'llama-3-9b'; nearest: llama-3-8b"),
        ({"model": "./nowhere"}, "no such file or folder"),
        ({"model": 5}, "model"),
        ({"model": "whisper-tiny"}, "trains on neither text nor images"),
        ({"budgets": 5}, "unknown field 'budgets'; nearest: budget"),
        ({"precision": "bf61"}, "precision: unknown precision 'bf61'; nearest: bf16"),
        ({"optimizer": "adamx"}, "unknown optimizer 'adamx'; nearest: adamax"),
        ({"task": "pretrian"}, "unknown task 'pretrian'; nearest: pretrain"),
        ({"purchase": "spt"}, "unknown purchase 'spt'; nearest: spot"),
        ({"sequence": 4096}, "longer than the 1024 learned positions of gpt2; write sequence: 1024"),
        ({"global_batch": "4M"}, "more than the job's"),
        ({"global_batch": "many"}, "not a whole number; write 512 .sequences."),
        ({"by": "2020-01-01"}, "is not after now"),
        ({"by": 7}, "7 is not a deadline; write 90s"),
        ({"budget": "free"}, "budget: 'free' is not a sum of money"),
        ({"devices": 0}, "devices: 0 is not a whole number above zero; write 8, 64 or 1024"),
        ({"max_devices": "-4"}, "max_devices: '-4' is not a whole number above zero; write 8, 64 or 1024"),
        ({"sequence": 0}, "sequence: 0 is not a whole number above zero; write 2048, 4096 or 8192"),
        ({"checkpoints": -3}, "checkpoints: -3 is not a whole number above zero; write 2, 10 or no"),
        (
            {"sequence": 1e12},
            "one sequence of 1000000000000; write more tokens, or a sequence of at most 536870912",
        ),
        ({"tokens": 20}, "tokens 20 do not fill one sequence of 1024; .* or a sequence of at most 16 tokens"),
        ({"reserved_used": 5}, "reserved_used: 5 is not a share above 0 and up to 1; write 0.75 or 75%"),
        ({"policy": {"evaluation_share": 5}}, "evaluation_share: 5 is not a share from 0 to 1; write 0.75 or 75%"),
        (
            {"model": "resnet-50", "tokens": None, "samples": "1M", "loss": "chunked"},
            "loss is chunked but resnet-50 has no vocabulary that it would be of; leave it out",
        ),
        ({"devices": 8, "max_devices": 4}, "devices is 8 but max_devices is 4; give one of the two"),
        ({"accelerators": "H100:16", "devices": 8}, "accelerators asks for H100:16 but devices is 8; give one of the"),
        ({"accelerators": "H100,H200:16", "max_devices": 8}, "asks for H200:16 but max_devices is 8; give one of"),
        ({"accelerators": "H100:x"}, "accelerators: 'H100:x' is not a list of accelerators"),
        ({"layout": {"tq": 2}}, "layout: unknown layout field 'tq'; nearest: tp"),
        ({"lora": {"rank": 8}}, "lora is given but task is pretrain"),
        ({"lora": {"rnk": 8}, "task": "lora"}, "unknown field 'lora.rnk'; nearest: rank"),
        ({"lora": {"targets": "kv"}, "task": "lora"}, "unknown LoRA target 'kv'"),
        ({"lora": 8, "task": "lora"}, "lora is 8"),
        ({"policy": {"restart": "soon"}}, "policy.restart: 'soon' is not a duration"),
        ({"policy": {"evaluation_share": 1.5}}, "1.5 is not a share from 0 to 1"),
        ({"budget_total": 5, "budget": 5}, "budget is given twice"),
        ({"stack": 5}, "stack is 5"),
        ({"tokens": "100", "sequence": 512}, "do not fill one sequence"),
    ],
)
def test_a_wrong_field_is_one_message(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        read_job({"model": "gpt2", "tokens": "1B", **change}, NOW)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_its_config_and_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(CONFIGS["llama-3-70b"]))
    (tmp_path / "job.yaml").write_text("model: model/config.json\ntokens: 20B\n")
    by_file = read_job(tmp_path / "job.yaml", NOW)
    by_config = read_job(str(tmp_path / "model" / "config.json"), NOW, tokens="20B")
    by_folder = read_job(str(tmp_path / "model"), NOW, tokens="20B")
    assert job_table(by_file) == job_table(by_config) == job_table(by_folder)
    assert by_file.model.name == "model"
    assert with_overrides(by_file, NOW, tokens="30B").tokens == 3e10  # wherever it is called from


def test_a_json_job_is_a_job(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"model": "gpt2", "tokens": "1B"}))
    assert read_job(file, NOW).model.name == "gpt2"


def test_a_preset_wins_over_a_folder_that_holds_no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpt2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_job("gpt2", NOW, tokens="1B").model == read_job({"model": "GPT-2", "tokens": "1B"}, NOW).model


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("job.yaml", "model: [llama", "broken YAML in line 1"),
        ("job.yaml", "model: gpt2\ntokens: 1B\ntokens: 2B\n", "line 3: 'tokens' stands twice"),
        ("job.yaml", "", "holds no fields"),
        ("job.yaml", "just words", "holds no fields"),
        ("job.yaml", "- model: gpt2", "holds no fields"),
        ("job.json", '{"model": "gpt2"', "broken JSON"),
        ("config.json", '{"model_type": "resnet"}', "model_type 'resnet'"),
    ],
)
def test_a_broken_file_is_one_message(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(BadInput, match=message) as caught:
        read_job(str(file), NOW, tokens="1B" if name == "config.json" else None)
    assert name in str(caught.value)


def test_a_missing_file_is_said() -> None:
    with pytest.raises(BadInput, match=r"nowhere\.yaml: no such file"):
        read_job("nowhere.yaml", NOW)


def test_a_model_described_in_place() -> None:
    shape = {"layers": 32, "hidden": 4096, "ffn": 14336, "heads": 32, "kv_heads": 8, "vocab": 128256}
    job = read_job({"model": {**shape, "max_tokens": 8192}, "tokens": "20B"}, NOW)
    assert job_table(job).workload.params == 8030261248


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hiden": 4}, "unknown field 'hiden'; nearest: hidden"),
        ({"vocab": None}, "vocab is None; it must be a whole number"),
        ({"heads": 0}, "heads is 0; it must be a whole number from 1"),
        ({"tied": "yes"}, "tied is 'yes'; it must be true or false"),
        ({"norm": 5}, "norm is 5; it must be text"),
    ],
)
def test_a_wrong_description_is_one_message(change: dict[str, Any], message: str) -> None:
    shape = {"layers": 2, "hidden": 64, "ffn": 256, "heads": 4, "vocab": 100, "max_tokens": 128}
    with pytest.raises(BadInput, match=message):
        read_job({"model": {**shape, **change}, "tokens": "1M"}, NOW)


def test_a_config_in_place() -> None:
    job = read_job({"model": CONFIGS["mixtral-8x7b"], "tokens": "20B"}, NOW)
    assert job_table(job).workload.params == 46702792704


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_jobs(path: Path) -> None:
    job = read_job(path, NOW)
    assert job.samples * job_table(job).workload.model_flop > 1e18
    assert job.deadline_s


def test_the_network_among_the_examples_is_the_published_one() -> None:
    """torchvision.models.vgg16: 138,357,544 parameters, 15.47 GMAC (its documentation)."""
    work = job_table(read_job(EXAMPLES / "vgg-16.yaml", NOW)).workload
    alone = job_table(read_job(str(EXAMPLES / "networks" / "vgg-16.yaml"), NOW, samples="1M")).workload
    assert work.params == alone.params == 138357544
    assert work.model_flop / 3 / 2 == pytest.approx(15.47e9, rel=1e-3)


def test_the_config_among_the_examples_is_its_preset() -> None:
    job = read_job(str(EXAMPLES / "qwen3-8b" / "config.json"), NOW, tokens="20B")
    assert job_table(job).workload.params == 8190735360


@pytest.mark.parametrize("precision", load().precisions)
@pytest.mark.parametrize("optimizer", load().optimizers)
def test_every_optimizer_and_precision_has_its_bytes(precision: str, optimizer: str) -> None:
    job = job_table(read_job({"model": "gpt2", "tokens": "1B", "precision": precision, "optimizer": optimizer}, NOW))
    assert 0 <= float(job.moment_bytes) <= 12  # three fp32 moments
    assert 0 < job.gemm_bytes <= job.element_bytes
    assert job.trainable_share == 1


def test_sixteen_bytes_a_parameter_is_mixed_precision_adam() -> None:
    job = job_table(read_job({"model": "llama-3-8b", "tokens": "1B"}, NOW))
    gradient = weight = 2
    assert weight + gradient + job.moment_bytes + job.master_bytes == 16  # ZeRO, arXiv 1910.02054, section 3.1


@pytest.mark.parametrize("task", TASKS)
def test_only_adapters_leave_parameters_frozen(task: str) -> None:
    job = job_table(read_job({"model": "llama-2-7b", "tokens": "1B", "task": task}, NOW))
    adapted = task in {"lora", "qlora"}
    assert (job.trainable_share < 0.01) == adapted
    assert (float(job.frozen_bytes) < 1) == (task == "qlora")


def test_lora_of_gpt_3_is_the_share_of_its_paper() -> None:
    # Hu et al., arXiv 2106.09685, Table 4: rank 8 on queries and values, 37.7M; rank 4: 18.9M (rank 1 on all: 18.9M).
    def trained(**lora: Any) -> float:
        given = {"model": "gpt3-175b", "tokens": "1B", "task": "lora", "lora": lora}
        job = job_table(read_job(given, NOW))
        return float(job.trainable_share * job.workload.params)

    assert trained(rank=8, targets="q_proj,v_proj") == pytest.approx(37.7e6, rel=0.002)
    assert trained(rank=4, targets=["q", "v"]) == pytest.approx(18.9e6, rel=0.002)


NAMES = st.sampled_from(["model", "tokens", "by", "budget", "layout", "lora", "regions", "policy", "stack", "junk"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["gpt2", "1B"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def outcome(source: Any) -> JobSpec | BadInput:
    try:
        return read_job(source, NOW)
    except BadInput as error:
        return error


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_any_mapping_is_a_job_or_one_message(given_fields: dict[str, Any]) -> None:
    result = outcome(given_fields)
    assert isinstance(result, JobSpec) or len(str(result).splitlines()) == 1


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_good_job_with_any_other_fields_is_a_job_or_one_message(given_fields: dict[str, Any]) -> None:
    result = outcome({**given_fields, "model": "gpt2", "tokens": "1B"})
    assert isinstance(result, JobSpec) or len(str(result).splitlines()) == 1


@given(st.text(max_size=80) | st.from_regex(r"(model|tokens|by): ?[\w\[\]{}:,'\"&*!%|>-]{0,12}\n.{0,20}"))
def test_any_text_is_a_job_or_one_message(text: str) -> None:
    assert len(str(outcome(text + "\n")).splitlines()) == 1


@given(st.integers(0, len(WHOLE)))
def test_a_file_cut_off_anywhere_is_a_job_or_one_message(end: int) -> None:
    result = outcome(WHOLE[:end] + "\n")
    assert isinstance(result, JobSpec) or len(str(result).splitlines()) == 1


def test_the_whole_job_survives_yaml() -> None:
    assert read_job(yaml.safe_load(WHOLE), NOW) == read_job(WHOLE, NOW)


@pytest.mark.parametrize(
    ("given", "batches"),
    [
        ({"global_batch_min": 256}, (512, 256)),
        ({"global_batch_min": 1000}, (1000,)),
        ({"global_batch_max": 2048}, (512, 1024, 2048)),
        ({"global_batch_max": 100}, (100,)),
        ({"global_batch_min": 128, "global_batch_max": 1024}, (512, 128, 256, 1024)),
        ({"global_batch_min": "1M tokens", "global_batch_max": "2M tokens"}, (224, 128)),
        ({"min_global_batch": "1M tokens", "max_global_batch": "1100000 tokens"}, (128,)),
        ({"global_batch": 512, "global_batch_min": 256}, ()),
        ({"global_batch": 512}, ()),
    ],
)
def test_a_range_of_batches(given: dict[str, Any], batches: tuple[int, ...]) -> None:
    spec = read_job({"model": "llama-3-8b", "tokens": "20B", **given})
    assert spec.batches == batches
    assert spec.batch_samples == (batches or (512,))[0]
    if batches:
        assert any(text.startswith("global batch") and "the plan chooses" in text for text in spec.assumptions)


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (
            {"global_batch_min": 512, "global_batch_max": 256},
            "min of 512 .* above global_batch_max of 256",
        ),
        ({"global_batch": 64, "global_batch_min": 256}, "64 sequences is outside its range"),
        ({"global_batch_min": "900B tokens"}, "more than the job's 2e"),
        ({"global_batch_min": "many"}, "many"),
        ({"axes": "time,price"}, "unknown axis 'price'"),
        ({"axes": ""}, "axes"),
    ],
)
def test_a_bad_range_or_axis_is_named(given: dict[str, Any], part: str) -> None:
    with pytest.raises(BadInput, match=part):
        read_job({"model": "llama-3-8b", "tokens": "20B", **given})


def test_an_option_for_the_range_takes_the_place_of_the_files_batch() -> None:
    job = read_job({"model": "llama-3-8b", "tokens": "20B", "batch": 64}, global_batch_max=128)
    assert job.batches == (128,)
    assert with_overrides(job, global_batch=32).batches == ()


def test_axes_keep_one_order() -> None:
    assert read_job({"model": "llama-3-8b", "tokens": "20B"}, axes="co2e, Time").axes == ("time", "co2e")


def test_every_spelling_of_a_field_is_documented():
    page = (Path(__file__).parents[2] / "docs/job.md").read_text("utf-8")
    table = page.partition("| field | also written |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`(\w+)`", line) for line in table.splitlines()[2:]]
    assert {other: field for field, *others in rows for other in others} == dict(FIELD_ALIASES)
    assert set(FIELD_ALIASES.values()) <= set(JOB_FIELD_NAMES)


@pytest.mark.parametrize("unit", ["images", "events", "image"])
def test_a_batch_of_text_counts_sequences_or_tokens(unit):
    with pytest.raises(BadInput, match=rf"global_batch is given in {unit.removesuffix('s')}s but .* on sequences"):
        read_job({"model": "llama-3-8b", "tokens": "20B", "global_batch": f"512 {unit}"})
    for written in (512, "512", "512 samples", "512 sequences", "4 million tokens"):
        assert read_job({"model": "llama-3-8b", "tokens": "20B", "batch_samples": written}).batch_samples in {
            512,
            488,
            448,
            480,
        }
