"""Words of the configurations that people copy, in notes and in columns of their own: each is read as what it sets."""

import csv
import io
from dataclasses import replace

import pytest

from steelyard.catalog import load
from steelyard.errors import BadInput
from steelyard.evidence.frames.frame import RunFrame, run_frame
from steelyard.evidence.runs.reader import blank_run, parse_runs
from steelyard.evidence.runs.run import Run
from steelyard.evidence.runs.spellings import worded
from steelyard.job import job_table, read_job
from steelyard.job.optimizers import is_refused, parse_optimizer
from steelyard.job.training import parse_precision, parse_task
from steelyard.strategies.recipe_settings import QUANTISED_BYTES

ROW = blank_run(id="row", model="llama-3-8b", accelerator="H100-80GB", devices=8.0, sequence_tokens=4096.0,
                precision="bf16", stack="HF Trainer", date="2025-06", batch_samples=64.0, micro_batch=1.0,
                recompute="unknown", flash_attention="unknown", task="full_ft", step_time_s=6.0)  # fmt: skip


def framed(**given: object) -> RunFrame:
    found = run_frame([replace(ROW, **given)], load())  # type: ignore[arg-type]  # columns by name
    assert len(found), found.unpredicted
    return found


def of_file(**cells: str) -> Run:
    """Return the one run of a comma-separated file of these columns."""
    text = io.StringIO()
    whole = {"model": "llama-3-8b", "accelerator": "H100", "devices": "8", "sequence_tokens": "4096"} | cells
    lines = csv.writer(text)
    lines.writerow(whole)
    lines.writerow(whole.values())
    (run,) = parse_runs(text.getvalue().encode(), "runs.csv")
    return run


MIXED = ("BF16 mixed", "bf16-mixed", "mixed_bf16", "amp_bf16", "AMP (bf16)", "bf16 autocast", "bf16, fp32 master",
         "mixed_precision: bf16", "bfloat16 mixed precision", "MixedPrecision(param_dtype=bf16)")  # fmt: skip
BARE = ("bf16", "BF16", "bfloat16", "bf16=True", "{'bf16': {'enabled': True}}", "bf16 without fp8")
"""What says what products are computed in, and nothing of parameters: autocast over a model loaded in 16 bits."""


@pytest.mark.parametrize("stack", ["HF Trainer", "torchtune", "Megatron-LM", "plain PyTorch", ""])
def test_mixed_precision_is_one_job_by_every_spelling(stack: str) -> None:
    """arXiv 1710.03740: 16-bit work beside an fp32 master copy, whatever a framework calls it and usually does."""
    jobs = [framed(stack=stack, precision=text).job for text in MIXED]
    assert {(float(job.master_bytes[0]), float(job.moment_bytes[0])) for job in jobs} == {(4.0, 8.0)}
    assert {parse_precision(text).precision for text in MIXED} == {"bf16"}


@pytest.mark.parametrize("text", BARE)
def test_a_bare_bf16_leaves_states_to_the_stack(text: str) -> None:
    found = {stack: framed(stack=stack, precision=text) for stack in ("HF Trainer", "torchtune", "Megatron-LM")}
    kept = {stack: (float(one.job.master_bytes[0]), "states" in one.assumed[0]) for stack, one in found.items()}
    assert kept == {"HF Trainer": (4.0, True), "torchtune": (0.0, False), "Megatron-LM": (4.0, False)}


@pytest.mark.parametrize(
    ("text", "name", "master", "moments"),
    [
        ("16-mixed", "fp16", 4, 8),
        ("mixed_float16", "fp16", 4, 8),
        ("apex O2", "fp16", 4, 8),
        ("bf16-true", "bf16-pure", 0, 4),
        ("16-true", "fp16-pure", 0, 4),
        ("pure bf16, no autocast", "bf16-pure", 0, 4),
        ("bf16-pure (no AMP)", "bf16-pure", 0, 4),
        ("32-true", "fp32", 0, 8),
        ("fp8 mixed", "fp8", 4, 8),
        ("fp32, TF32 off", "fp32", 0, 8),
        ("bf16 without fp8", "bf16", 4, 8),
    ],
)
def test_precisions_mean_the_same_in_rows_and_on_the_command_line(text, name, master, moments) -> None:
    job = framed(precision=text).job
    assert (float(job.master_bytes[0]), float(job.moment_bytes[0])) == (master, moments)
    assert worded(replace(ROW, precision=text)).precision == name
    assert parse_precision(text).precision == name


