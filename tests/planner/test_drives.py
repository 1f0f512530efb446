"""What a person gets who puts tensors on NVMe drives: bytes, seconds or what to say for them, and who can do it."""

import json
import math
from typing import Any

import pytest
from click.testing import CliRunner
from tests.planner.alike import figures, validated

import steelyard
from steelyard.cli.app import app
from steelyard.errors import BadInput
from steelyard.job import read_job
from steelyard.job.kept.drives import on_drives_of_text
from steelyard.job.kept.recipes import parse_recipe
from steelyard.launchers import launch
from steelyard.planner import estimate, plan

JOB = {"model": "llama-3-70b", "tokens": "1B", "stack": "deepspeed"}
LAYOUT = "zero=3,offload=1"
BOTH = "weights=nvme,optimizer_states=nvme"
RATES = "read=25GB/s,write=12GB/s"
PARAMS = 70.55e9


def asked(on: str = "p5.48xlarge", laid: str = LAYOUT, **given: Any) -> Any:
    return estimate({**JOB, **given}, on, layout=laid)


@pytest.mark.parametrize(("recipe", "width"), [("weights=nvme", 2), ("optimizer_states=nvme", 16), (BOTH, 18)])
def test_an_estimate_has_the_bytes_on_device_host_and_drives(recipe: str, width: int) -> None:
    far = asked(recipe=recipe, nvme=RATES)
    near = asked(recipe="weights=host") if "weights" in recipe else asked()
    assert far.nvme_bytes == pytest.approx(width * PARAMS, rel=1e-3)
    assert far.nvme_limit_bytes == 30.4e12
    assert far.host_bytes < near.host_bytes
    assert far.memory_bytes.value == pytest.approx(near.memory_bytes.value, rel=1e-12)
    assert near.nvme_bytes == 0.0
    assert far.time_s.value > near.time_s.value


def test_a_rate_that_nobody_states_is_not_made_up() -> None:
    found = asked(recipe=BOTH)
    assert math.isnan(found.time_s.value)
    assert any("no source says how fast" in one.text and "--nvme" in one.text for one in found.bound_by)
    stated = asked(recipe=BOTH, nvme=RATES)
    assert not any("NVMe" in one.text for one in stated.bound_by)
    assert asked(recipe=BOTH, nvme="50GB/s").time_s.value < asked(recipe=BOTH, nvme="25GB/s").time_s.value


def test_a_node_with_a_measured_rate_needs_no_word() -> None:
    found = asked("Standard_ND96isr_H200_v5", recipe=BOTH)
    assert not math.isnan(found.time_s.value)
    slower = asked("Standard_ND96isr_H200_v5", recipe=BOTH, nvme="read=10GB/s")
    assert slower.time_s.value > found.time_s.value


def test_drives_that_are_too_small_are_said_and_do_not_fit() -> None:
    found = asked(recipe=BOTH, nvme={"capacity": "1TB", "read": "25GB/s", "write": "12GB/s"})
    assert not found.fits
    assert found.bound_by[0].text.startswith("NVMe: 1,270 GB are on the drives of a node that has 1,000")
    none = asked("p3.16xlarge", precision="fp16", recipe=BOTH, nvme=RATES)
    assert not none.fits
    assert "has none" in none.bound_by[0].text
    unknown = asked("node-H100-NVL", recipe=BOTH, nvme=RATES)
    assert math.isnan(unknown.nvme_limit_bytes)
    assert any("how much the drives of a node hold is unknown" in one.text for one in unknown.bound_by)


def test_the_page_and_the_json_have_a_line_for_the_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    args = ["estimate", "llama-3-70b", "--tokens", "1B", "--on", "p5.48xlarge:8", "--stack", "deepspeed"]
    args += ["--layout", LAYOUT, "--recipe", BOTH, "--nvme", RATES, "--no-calibration", "--shipped"]
    page = CliRunner().invoke(app, args)
    assert page.exit_code == 0, page.output
    lines = [line.split() for line in page.output.splitlines()]
    assert ["on", "NVMe", "1,270", "of", "30,400", "GB"] in lines
    assert lines.index(["on", "NVMe", "1,270", "of", "30,400", "GB"]) == next(
        place + 1 for place, line in enumerate(lines) if line[:2] == ["on", "host"]
    )
    said = json.loads(CliRunner().invoke(app, [*args, "--json"]).stdout)
    assert said["nvme_bytes"] == pytest.approx(18 * PARAMS, rel=1e-3)
    assert said["nvme_limit_bytes"] == 30.4e12
    plain = json.loads(CliRunner().invoke(app, [*args[:8], "--layout", LAYOUT, "--json"]).stdout)
    assert plain["nvme_bytes"] == 0.0


