"""torchtitan: its configuration in TOML, and a script that starts `torchtitan.train` with torchrun.

Source: github.com/pytorch/torchtitan, torchtitan/config/job_config.py at 6404b932 (parallelism, training, activation
checkpoints), train_configs/llama3_8b_varlen.toml at 7201df9f (assets, quantisation), deepseek_v3_16b.toml at
00f785af (experts); `-m torchtitan.train --job.config_file` is that of its run_train.sh. Flavors: llama3/__init__.py at
00f555e1, qwen3/__init__.py at 0310b491, deepseek_v3/__init__.py. Versions with configurations in Python read no TOML.
"""

from types import MappingProxyType

from steelyard.job.models.presets import find_model_or_none
from steelyard.launchers.answer import Blank, LaunchFile
from steelyard.launchers.sheet import FileHere, LaunchLine, Sheet
from steelyard.launchers.texts import argument_text, script_text, toml_text, torchrun
from steelyard.launchers.writers import writer

_FLAVORS = MappingProxyType(
    {
        "llama-3-8b": ("llama3", "8B"),
        "llama-3.1-8b": ("llama3", "8B"),
        "llama-3-70b": ("llama3", "70B"),
        "llama-3.1-70b": ("llama3", "70B"),
        "llama-3.1-405b": ("llama3", "405B"),
        "deepseek-v3": ("deepseek_v3", "671B"),
    }
    | {f"qwen3-{size.lower()}": ("qwen3", size) for size in ("0.6B", "1.7B", "4B", "8B", "14B", "32B")}
    | {f"qwen3-{size.lower()}": ("qwen3", size) for size in ("30B-A3B", "235B-A22B")}
)
"""Model of the catalog → name and flavor of torchtitan that have its shape."""

_SCHEDULES = MappingProxyType(
    {"1f1b": "1F1B", "interleaved": "Interleaved1F1B", "gpipe": "GPipe", "zb-v": "ZBVZeroBubble"}
)
_CONFIG = "torchtitan.toml"
_OVERRIDES = (
    (
        "--model.hf_assets_path",
        Blank("HF_ASSETS", "folder of the tokenizer, as scripts/download_hf_assets.py makes it"),
    ),
    ("--training.dataset", Blank("DATASET", "name of a data set that torchtitan registers, such as c4")),
    ("--optimizer.lr", Blank("LEARNING_RATE", "peak learning rate")),
)


@writer(
    "fsdp2",
    source="github.com/pytorch/torchtitan at 6404b932, torchtitan/config/job_config.py, and its train_configs",
    kinds=("decoder",),
    adapters=False,
)
def fill_torchtitan(sheet: Sheet) -> tuple[LaunchFile, ...]:
    """Note every setting as a key of torchtitan's TOML, and return it with the script that starts it."""
    call = f"{torchrun(sheet)} -m torchtitan.train"
    overrides = [LaunchLine("--job.config_file", FileHere(_CONFIG)), *_model(sheet)]
    _degrees(sheet)
    _sharding(sheet)
    _pipeline(sheet)
    _experts(sheet)
    _step(sheet)
    _training(sheet)
    config = toml_text(sheet.lines)
    for key, blank in _OVERRIDES:
        sheet.fixed(key, blank)
        overrides.append(LaunchLine(key, blank))
    return (
        LaunchFile(_CONFIG, config),
        LaunchFile("launch.sh", script_text(sheet, call, [argument_text(one) for one in overrides])),
    )


def _model(sheet: Sheet) -> list[LaunchLine]:
    """Note the flavor, and return arguments for one that is not known."""
    model = sheet.job.spec.model
    known = _FLAVORS.get(model.name) if model == find_model_or_none(model.name) else None
    if known:
        sheet.put("model", "model.name", known[0])
        sheet.fixed("model.flavor", known[1])
        return []
    name, flavor = (
        Blank(f"MODEL_{part}", f"{part.lower()} of torchtitan that has this shape") for part in ("NAME", "FLAVOR")
    )
    sheet.lacks("model", "torchtitan takes a named flavor, and none is known to have this shape")
    sheet.blanks += [name, flavor]
    return [LaunchLine("--model.name", name), LaunchLine("--model.flavor", flavor)]


def _degrees(sheet: Sheet) -> None:
    job = sheet.job
    sheet.put("tp", "parallelism.tensor_parallel_degree", job.number("tp"))
    sheet.put("pp", "parallelism.pipeline_parallel_degree", job.number("pp"))
    sheet.put("cp", "parallelism.context_parallel_degree", job.number("cp"))
    parallel, split = job.number("tp") > 1, job.number("sp") > 0
    sheet.choose(
        "sp", parallel == split, "tensor parallelism splits the sequence, always", "torchtitan cannot turn it off"
    )
    fused = "scaled_dot_product_attention picks a fused kernel"
    sheet.choose("flash", job.number("flash") > 0, fused, "no key turns fused attention off")


