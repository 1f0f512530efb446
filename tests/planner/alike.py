"""One training written twice, as a row of measured runs and as a job: random ones, and what both predict of them."""

import csv
import io
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import steelyard
from steelyard.catalog import load, supports
from steelyard.catalog.stack_names import rule_of_name
from steelyard.evidence.runs.reader import parse_runs
from steelyard.evidence.score.validation import Validation, validate_runs
from steelyard.job.unstated.stack import usual_stack
from steelyard.planner.answers import Estimate

TUNED = ("full_ft", "lora", "qlora")
SMALL = ("llama-3.2-1b", "gpt2-xl", "qwen2.5-1.5b", "opt-1.3b")
LARGE = ("llama-2-7b", "llama-3-8b", "mistral-7b", "mixtral-8x7b", "gpt-j-6b")
STACKS = (
    "", "hf-trainer", "TRL", "PEFT", "axolotl", "LLaMA-Factory + Liger", "unsloth", "HF Trainer", "torchtune", "litgpt",
    "TRL + FSDP", "HF Trainer, DeepSpeed ZeRO-2", "accelerate DDP", "torchtitan", "deepspeed", "megatron-core",
    "NeMo 25.04", "PyTorch", "PyTorch DDP", "ms-swift", "torchtune, no compile", "fms-acceleration", "any",
)  # fmt: skip
PRECISIONS = (
    "", "bf16", "BF16", "bf16-mixed", "bf16-pure", "bf16=True", "pure bf16", "bfloat16", "fp16", "fp16 mixed", "fp8",
    "fp32", "amp", "tf32",
)  # fmt: skip
SEQUENCES = ("512", "1k", "1K", "1024", "1024 tokens", "1,024")
OPTIMIZERS = (
    "", "adamw", "adamw_8bit", "paged_adamw_8bit", "sgd", "lion", "adafactor", "adamw_torch_fused", "muon", "galore",
)  # fmt: skip
BASES = ("", "nf4", "nf4-dq", "int8", "int4-g128")
LOSSES = ("", "", "", "chunked", "fused", "eager")
RECIPES = ("", "", "", "states=16", "states=18", "gradients=fused", "activations=host", "weights=host")
CHIPS = ("H100", "A100-80GB-SXM", "B200", "MI300X")

NAMES: Mapping[str, tuple[str, ...]] = {
    "sequence": ("sequence_tokens", "seq_len", "sequence_len", "max_seq_length", "cutoff_len", "sequence"),
    "global_batch": ("batch_samples", "global_batch", "batch", "global_batch_size"),
    "optimizer": ("optimizer", "optim"),
    "mbs": ("micro_batch", "micro_batch_size", "per_device_train_batch_size", "mbs"),
    "ga": ("ga", "micro_batches", "gradient_accumulation_steps", "gas"),
    "recompute": ("recompute", "gradient_checkpointing", "activation_checkpointing"),
    "zero": ("sharding", "zero_stage", "sharding_strategy"),
    "flash": ("flash_attention", "attn_implementation"),
    "rank": ("lora_rank", "lora_r", "r"),
    "targets": ("lora_targets", "target_modules"),
}
"""Names of a setting, all of which rows and job files take."""

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "recompute": {"full": ("full", "yes", "True"), "none": ("none", "no", "False")},
    "zero": {"0": ("0", "ddp", "no_shard"), "2": ("2", "ZeRO-2", "SHARD_GRAD_OP"), "3": ("3", "FULL_SHARD", "fsdp")},
    "flash": {"1": ("yes", "sdpa", "flash_attention_2"), "0": ("no", "eager")},
}
"""Words of a value, by the value that a layout prints."""


@dataclass
class Written:
    """A training in the words of a row and in those of a job."""

    row: dict[str, str] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=lambda: {"tokens": "1B"})
    layout: dict[str, str] = field(default_factory=dict)
    on: str = ""

    @property
    def pinned(self) -> str:
        """The layout as it is written beside the job."""
        return ",".join(f"{name}={value}" for name, value in self.layout.items())


def written(seed: int) -> Written:
    """Return a random training, some of whose settings nobody states; each is spelled in one of its ways, twice."""
    some, made = random.Random(seed), Written()  # no secret
    task = some.choice(("pretrain", *TUNED))
    _say(some, made, "model", some.choice(SMALL if task in ("pretrain", "full_ft") else (*SMALL, *LARGE)))
    made.row["task"] = made.job["task"] = task
    _say(some, made, "stack", some.choice([name for name in STACKS if (name or task in TUNED) and _adapts(name, task)]))
    for name, values in (("precision", PRECISIONS), ("optimizer", OPTIMIZERS), ("sequence", SEQUENCES),
                         ("loss", LOSSES), ("recipe", RECIPES)):  # fmt: skip
        _say(some, made, name, some.choice(values))
    devices = some.choice((1, 1, 2, 8, 16))
    made.on = f"{some.choice(CHIPS)}:{devices}"
    made.row |= {"accelerator": made.on.split(":")[0], "devices": str(devices)}
    _lay(some, made, devices)
    _in_containers(made)
    if task in ("lora", "qlora"):
        _adapt(some, made)
    return made


def _in_containers(made: Written) -> None:
    """Say TF32 in the job where a row of fp32 was run in containers that multiply so; a job of fp32 is in fp32."""
    chip = load().accelerator(made.on.split(":")[0])
    if rule_of_name(load().stack_rules, made.job.get("stack", "")).fp32 == "tf32" and supports(chip, "tf32"):
        for name in NAMES.get("precision", ("precision",)):
            if made.job.get(name) == "fp32":
                made.job[name] = "tf32"