def test_mixed_precision_without_its_type_is_that_of_the_card() -> None:
    for text in ("amp", "autocast", "mixed precision"):
        new, old = framed(precision=text), framed(precision=text, accelerator="V100-32GB")
        assert [found.labels.precision[0] for found in (new, old)] == ["bf16", "fp16"]
        assert "precision" in new.assumed[0]
        assert float(new.job.master_bytes[0]) == float(old.job.master_bytes[0]) == 4.0
        assert parse_precision(text).precision == "bf16"


@pytest.mark.parametrize("text", ["", "bf17", "int3"])
def test_what_is_no_precision_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="unknown precision"):
        parse_precision(text)


@pytest.mark.parametrize(
    ("note", "kind"),
    [
        ("load_in_8bit=True", "int8"),
        ("8-bit base", "int8"),
        ("LLM.int8()", "int8"),
        ("quantization_bit: 8", "int8"),
        ("load_in_4bit: true", "nf4"),
        ("bnb_4bit_quant_type=fp4", "nf4"),
        ("load_in_4bit=True, load_in_8bit=False", "nf4"),
        ("load_in_4bit=True; bnb_4bit_use_double_quant=True", "nf4-dq"),
        ("nf4 base, no double quantisation", "nf4"),
        ("4-bit base, adamw_8bit", "nf4"),
        ("GPTQ base", "int4-g128"),
        ("load_in_4bit=False", ""),
        ("adamw_bnb_8bit", ""),
        ("not quantised: no nf4, no GPTQ", ""),
    ],
)
def test_types_of_frozen_weights(note: str, kind: str) -> None:
    assert float(framed(task="lora", note=note).job.recipe.packed_bytes[0]) == QUANTISED_BYTES.get(kind, 0.0)


OPTIMIZERS = [
    ("paged_adamw_8bit", "paged-adamw-8bit"),
    ("adamw_bnb_8bit", "adam8bit"),
    ("adamw8bit", "adam8bit"),
    ("bitsandbytes.optim.PagedAdamW8bit", "paged-adamw-8bit"),
    ("paged_adamw_32bit", "paged-adamw-32bit"),
    ("adamw_torch_fused", "adamw"),
    ("adafactor", "adafactor"),
    ("galore_adamw", "galore"),
    ("lion_8bit", "lion8bit"),
    ("lion_32bit", "lion"),
    ("paged_lion_8bit", "paged-lion-8bit"),
    ("PagedLion8bit", "paged-lion-8bit"),
    ("paged_lion_32bit", "paged-lion-32bit"),
    ("paged_lion", "paged-lion-32bit"),
    ("sgd", "sgd"),
    ("torch.optim.SGD", "sgd"),
    ("muon", "muon"),
    ("rmsprop", "rmsprop"),
    ("adamw_torch_xla", "adamw"),
    ("adamw_torch_npu_fused", "adamw"),
    ("adamw_apex_fused", "adamw"),
    ("adamw_anyprecision", "adamw-anyprecision"),
    ("adamw_torch_8bit", "adamw-8bit-torchao"),
    ("torchao.optim.AdamW8bit", "adamw-8bit-torchao"),
    ("adamw_torch_4bit", "adamw-4bit-torchao"),
    ("ao_adamw_fp8", "adamw-fp8-torchao"),
    ("ademamix", "ademamix"),
    ("ademamix_8bit", "ademamix-8bit"),
    ("paged_ademamix_32bit", "paged-ademamix"),
    ("paged_ademamix_8bit", "paged-ademamix-8bit"),
    ("rmsprop_bnb", "rmsprop"),
    ("rmsprop_bnb_8bit", "rmsprop-8bit"),
    ("rmsprop_bnb_32bit", "rmsprop"),
    ("adagrad", "adagrad"),
    ("galore_adamw_8bit", "galore-8bit"),
    ("galore_adafactor", "galore-adafactor"),
    ("galore_adamw_layerwise", "galore-layerwise"),
    ("galore_adamw_8bit_layerwise", "galore-8bit-layerwise"),
    ("galore_adafactor_layerwise", "galore-adafactor-layerwise"),
    ("apollo_adamw", "apollo"),
    ("apollo_adamw_layerwise", "apollo-layerwise"),
    ("lomo", "lomo"),
    ("adalomo", "adalomo"),
    ("grokadamw", "grokadamw"),
    ("schedule_free_radam", "schedule-free-adamw"),
    ("schedule_free_adamw", "schedule-free-adamw"),
    ("schedule_free_sgd", "schedule-free-sgd"),
    ("stable_adamw", "stable-adamw"),
    ("adam-mini", "adam-mini"),
    ("dist_muon", "muon"),
    ("distributed_fused_adam", "adamw"),
]