def _sharding(sheet: Sheet) -> None:
    job = sheet.job
    stage, group = job.number("zero"), job.number("shard_devices")
    even = group % job.number("cp") == 0 and job.number("dp") % (group // job.number("cp")) == 0
    sharded = group // job.number("cp") if even and stage > 1 else job.number("dp")
    sheet.put("dp", "parallelism.data_parallel_shard_degree", sharded)
    sheet.fixed("parallelism.data_parallel_replicate_degree", job.number("dp") // sharded)
    spans = "dp shards over dp_shard times cp ranks, replicas of these are whole"
    sheet.choose("shard_devices", even and stage > 1, spans, f"{spans}; the files shard over all")
    if stage > 1:
        sheet.put("zero", "parallelism.fsdp_reshard_after_forward", "always" if stage == 3 else "never")
    else:
        sheet.lacks("zero", "torchtitan shards gradients with the optimizer states")


def _pipeline(sheet: Sheet) -> None:
    job, layers = sheet.job, sheet.job.decoder.layers
    stages, chunks = job.number("pp"), job.number("vpp")
    fewer = {"even": 0, "ends": 1}.get(str(job.numbers["partition"]), 0)
    known = job.numbers["partition"] == "even" or (fewer == 1 and chunks == 1)
    reason = "this writer spreads blocks evenly, or counts both ends as a block each where stages have one chunk"
    sheet.choose("partition", known, "blocks are spread evenly, less those of the first and last stage", reason)
    if stages == 1:
        sheet.implied("schedule", "there is one stage")
        sheet.choose("vpp", chunks == 1, "there is one stage", "there is one stage")
        return
    schedule = str(job.numbers["schedule"])
    if schedule in _SCHEDULES:
        sheet.put("schedule", "parallelism.pipeline_parallel_schedule", _SCHEDULES[schedule])
    else:
        sheet.lacks("schedule", f"this writer knows {', '.join(_SCHEDULES.values())}")
    sheet.fixed("parallelism.pipeline_parallel_first_stage_less_layers", fewer)
    sheet.fixed("parallelism.pipeline_parallel_last_stage_less_layers", fewer)
    if chunks > 1:
        sheet.put("vpp", "parallelism.pipeline_parallel_layers_per_stage", layers // (stages * chunks))
    else:
        sheet.implied("vpp", "one stage a rank, as 1F1B has it")


def _experts(sheet: Sheet) -> None:
    job = sheet.job
    ep, etp, tp = job.number("ep"), job.number("etp"), job.number("tp")
    sheet.put("ep", "parallelism.expert_parallel_degree", ep)
    if ep == 1:
        sheet.choose("etp", etp == tp, "as the rest, without expert parallelism", "it takes effect with ep alone")
    elif etp in {1, tp}:
        sheet.put("etp", "parallelism.expert_tensor_parallel_degree", etp)
    else:
        sheet.lacks("etp", "expert_tensor_parallel_degree is 1 or that of the rest")


def _step(sheet: Sheet) -> None:
    job = sheet.job
    micro_batch, count = job.number("micro_batch"), job.number("micro_batches")
    if job.layout.pp > 1:  # the pipeline cuts the local batch; gradients accumulate within one pass of it
        sheet.put("micro_batch", "parallelism.pipeline_parallel_microbatch_size", micro_batch)
        sheet.put("micro_batches", "training.local_batch_size", micro_batch * count)
    else:
        sheet.put("micro_batch", "training.local_batch_size", micro_batch)
        sheet.implied("micro_batches", "global over local batch and dp")
    sheet.put("batch_samples", "training.global_batch_size", job.batch_samples)
    sheet.put("sequence_tokens", "training.seq_len", job.number("sequence_tokens"))
    sheet.lacks("document_tokens", "the flavour of the model says attn_mask_type block_causal; no key sets it")
    sheet.put("steps", "training.steps", job.steps)
    sheet.put("offload", "training.enable_cpu_offload", job.number("offload") > 0)
    policy = str(job.numbers["recompute"])
    if policy in {"none", "selective", "full"}:
        sheet.put("recompute", "activation_checkpoint.mode", policy)
    else:
        sheet.lacks("recompute", "activation_checkpoint.mode is none, selective or full")
    if policy == "selective":
        sheet.fixed("activation_checkpoint.selective_ac_option", "op")


def _training(sheet: Sheet) -> None:
    spec = sheet.job.spec
    if spec.precision in {"bf16", "fp32"}:
        sheet.put(
            "precision", "training.mixed_precision_param", {"bf16": "bfloat16", "fp32": "float32"}[spec.precision]
        )
    elif spec.precision == "fp8":
        sheet.put("precision", "model.converters", ["quantize.linear.float8"])
        sheet.fixed("quantize.linear.float8.enable_fsdp_float8_all_gather", True)
    else:
        sheet.lacks("precision", "this writer knows bf16, fp32 and fp8")
    if spec.optimizer == "adamw":
        sheet.put("optimizer", "optimizer.name", "AdamW")
    else:
        sheet.lacks("optimizer", "optimizer.name is Adam or AdamW")
    eager = "cross_entropy of PyTorch, eager without compile.enable"
    sheet.choose("loss", spec.loss in {None, "eager"}, eager, "no key of its own sets it")
    if spec.task in {"continued_pretrain", "full_ft"}:
        sheet.lacks("task", "set checkpoint.enable and checkpoint.initial_load_path to where the weights are")
    else:
        sheet.choose("task", spec.task == "pretrain", "weights are drawn anew", "torchtitan trains every parameter")
    sheet.lacks_extras("torchtitan trains every parameter", "no key of this writer sets it: the stack's own stands")
