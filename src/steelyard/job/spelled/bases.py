"""Settings of other configurations for the type of frozen weights, and which tasks have frozen weights at all."""

from collections.abc import Mapping
from typing import Any

from steelyard.errors import BadInput
from steelyard.job.kept.phrases import quantised_base
from steelyard.job.models.adapters import quantised_type
from steelyard.job.spelled.widths import OFF, ON
from steelyard.job.training import task_meaning

_LOADS = ("load_in_4bit", "load_in_8bit")
BASE_NAMES = (
    *_LOADS, "quantization_bit", "quant_bits", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "double_quantization"
)  # fmt: skip
"""Settings of `BitsAndBytesConfig`, as axolotl and LLaMA-Factory have them, too: the type of frozen weights."""


def base_fields(given: Mapping[str, Any], job: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the recipe of a job whose frozen weights are quantised; nothing of one whose are not.

    Args:
        given: the settings.
        job: the fields of the job.
        where: what messages call it.

    Raises:
        BadInput: weights are loaded in 4 and in 8 bits, or a job with a quantised base turns it off

    >>> base_fields({"load_in_8bit": True}, {"task": "lora"}, "job"), base_fields({"load_in_4bit": False}, {}, "job")
    ({'recipe': 'quantised=int8'}, {})
    >>> base_fields({"load_in_4bit": False}, {"task": "qlora"}, "job")
    Traceback (most recent call last):
    steelyard.errors.BadInput: job: task is qlora but load_in_4bit is off; write task: lora, or load_in_4bit: true
    """
    if all(str(given.get(name)).lower() in ON for name in _LOADS):
        raise BadInput(f"{where}: load_in_4bit and load_in_8bit are both on, and weights are of one type; keep one")
    recipe = job.get("recipe") or ""
    text = "; ".join(f"{name}={value}" for name, value in given.items())
    if not given or not quantised_base(text):
        off = next((name for name in given if name in _LOADS and str(given[name]).lower() in OFF), "")
        if off and task_meaning(str(job.get("task", ""))) == "qlora" and "quanti" not in str(recipe):
            raise BadInput(f"{where}: task is qlora but {off} is off; write task: lora, or {off}: true")
        return {}
    kind = _type_of(given, text.lower())
    if isinstance(recipe, str):
        return {"recipe": ",".join(filter(None, (recipe, f"quantised={kind}")))}
    return {"recipe": {**recipe, "quantised": kind}}


def _type_of(given: Mapping[str, Any], text: str) -> str:
    """Return the type of frozen weights that settings say; LLaMA-Factory's bits have doubly quantised constants.

    Source: github.com/hiyouga/LLaMA-Factory hparams/model_args.py: double_quantization True.
    """
    if str(given.get("quantization_bit")) == "4":
        return "nf4" if str(given.get("double_quantization", True)).lower() in OFF else "nf4-dq"
    return quantised_type(text)


def task_of_base(task: str, quantised: bool, where: str) -> str:
    """Return the task of a job: LoRA over a quantised base is QLoRA.

    Args:
        task: as it is given, of `training.TASKS`.
        quantised: whether its words say that frozen weights are quantised.
        where: what messages call it.

    Raises:
        BadInput: every parameter is trained: there is nothing frozen to quantise (huggingface.co/docs/transformers,
            quantization, bitsandbytes: training of 4- and 8-bit weights is of extra parameters alone)

    >>> task_of_base("lora", True, "job"), task_of_base("lora", False, "job"), task_of_base("qlora", True, "job")
    ('qlora', 'lora', 'qlora')
    >>> task_of_base("full_ft", True, "job")
    Traceback (most recent call last):
    steelyard.errors.BadInput: job: a quantised base is frozen, but task full_ft trains every parameter; write ...
    """
    if not quantised or task == "qlora":
        return task
    if task == "lora":
        return "qlora"
    way = "write task: qlora, or leave the quantised base out"
    raise BadInput(f"{where}: a quantised base is frozen, but task {task} trains every parameter; {way}")