@pytest.mark.parametrize(("text", "name"), OPTIMIZERS)
def test_optimizers_are_read_alike_in_columns_notes_and_on_the_command_line(text: str, name: str) -> None:
    wanted = float(
        job_table(read_job("llama-3-8b", tokens="1B", optimizer=name, stack="HF Trainer", task="full_ft")).moment_bytes
    )
    rows = [{"optimizer": text}, {"note": f"optim={text}; packed"}, {"note": f'"optimizer": "{text}"'}]
    plain = {"precision": "bf16 mixed", "batch_samples": 8.0}  # one micro-batch a step: some step in the backward pass
    assert {float(framed(**plain, **row).job.moment_bytes[0]) for row in rows} == {wanted}
    assert parse_optimizer(text).optimizer == name


@pytest.mark.parametrize("note", ["paged 8-bit Lion", "8-bit paged Lion", "optim=paged_lion_8bit", "PagedLion8bit"])
def test_paged_states_of_any_optimizer_are_paged(note: str) -> None:
    paged, plain = framed(note=note).job, framed(note="optim=lion_8bit").job
    assert paged.moment_bytes[0] == plain.moment_bytes[0]
    assert paged.recipe.states_paged[0] == 1
    assert plain.recipe.states_paged[0] != 1


def test_states_of_optimizers_are_those_of_their_papers() -> None:
    """2403.03507, table 1: mr + 2nr of a matrix; one byte and a constant a block of 2,048 of an 8-bit momentum."""
    assert parse_optimizer("lion_8bit").moment_bytes == 1 + 4 / 2048
    hidden, rank = 4096, 128
    galore = parse_optimizer("galore").factored_bytes * (1 / hidden + 1 / hidden)
    assert galore == pytest.approx(4 * (hidden * rank + 2 * hidden * rank) / hidden**2)
    apollo = parse_optimizer("apollo_adamw").factored_bytes * (1 / hidden + 1 / hidden)  # 2412.05270, table 1: 2nr
    assert apollo == pytest.approx(4 * 2 * hidden * rank / hidden**2)
    narrow = parse_optimizer("galore_adamw_8bit").factored_bytes * (1 / hidden + 1 / hidden)
    assert narrow == pytest.approx((4 + 2 * (1 + 4 / 2048)) * hidden * rank / hidden**2)
    assert parse_optimizer("ademamix_8bit").moment_bytes == 3 * (1 + 4 / 2048)  # two first moments, one second
    assert parse_optimizer("adamw_torch_8bit").moment_bytes == 2 * (1 + 4 / 256)
    assert parse_optimizer("adamw_torch_4bit").moment_bytes == 2 * (1 / 2 + 4 / 128)
    assert parse_optimizer("adam-mini").moment_bytes == 4  # 2406.16793: one number a block in place of the second
    assert parse_optimizer("rmsprop_bnb_8bit").moment_bytes == 1 + 4 / 2048
    assert parse_optimizer("lomo").moment_bytes == 0


