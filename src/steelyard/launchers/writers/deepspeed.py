"""DeepSpeed: its configuration in JSON, and a script that starts the user's own training script with torchrun.

Source: github.com/deepspeedai/DeepSpeed at 00376da4, docs/_pages/config-json.md; `--deepspeed_config` is what
`deepspeed.add_config_arguments` adds to a training script.
"""

from types import MappingProxyType

from steelyard.launchers.answer import Blank, LaunchFile
from steelyard.launchers.sheet import FileHere, LaunchLine, Sheet, Value
from steelyard.launchers.texts import argument_text, json_text, script_text, torchrun
from steelyard.launchers.writers import writer

_JSON = "deepspeed.json"
_SCRIPT = Blank("TRAINING_SCRIPT", "your script, which calls deepspeed.initialize with the arguments that it was given")
_RATE = Blank("optimizer.params.lr", f"peak learning rate, to be added to {_JSON}")
_FOLDER = f"folder on the NVMe drives of every node, such as /local_nvme, to be added to {_JSON}"
_OPTIMIZERS = MappingProxyType({"adamw": "AdamW", "muon": "Muon", "sgd": "SGD"})
_LEFT_TO_SCRIPT = MappingProxyType(
    {
        "model": "the training script makes the model",
        "sequence_tokens": "the training script cuts its data",
        "document_tokens": "the training script masks its documents",
        "steps": "the training script counts its steps",
        "flash": "the training script chooses its attention",
        "task": "the training script draws or loads the weights",
        "lora_rank": "the training script adds the adapters (peft.LoraConfig: r and lora_alpha)",
        "lora_targets": "the training script adds the adapters (peft.LoraConfig: target_modules)",
    }
)
_ONE = MappingProxyType({"tp": "tensor", "pp": "pipeline", "cp": "context", "ep": "expert", "vpp": "interleaved"})


@writer(
    "deepspeed", source="github.com/deepspeedai/DeepSpeed (microsoft/DeepSpeed) at 00376da4, docs/_pages/config-json.md"
)
def fill_deepspeed(sheet: Sheet) -> tuple[LaunchFile, ...]:
    """Note every setting as a key of DeepSpeed's JSON, and return it with the script that starts it."""
    call = f'{torchrun(sheet)} "${{{_SCRIPT.name}}}"'
    sheet.blanks.append(_SCRIPT)
    for setting, reason in _LEFT_TO_SCRIPT.items():
        sheet.lacks(setting, reason)
    _degrees(sheet)
    _batch(sheet)
    _sharding(sheet)
    _numbers(sheet)
    arguments = [argument_text(LaunchLine("--deepspeed_config", FileHere(_JSON)))]
    return LaunchFile(_JSON, json_text(sheet.lines)), LaunchFile("launch.sh", script_text(sheet, call, arguments))


def _degrees(sheet: Sheet) -> None:
    job = sheet.job
    for setting, kind in _ONE.items():
        sheet.choose(
            setting, job.number(setting) == 1, "1 without such parallelism", f"no {kind} parallelism is written"
        )
    sheet.choose("etp", job.number("etp") == job.number("tp"), "as the rest", "no expert parallelism is written")
    sheet.choose("sp", job.number("sp") == 0, "off", "no sequence parallelism is written")
    sheet.choose("schedule", job.number("pp") == 1, "there is one stage", "no pipeline is written")
    sheet.choose("partition", job.number("pp") == 1, "there is one stage", "no pipeline is written")
    sheet.choose("dp", job.number("dp") == job.number("devices"), "every process", "every process is a data rank")


def _batch(sheet: Sheet) -> None:
    job = sheet.job
    sheet.put("batch_samples", "train_batch_size", job.batch_samples)
    sheet.put("micro_batch", "train_micro_batch_size_per_gpu", job.number("micro_batch"))
    sheet.put("micro_batches", "gradient_accumulation_steps", job.number("micro_batches"))


def _sharding(sheet: Sheet) -> None:
    job = sheet.job
    sheet.put("zero", "zero_optimization.stage", job.number("zero"))
    everything = job.number("zero") == 0 or job.number("shard_devices") == job.number("devices")
    sheet.choose("shard_devices", everything, "all data ranks", "shards span all data ranks")
    if not job.layout.offload:
        sheet.implied("offload", "off without zero_optimization.offload_optimizer")
    elif job.layout.zero:
        sheet.put(
            "offload",
            "zero_optimization.offload_optimizer.device",
            "nvme" if _on_drives(sheet, "optimizer_states") else "cpu",
        )
    else:
        sheet.lacks("offload", "offload_optimizer is valid for stages 1, 2 and 3")
    _recipe(sheet)
    reason = "the training script wraps its blocks (torch.utils.checkpoint, or gradient checkpointing of its library)"
    sheet.choose("recompute", job.numbers["recompute"] == "none", "nothing is wrapped", reason)


def _on_drives(sheet: Sheet, what: str) -> bool:
    """Tell whether the job puts its parameters (`weights`), or its `optimizer_states`, on NVMe drives."""
    return sheet.job.recipe.get(what) == "nvme"


def _recipe(sheet: Sheet) -> None:
    """Write where tensors rest, folders on drives for the user to fill in, and note what of the recipe has no key."""
    zero = "zero_optimization"
    for name, word in sheet.job.recipe.items():
        match name, word:
            case "weights", "host" | "nvme":
                sheet.put("recipe", f"{zero}.offload_param.device", "cpu" if word == "host" else word)
            case "weights", _:
                sheet.implied("recipe", f"{name}={word}: no {zero}.offload_param")
            case "activations", "host":
                sheet.put("recipe", "activation_checkpointing.cpu_checkpointing", True)
                own = "holds of blocks that the training script wraps with deepspeed.checkpointing alone"
                sheet.lacks("recipe", own, f"{name}={word}")
            case "optimizer_states", "nvme":
                sheet.implied("recipe", f"{zero}.offload_optimizer.device nvme")
            case _:
                sheet.lacks("recipe", "the training script, or what it makes its model of, decides", f"{name}={word}")
    for what, key in (("optimizer_states", "offload_optimizer"), ("weights", "offload_param")):
        if _on_drives(sheet, what):
            sheet.blanks.append(Blank(f"{zero}.{key}.nvme_path", _FOLDER))


def _numbers(sheet: Sheet) -> None:
    spec = sheet.job.spec
    precisions: dict[str, tuple[tuple[str, Value], ...]] = {
        "bf16": (("bf16.enabled", True),),
        "fp16": (("fp16.enabled", True),),
        "bf16-pure": (
            ("bf16.enabled", True),
            ("bf16.bf16_master_weights_and_grads", True),
            ("bf16.bf16_optimizer_states", True),
        ),
    }
    keys = precisions.get(spec.precision, ())
    if spec.precision == "bf16-pure" and not sheet.job.layout.zero:
        keys = ()
    for number, (key, value) in enumerate(keys):
        sheet.fixed(key, value)
        if not number:
            sheet.implied("precision", f"{key} true")
    if not keys:
        sheet.choose("precision", spec.precision == "fp32", "fp32 without bf16 and fp16", "no key sets it")
    if spec.optimizer in _OPTIMIZERS:
        sheet.put("optimizer", "optimizer.type", _OPTIMIZERS[spec.optimizer])
        sheet.blanks.append(_RATE)
    else:
        sheet.lacks("optimizer", "this writer knows AdamW, Muon and SGD; the training script may make its own")
    sheet.choose("loss", spec.loss is None, "that of the training script", "the training script computes it")
