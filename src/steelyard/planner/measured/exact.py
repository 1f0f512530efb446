"""The configuration whose step was measured, itself: it takes what was measured, not what the law makes of others."""

from dataclasses import replace

from steelyard.catalog.spread import FACTOR
from steelyard.job import JobSpec
from steelyard.layout import text_of
from steelyard.planner.measured.answer import current_step
from steelyard.reasons.draws import Setting


def trained_text(spec: JobSpec) -> str:
    """Return everything of a job that decides its step, beside what it runs on.

    >>> from steelyard.job import read_job
    >>> trained_text(read_job("llama-3-8b", tokens="1B", task="lora"))
    'llama-3-8b, lora 8 of q v, bf16, adamw, 64 x 8192'
    """
    adapters = f" {spec.lora_rank} of {' '.join(spec.lora_targets)}" if spec.lora_rank else ""
    loss = f", loss {spec.loss}" if spec.loss else ""
    size = f"{spec.batch_samples} x {spec.sequence_tokens or spec.sample}"
    size += f" of documents of {spec.document_tokens}" if spec.document_tokens else ""
    return f"{spec.model.name}, {spec.task}{adapters}, {spec.precision}, {spec.optimizer}, {size}{loss}"


def as_measured(setting: Setting, spec: JobSpec) -> Setting:
    """Return a configuration as it was measured, where the question's measured step is of exactly it; else as it is.

    Args:
        setting: the configuration.
        spec: its job.
    """
    own, hardware, stack = current_step(), setting.hardware, setting.stack
    mine = (hardware.accelerator, int(setting.layout.devices), text_of(setting.layout), stack.name, trained_text(spec))
    if own is None or mine != (own.accelerator, own.devices, own.layout_text, own.stack, own.trained):
        return setting
    scale = float(stack.stack.time_scale) * own.factor_here / own.factor
    return replace(
        setting,
        stack=replace(
            stack,
            stack=replace(stack.stack, time_scale=scale),
            stack_log_sd={**stack.stack_log_sd, FACTOR: own.log_sd_here},
            spread=None,
            unpaired_log_sd={},
            shift_log_sd=float("nan"),
        ),
        hardware=replace(hardware, kernels_log_sd={**hardware.kernels_log_sd, FACTOR: 0.0}),
        layout_log_sd=0.0,
    )