UNLIKE = (
    "sophia", "adam9bit", "", "adamw8bt", "adamx", "onebitadam", "muon_8bit", "adafactor_8bit", "lion_4bit",
    "paged_sgd", "galore_lion", "mini_sgd", "adamw_torch_16bit", "paged_rmsprop", "galore_adamw_4bit",
)  # fmt: skip


@pytest.mark.parametrize("text", UNLIKE)
def test_what_only_resembles_an_optimizer_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="unknown optimizer"):
        parse_optimizer(text)
    if text not in ("", "mini_sgd"):  # a row may name one beside words of something else
        assert is_refused(text)


@pytest.mark.parametrize(
    ("text", "task"),
    [("sft", "full_ft"), ("SFT", "full_ft"), ("Q-LoRA", "qlora"), ("peft", "lora"), ("cpt", "continued_pretrain")],
)
def test_tasks_are_read_alike_in_rows_and_on_the_command_line(text: str, task: str) -> None:
    assert (
        worded(replace(ROW, task=text)).task
        == parse_task(text)
        == read_job("gpt2", tokens="1B", task=text).task
        == task
    )


@pytest.mark.parametrize(
    ("note", "recompute"),
    [
        ("gradient_checkpointing=True", 2),
        ('use_gradient_checkpointing="unsloth"', 2),
        ("enable_activation_checkpointing: True", 2),
        ("--recompute-granularity full", 2),
        ("recompute_granularity=selective", 1),
        ("activation_checkpoint.mode=selective", 1),
        ("selective activation recomputation", 1),
        ("activation checkpointing every 2nd layer", 1.5),
        ("gradient_checkpointing: false", 0),
        ("no recompute", 0),
        ("recompute off", 0),
        ("AC: none", 0),
    ],
)  # fmt: skip
def test_recomputation(note: str, recompute: float) -> None:
    assert float(framed(note=note).layout.recompute[0]) == recompute
    assert float(framed(recompute=note).layout.recompute[0]) == recompute


@pytest.mark.parametrize(
    ("note", "zero"),
    [
        ("FULL_SHARD", 3),
        ("fsdp=full_shard auto_wrap", 3),
        ("HYBRID_SHARD", 3),
        ("SHARD_GRAD_OP", 2),
        ("NO_SHARD", 0),
        ("fsdp_sharding_strategy: 2", 2),
        ("reshard_after_forward=False", 2),
        ("zero_optimization.stage=3", 3),
        ("deepspeed: ds_z2_config.json", 2),
        ("DeepSpeed stage 1", 1),
        ("ZeRO-2", 2),
        ("no FSDP", 0),
    ],
)
def test_sharding(note: str, zero: float) -> None:
    assert float(framed(note=note).layout.zero[0]) == zero
    if "reshard" not in note:
        assert float(framed(sharding=note).layout.zero[0]) == zero


@pytest.mark.parametrize(
    ("note", "optimizer", "weights"),
    [
        ("offload_optimizer: {device: cpu}", 1, False),
        ("optimizer states on CPU", 1, False),
        ("CPUOffloadOptimizer", 1, False),
        ("offload_param device=cpu", 0, True),
        ("fsdp_offload_params: true", 1, True),
        ("fsdp: full_shard offload", 1, True),
        ("zero3 offload params and optimizer", 1, True),
        ("ZeRO-Infinity", 1, True),
        ("cpu_offload=True", 1, False),
        ("offload_optimizer_device: none", 0, False),
        ("no CPU offload", 0, False),
    ],
)
def test_offload(note: str, optimizer: float, weights: bool) -> None:
    found = framed(note=note)
    assert float(found.layout.offload[0]) == optimizer
    assert (found.job.recipe.weights_on_host[0] == 1.0) == weights


def test_a_column_denies_an_offload() -> None:
    for text in ("no optimizer offload", "optimizer: no, params: no", "none", "off"):
        found = framed(offload=text)
        assert float(found.layout.offload[0]) == 0
        assert found.job.recipe.weights_on_host[0] != 1.0