@pytest.mark.parametrize("stack", ["fsdp2", "megatron-core", "torchtune", "litgpt"])
@pytest.mark.parametrize("recipe", ["weights=nvme", "optimizer_states=nvme"])
def test_other_stacks_say_the_way_out(stack: str, recipe: str) -> None:
    with pytest.raises(
        BadInput, match=r"puts nothing on NVMe drives; name a stack that does \(deepspeed.*weights=host"
    ):
        estimate({**JOB, "stack": stack}, "H100:8", recipe=recipe)
    with pytest.raises(BadInput, match="puts nothing on NVMe drives"):
        plan({**JOB, "stack": stack}, recipe=recipe, accelerators="H100:8")


@pytest.mark.parametrize("laid", ["zero=2,offload=1", "zero=1,offload=1"])
def test_a_stage_without_swappers_is_refused(laid: str) -> None:
    with pytest.raises(BadInput, match="zero=3"):
        asked(recipe=BOTH, laid=laid)
    with pytest.raises(BadInput, match="zero=3"):
        read_job({**JOB, "recipe": BOTH, "layout": laid})


def test_states_on_drives_are_offloaded_states() -> None:
    with pytest.raises(BadInput, match="offload=1"):
        asked(recipe="optimizer_states=nvme", laid="zero=3,offload=0")
    assert read_job({**JOB, "recipe": "optimizer_states=nvme"}).layout["offload"] == (1,)
    assert "offload" not in read_job({**JOB, "recipe": "weights=nvme"}).layout
    assert asked(recipe=BOTH, laid="").layout["zero"] == 3


def test_a_plan_looks_at_drives_only_where_it_is_asked_to() -> None:
    job = {"model": "llama-3-8b", "tokens": "1B", "stack": "deepspeed", "accelerators": "H200:8"}
    assert all(point.nvme_bytes == 0.0 for point in plan(job).points)
    found = plan(job, recipe=BOTH)
    assert found.points
    assert all(point.nvme_bytes > 0 and point.layout["zero"] == 3 for point in found.points)
    assert not plan(job, recipe=BOTH, nvme="read=25GB/s,write=12GB/s,capacity=10GB").points
    untimed = plan({**job, "accelerators": "H100:8", "providers": "aws"}, recipe=BOTH)
    assert not untimed.points or all(math.isnan(point.time_s.value) for point in untimed.points)
    assert any("no source says how fast" in text and "H100" in text for text in untimed.notes)


def test_a_writer_writes_the_device_and_asks_for_the_folder() -> None:
    made = launch({**JOB, "recipe": BOTH}, on="H100:8", layout=LAYOUT)
    written = json.loads(made.files[0].text)["zero_optimization"]
    assert written["offload_optimizer"]["device"] == written["offload_param"]["device"] == "nvme"
    assert {one.name for one in made.to_fill} >= {
        f"zero_optimization.{key}.nvme_path" for key in ("offload_optimizer", "offload_param")
    }
    plain = launch(JOB, on="H100:8", layout=LAYOUT)
    assert json.loads(plain.files[0].text)["zero_optimization"]["offload_optimizer"] == {"device": "cpu"}
    assert not any("nvme" in one.name for one in plain.to_fill)


@pytest.mark.parametrize("text", ["", "fast", "read=fast", "rate=3GB/s", "read=0", "read=-1GB/s", "read="])
def test_drives_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="nvme"):
        read_job({**JOB, "nvme": text or "  "})


@pytest.mark.parametrize("recipe", ["activations=nvme", "gradients=nvme"])
def test_what_no_stack_puts_on_drives_has_no_word(recipe: str) -> None:
    with pytest.raises(BadInput, match="it takes"):
        parse_recipe(recipe)


