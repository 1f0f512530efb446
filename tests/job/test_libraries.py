"""What a library takes where nobody says, whatever shards its models: the same for jobs and measured rows."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.catalog.stack_names import rule_of_name
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.runs.reader import blank_run
from steelyard.job import job_table, read_job
from steelyard.job.unstated.usual import named_layout

ALL = ("q", "k", "v", "o", "gate", "up", "down")
LIBRARIES = {
    # library: matrices, rank and recomputation where nobody says
    "ms-swift": (ALL, 8, "full"),  # swift.readthedocs.io: target_modules all-linear, lora_rank 8
    "LLaMA-Factory": (ALL, 8, "full"),  # hparams/finetuning_args.py: lora_target all, lora_rank 8
    "axolotl": (ALL, 32, "full"),  # examples: lora_target_linear true, lora_r 32
    "TRL": (("q", "v"), 8, "full"),  # PEFT's LoraConfig
    "unsloth": (ALL, 16, "full"),  # get_peft_model: r = 16
}
UPCAST = {"TRL": 0.5}  # pull request 4457 of huggingface/trl casts nothing any more; the others never leave fp32 norms
ENGINES = ("", " + DeepSpeed ZeRO-3", ", DeepSpeed ZeRO-2", " + FSDP", " (FSDP2)", " DDP")


def rule(text: str, date: str = ""):
    return rule_of_name(load().stack_rules, text, date)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_engine_leaves_the_defaults_of_its_library(library: str, engine: str) -> None:
    targets, rank, recompute = LIBRARIES[library]
    job = read_job("llama-3.1-8b", tokens="10M", task="lora", stack=library + engine)
    assert (job.lora_targets, job.lora_rank) == (targets, rank)
    found = rule(library + engine)
    assert (found.library, found.recompute, found.upcast) == (library, recompute, UPCAST.get(library, 0.0))


@pytest.mark.parametrize("library", LIBRARIES)
def test_deepspeed_shards_whatever_library_it_is_named_beside(library: str) -> None:
    text = f"{library} + DeepSpeed ZeRO-3"
    assert rule(text).stack == "deepspeed"
    assert (rule(text).states, rule(text).sharding) == ("mixed", "3")
    assert rule(f"DeepSpeed ZeRO-3, {library}") == rule(text)


@pytest.mark.parametrize("text", ["DeepSpeed ZeRO-3", "OpenRLHF", "HF Trainer + DeepSpeed"])
def test_an_engine_without_a_library_has_its_own(text: str) -> None:
    found = rule(text)
    assert (found.stack, found.library, found.recompute, found.adapters) == ("deepspeed", "", "", "attention")


@pytest.mark.parametrize(
    ("text", "date", "library", "adapters", "recompute"),
    [
        ("Megatron-SWIFT", "", "Megatron-SWIFT", "all", "selective"),
        ("ms-swift (Megatron)", "", "Megatron-SWIFT", "all", "selective"),
        ("ms-swift 2.4", "2024-06", "ms-swift", "qkv", "full"),
        ("torchtune", "2024-06", "torchtune", "attention", "full"),
        ("torchtune", "2025-03", "torchtune", "all but keys", "full"),
        ("Megatron-LM", "2024-06", "", "attention", ""),
    ],
)
def test_versions_and_other_trainers_have_defaults_of_their_own(text, date, library, adapters, recompute) -> None:
    found = rule(text, date)
    assert (found.library, found.adapters, found.recompute) == (library, adapters, recompute)


@pytest.mark.parametrize("library", ["ms-swift", "LLaMA-Factory", "axolotl", "unsloth"])
def test_what_is_taken_is_said_with_whose_default_it_is(library: str) -> None:
    job = {"model": "llama-3.1-8b", "tokens": "10M", "task": "lora", "stack": f"{library} + DeepSpeed ZeRO-2"}
    found = steelyard.estimate(job, "H100:8")
    assert found.layout["recompute"] == "full"
    _, rank, _ = LIBRARIES[library]
    assert f"lora rank {rank}: the default of {library}" in found.assumptions
    assert f"lora targets all linear matrices: as the recipes of {library} have them" in found.assumptions
    assert any(text.startswith("recompute full") for text in found.assumptions)
    told = steelyard.estimate({**job, "lora": {"rank": 64, "targets": ["q", "v"]}}, "H100:8")
    assert not any(text.startswith("lora ") for text in told.assumptions)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("engine", ["", " + DeepSpeed ZeRO-3"])
def test_a_measured_row_is_read_as_a_job(library: str, engine: str) -> None:
    given = {"model": "llama-3.1-8b", "task": "lora", "stack": library + engine, "precision": "bf16"}
    stage = "0" if library == "unsloth" and not engine else "2"  # which shards nothing
    row = blank_run(
        id="row", accelerator="H100", devices=8.0, tp=1.0, pp=1.0, dp=8.0, sequence_tokens=2048.0, micro_batch=1.0,
        batch_samples=64.0, optimizer="adamw", step_time_s=3.0, date="2025-06", sharding=stage, **given,
    )  # fmt: skip
    found = run_frame([row], load())
    assert not found.unpredicted
    job = {**given, "tokens": "10M", "sequence": 2048, "global_batch": 64}
    taken = steelyard.estimate(job, "H100:8", layout=f"tp=1,pp=1,dp=8,mbs=1,zero={stage}").layout["recompute"]
    assert (float(found.layout.recompute[0]), taken) == (2.0, "full")
    share = float(job_table(read_job(job)).trainable_share)
    assert float(found.job.trainable_share[0]) == pytest.approx(share)


SEVERAL = (
    "PyTorch Lightning", "Lightning Fabric", "Fabric", "Composer", "Accelerate", "HF Trainer", "Ray Train", "TRL",
    "axolotl", "LLaMA-Factory", "ms-swift", "unsloth",
)  # fmt: skip
SHARDED = {"FSDP": 3, "FSDP2": 3, "HSDP": 3, "DDP": 0, "DeepSpeed ZeRO-2": 2, "DeepSpeed ZeRO-3": 3}


@pytest.mark.parametrize("engine", SHARDED)
@pytest.mark.parametrize("library", SEVERAL)
def test_the_engine_shards_what_a_library_of_several_trains_in_jobs_and_rows(library: str, engine: str) -> None:
    shape = {"model": "llama-3.2-1b", "task": "full_ft", "precision": "bf16"}
    for text in (f"{library} + {engine}", f"{engine}, {library}"):
        able = load().capability(rule(text).stack)
        assert named_layout(text, able)["zero"] == (SHARDED[engine],)
        assert (able.stack == "deepspeed") == ("DeepSpeed" in engine)
        row = blank_run(
            id="row", accelerator="H100", devices=8.0, sequence_tokens=2048.0, micro_batch=1.0, batch_samples=64.0,
            optimizer="adamw", step_time_s=3.0, date="2025-06", stack=text, **shape,
        )  # fmt: skip
        found = run_frame([row], load())
        assert not found.unpredicted
        assert float(found.layout.zero[0]) == SHARDED[engine]


def test_a_library_of_several_engines_has_kernels_of_its_user_whatever_shards() -> None:
    assert {rule(f"Lightning + {engine}").kernels for engine in SHARDED} == {"eager"}
    assert (rule("PyTorch Lightning").stack, rule("FSDP2").kernels) == ("pytorch-eager", "fused")