def test_settings_of_other_tools_may_be_columns() -> None:
    run = of_file(
        optim="paged_adamw_8bit", gradient_checkpointing="True", load_in_4bit="True", task="lora", stack="HF Trainer",
        per_device_train_batch_size="2", gradient_accumulation_steps="4", attn_implementation="eager",
        mixed_precision="bf16", step_time_s="6",
    )  # fmt: skip
    found = run_frame([run], load())
    assert not found.notes[0]
    assert (float(found.layout.micro_batch[0]), float(found.layout.micro_batches[0])) == (2.0, 4.0)
    assert (float(found.layout.recompute[0]), float(found.layout.flash[0])) == (2.0, 0.0)
    assert float(found.job.recipe.packed_bytes[0]) == QUANTISED_BYTES["nf4"]
    assert found.runs[0].optimizer == "paged_adamw_8bit"


@pytest.mark.parametrize(
    ("column", "cell", "gib", "metric"),
    [
        ("peak_memory_gb", "70", 70e9 / 2**30, "unknown"),
        ("peak_memory_gib", "70", 70, "unknown"),
        ("vram_gb", "70 GiB", 70, "unknown"),
        ("gpu_memory_gb", "70", 70e9 / 2**30, "unknown"),
        ("max_memory_reserved", str(70 * 2**30), 70, "reserved"),
        ("max_memory_allocated_mib", "71680", 70, "allocated"),
        ("torch max memory reserved gib", "70", 70, "reserved"),
        ("Peak VRAM (GiB)", "70", 70, "unknown"),
        ("torch.cuda.max_memory_reserved", str(70 * 2**30), 70, "reserved"),
        ("Memory per GPU [GiB]", "70", 70, "unknown"),
        ("peak_mem", "70 GiB", 70, "unknown"),
    ],
)
def test_columns_of_peaks(column: str, cell: str, gib: float, metric: str) -> None:
    run = of_file(**{column: cell})
    assert (run.peak_memory_bytes / 2**30, run.memory_metric) == (pytest.approx(gib), metric)
    assert not run.strange


def test_of_two_counters_the_reserved_one_is_taken_and_the_other_told() -> None:
    run = of_file(max_memory_allocated_gib="50", max_memory_reserved_gib="60")
    assert (run.peak_memory_bytes / 2**30, run.memory_metric) == (60, "reserved")
    assert run.strange == ("column 'max_memory_allocated_gib': the peak is that of 'max_memory_reserved_gib'",)


@pytest.mark.parametrize(
    ("column", "cell", "seconds"),
    [
        ("step_time_s", "1h", 3600),
        ("step_time_s", "1m", 60),
        ("step_time_s", "1m30s", 90),
        ("step_time", "1 min 30 s", 90),
        ("step_time_ms", "12900", 12.9),
        ("ms_per_step", "12900", 12.9),
        ("iteration_time_min", "2", 120),
        ("step_time_ms", "12.9 s", 12.9),
        ("Step time (s)", "12.9", 12.9),
        ("Step time [ms]", "12900", 12.9),
    ],
)
def test_columns_and_cells_of_step_times(column: str, cell: str, seconds: float) -> None:
    assert of_file(**{column: cell}).step_time_s == pytest.approx(seconds)


def test_columns_of_collected_tables_are_read() -> None:
    run = of_file(
        framework="torchtitan", notes="packed", gradient_checkpointing="True", global_batch_size="64", mfu="0.4"
    )
    assert (run.stack, run.note, run.recompute, run.batch_samples) == ("torchtitan", "packed", "true", 64)
    assert not run.strange


@pytest.mark.parametrize("name", ["total_memory_gb", "memory_metric_gb", "steps", "step_number"])
def test_other_columns_are_no_measurements(name: str) -> None:
    run = of_file(step_time_s="6", **{name: "3"})
    assert run.step_time_s == 6
    assert run.peak_memory_bytes != run.peak_memory_bytes  # NaN
    assert len(run.strange) == 1