TRAINER = "HF Trainer + DeepSpeed"
SAID = (  # words of a row, those of a job, what is on drives
    ({"offload": "nvme"}, {"recipe": "optimizer_states=nvme"}),
    ({"offload": "optimizer: nvme", "sharding": "3"}, {"recipe": "optimizer_states=nvme"}),
    ({"offload": "optimizer: nvme; params: nvme"}, {"recipe": BOTH}),
    ({"offload": "optimizer+params nvme"}, {"recipe": BOTH}),
    ({"offload": "optimizer: cpu, params: nvme"}, {"recipe": "weights=nvme", "layout": "offload=1"}),
    ({"note": "offload_optimizer: {device: nvme}, offload_param: {device: nvme}"}, {"recipe": BOTH}),
    ({"note": "offload_optimizer_device: nvme, offload_param_device: none"}, {"recipe": "optimizer_states=nvme"}),
    ({"note": "ZeRO-Infinity (NVMe)"}, {"recipe": BOTH}),
    ({"recipe": "optimizer_states=nvme"}, {"recipe": "optimizer_states=nvme"}),
    ({"recipe": "weights=nvme", "offload": "optimizer"}, {"recipe": "weights=nvme", "layout": "offload=1"}),
    ({"stack": "DeepSpeed, NVMe offload"}, {"stack": "DeepSpeed, NVMe offload"}),
    ({"stack": "DeepSpeed ZeRO-Infinity, NVMe offload"}, {"stack": "DeepSpeed ZeRO-Infinity, NVMe offload"}),
    ({"stack": TRAINER, "offload": "nvme"}, {"stack": TRAINER, "recipe": "optimizer_states=nvme"}),
    ({"stack": "hf-trainer", "offload": "nvme"}, {"stack": "hf-trainer", "recipe": "optimizer_states=nvme"}),
    ({"stack": "torchtune", "offload": "nvme"}, {"stack": "torchtune", "recipe": "optimizer_states=nvme"}),
    ({"sharding": "2", "offload": "nvme"}, {"recipe": "optimizer_states=nvme", "layout": "zero=2"}),
)  # fmt: skip
ROW = {"model": "llama-3-8b", "accelerator": "V100-32GB-SXM3", "devices": "16", "task": "pretrain", "seq_len": "1024",
       "stack": "deepspeed", "precision": "fp16", "optimizer": "adamw", "batch": "64", "micro_batch": "2", "tp": "1",
       "pp": "1", "recompute": "full", "loss": "eager", "flash_attention": "yes"}  # fmt: skip
ALIKE = {"model": "llama-3-8b", "tokens": "1B", "task": "pretrain", "sequence": 1024, "stack": "deepspeed",
         "precision": "fp16", "optimizer": "adamw", "global_batch": 64, "loss": "eager"}  # fmt: skip


@pytest.mark.parametrize(("row", "job"), SAID, ids=str)
def test_a_row_and_a_job_that_say_the_same_of_drives_are_predicted_the_same(
    row: dict[str, str], job: dict[str, str]
) -> None:
    given = {**ALIKE, **job}
    laid = ",".join(filter(None, (given.pop("layout", ""), "tp=1,mbs=2,recompute=full,flash=1")))
    found = figures(validated({**ROW, **row}))
    try:
        one = steelyard.estimate(given, "V100-32GB-SXM3:16", layout=laid)
    except BadInput:
        assert isinstance(found, str), found
        assert "NVMe" in found
        return
    on_drives = one.nvme_bytes > 0
    assert on_drives == (given.get("recipe") != "weights=nvme")  # a rank has half a billion, which memory keeps
    assert on_drives or any("nothing on NVMe" in text.text for text in one.bound_by)
    assert found == pytest.approx((float(one.time.total_s), one.memory_bytes.value), rel=1e-9)


@pytest.mark.parametrize(
    "text",
    ["no NVMe offload", "offload nvme: false", "data on local NVMe", "activations offloaded to NVMe",
     "checkpoints offloaded to disk", "offload_optimizer: cpu, offload_optimizer_nvme_path: /local_nvme",
     "optimizer not offloaded to NVMe", "8 NVMe drives; CPU offload", "weights loaded from NVMe"],
)  # fmt: skip
def test_what_no_text_says_of_states_is_not_on_drives(text: str) -> None:
    assert on_drives_of_text(text) == frozenset()


def test_rows_of_drives_are_cited_where_something_is_there() -> None:
    cited = {
        one.quantity: one
        for one in steelyard.explain({**JOB, "recipe": BOTH}, on="DGX-2:16", layout=LAYOUT, precision="fp16").rows
    }
    assert cited["drives"].value == "30720 GB"
    assert cited["drives, read"].value == "25.6 GB/s"
    assert "2104.07857" in cited["drives, read"].source
    assert "nvme_group" in cited
    plain = {one.quantity for one in steelyard.explain(JOB, on="H100:8", layout=LAYOUT).rows}
    assert not any("nvme" in name or "drives" in name for name in plain)