def _adapts(name: str, task: str) -> bool:
    """Tell whether a stack of this name trains what is asked for; where none is named one is found."""
    return not name or load().capability(rule_of_name(load().stack_rules, name).stack).adapts(task, name)


def _say(some: random.Random, made: Written, name: str, value: str) -> None:
    """Say one thing in both, by one of its names each, unless it is left blank."""
    if value:
        names = NAMES.get(name, (name,))
        made.row[some.choice(names)] = value
        made.job[some.choice(names)] = value


def _lay(some: random.Random, made: Written, devices: int) -> None:
    """State the layout: degrees, batch and offload always, the rest where recipes of the stack do not settle it."""
    rule, able = rule_and_ability(made)
    tp = some.choice((1, 2)) if able.tp and devices > 1 else 1
    pp = some.choice((1, 2)) if able.pp and devices // tp > 1 and rule.sharding == "1" else 1
    micro, again = some.choice((1, 2, 4)), some.choice((2, 4, 8))
    again = 1 if made.job.get("recipe") == "gradients=fused" else again  # which no second micro-batch is added to
    dp = devices // (tp * pp)
    _say(some, made, "global_batch", str(micro * again * dp))
    degrees = {"tp": tp, "pp": pp, "dp": dp, "ep": 1, "vpp": 1, "sp": int(tp > 1 and able.sp)}
    made.row |= {name: str(value) for name, value in degrees.items()}
    made.row |= {some.choice(NAMES["mbs"]): str(micro), "offload": "none"}
    made.layout = {name: str(value) for name, value in degrees.items()} | {some.choice(NAMES["mbs"]): str(micro)}
    made.layout["offload"] = "0"
    del made.layout["dp"]  # a layout that has all that is printed is whole: what it leaves out is not done
    if some.random() < 0.3:
        made.row[some.choice(NAMES["ga"])] = str(again)
        made.layout[some.choice(NAMES["ga"])] = str(again)
    named = re.findall(r"zero-?(\d)", made.job.get("stack", "").lower())  # which a layout may not contradict
    able_stages = (0,) if rule.alone and not named else tuple(map(int, named)) or able.zero
    most = able.zero_most_with_pp if pp > 1 else 3
    stages = [stage for stage in "0123" if int(stage) in able_stages and int(stage) <= most and (named or stage != "1")]
    small = made.row["model"] in SMALL  # what is usual fits: a job takes something else where it does not
    settled = {"recompute": small and bool(rule.recompute), "zero": small and pp == 1, "flash": True}
    chosen = {
        "recompute": some.choice(("full", "none")),
        "zero": some.choice(stages or ["1"]),
        "flash": some.choice("01"),
    }
    for name, value in chosen.items():
        if not settled[name] or some.random() < 0.6:
            words = WORDS[name].get(value, (value,))
            made.row[some.choice(NAMES[name])] = some.choice(words)
            made.layout[some.choice(NAMES[name]) if some.random() < 0.5 else name] = some.choice(words)


def rule_and_ability(made: Written) -> tuple[Any, Any]:
    """Return what the name of the stack implies, and what that stack can run; of no name the usual one."""
    catalog = load()
    vendor = catalog.accelerator(made.on.split(":")[0]).vendor
    text = made.job.get("stack") or usual_stack(made.job["task"], vendor, "language", {}, catalog)
    rule = rule_of_name(catalog.stack_rules, text)
    return rule, catalog.capability(rule.stack)


def _adapt(some: random.Random, made: Written) -> None:
    """State rank, matrices and base of adapters, or leave them to the recipes of the stack."""
    lora: dict[str, Any] = {}
    for name, values in (("rank", (8, 64)), ("targets", ("all-linear", "q_proj,v_proj", "qkv"))):
        if some.random() < 0.6:
            value = some.choice(values)
            made.row[some.choice(NAMES[name])] = str(value)
            lora[name] = value
    if lora:
        made.job["lora"] = lora
    base = some.choice(BASES) if made.job["task"] == "qlora" else ""
    if base == "nf4-dq" and "recipe" not in made.job:
        made.row |= {"load_in_4bit": "True", "bnb_4bit_use_double_quant": "True"}
        made.job["recipe"] = "quantised=nf4-dq"
    elif base:
        said = ",".join(filter(None, (made.job.get("recipe", ""), f"quantised={base}")))
        made.row["recipe"] = made.job["recipe"] = said


def validated(row: Mapping[str, str]) -> Validation:
    """Return what `validate` makes of a row of a file."""
    held = io.StringIO()
    cells = {**row, "step_time_s": "100000", "peak_memory_bytes": "10 GiB", "memory_metric": "device"}
    writer = csv.DictWriter(held, list(cells))
    writer.writeheader()
    writer.writerow(cells)
    return validate_runs(tuple(parse_runs(held.getvalue().encode(), "rows.csv")))


def figures(found: Validation) -> tuple[float, float] | str:
    """Return the seconds of the step and the bytes of the device that `validate` predicts, or why it does not.

    What was measured is made up, so that it may be refused as a slip of a unit.
    """
    step, *peak = found.cases
    predicted = step.reason == "" or "times what is predicted" in step.reason
    return (step.predicted, peak[0].predicted) if peak and predicted else step.reason


def estimated(made: Written) -> Estimate:
    """Return what the job predicts of the same."""
    chip, _, count = made.on.partition(":")  # a row buys nothing: the unit that stands for its accelerator is judged
    return steelyard.estimate(made.job, f"{load().system(chip).id}:{count}", layout=made.pinned)
