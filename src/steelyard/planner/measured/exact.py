"""Configurations whose steps were measured: they take what was measured, and others what those like them tell."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from steelyard.catalog import Catalog, Fitted, load, stack_rows, stacks
from steelyard.catalog.local.step_shift import MEASURED_STEP, interval_factors
from steelyard.catalog.spread import FACTOR
from steelyard.catalog.stack_names import FALLBACK, rule_of_name
from steelyard.catalog.stacks import LOGIT_BYTES
from steelyard.layout import text_of
from steelyard.market.options import HardwareOption, Market, MeasuredSteps, StackOption
from steelyard.planner.measured.alike import NETWORK, gap_logs, measured_gaps, measured_name
from steelyard.planner.measured.answer import current_step
from steelyard.planner.measured.narrowing import ends_text
from steelyard.reasons.draws import Setting
from steelyard.search.rows import job_of_layout, single_layout
from steelyard.tables import Job, Layout, Machine
from steelyard.units import Array, Bytes, BytesPerSecond


def configuration_text(
    accelerator: str,
    layout: Layout,
    stack: str,
    rule_order: float,
    job: Job,
    catalog: Catalog,
    network_bytes_per_s: BytesPerSecond = math.nan,
) -> str:
    """Return what decides a step, in words: where it runs, how it is laid out, with what, and what is trained.

    Whoever reads a job, an estimate or a row of measured runs, has the same numbers of it. Of the master copy and of
    the scales of quantised weights they may take others where nobody says, and so these are left out.

    Args:
        accelerator: of the catalog
        layout: of one configuration, plain numbers
        stack: of the catalog, or one's own
        rule_order: of the rule that its name, as it is written, meets (`StackRule`)
        job: of one configuration
        catalog: where the loss of a stack is looked up, without what a user has calibrated
        network_bytes_per_s: of one device, between nodes; NaN: unknown, or all are in one

    >>> from steelyard.job import job_table, read_job
    >>> job = job_table(read_job("llama-3-8b", tokens="1B"))
    >>> layout = Layout(64, 2, 1, 1, 0, 1, 32, 1, 2, 1, 32, 2, 8, 1, 0, 1, 0, 0)
    >>> configuration_text("H100-80GB-SXM", layout, "fsdp2", 30.0, job, load()).partition(": ")[0]
    '64 x H100-80GB-SXM, tp=2,pp=1,dp=32,mbs=2,ga=8,zero=1, fsdp2 (rule 30)'
    """
    work, adapters = job.workload, float(np.asarray(job.trainable_share)) < 1
    numbers = {
        "parameters": work.params,
        "FLOPs a sample": work.model_flop,
        "of attention": work.attention_flop,
        "tokens": work.tokens,
        "batch": job.batch_samples,
        "trained": job.trainable_share,
        "bytes of an element": job.element_bytes,
        "in products": job.gemm_bytes,
        "of moments": job.moment_bytes,
        "half bytes of a frozen parameter": np.floor(2 * job.frozen_bytes) if adapters else 0.0,
        "adapted inputs": job.adapted_inputs,
        "iterations": job.newton_schulz,
        "bytes of a logit": _logit_bytes(job, stack, catalog),
    }
    away = {
        "weights on host": job.recipe.weights_on_host,
        "inputs on host": job.recipe.saved_on_host,
        "weights on drives": job.recipe.weights_on_nvme,
        "states on drives": job.recipe.states_on_nvme,
    }
    numbers |= {name: value for name, value in away.items() if np.any(np.greater(value, 0))}
    trained = ", ".join(f"{name} {float(np.asarray(value)):.6g}" for name, value in numbers.items())
    if not math.isnan(network_bytes_per_s):
        trained += f"{NETWORK}{network_bytes_per_s:.3g}"
    return f"{layout.devices:.0f} x {accelerator}, {text_of(layout)}, {stack} (rule {rule_order:g}): {trained}"


def _logit_bytes(job: Job, stack: str, catalog: Catalog) -> Bytes:
    """Return the bytes of a logit by the loss that is named, else by that of the stack, as nobody has calibrated it."""
    named = float(np.asarray(job.recipe.logit_bytes))
    shipped = catalog.over(catalog.local.without_calibrations())
    usual = stack_rows(stack if stack in stacks(shipped) else FALLBACK, shipped)[LOGIT_BYTES]
    return usual.value if math.isnan(named) else named


def text_of_setting(setting: Setting) -> str:
    """Return what decides the step of a configuration (`configuration_text`)."""
    return _text(setting.hardware, setting.layout, setting.stack, setting.job)


def _text(hardware: HardwareOption, layout: Layout, stack: StackOption, job: Job) -> str:
    catalog = load()
    order = rule_of_name(catalog.stack_rules, stack.written or stack.name).order
    network = network_of(hardware.machine, layout)
    return configuration_text(hardware.accelerator, layout, stack.name, order, job, catalog, network)


def network_of(machine: Machine, layout: Layout) -> BytesPerSecond:
    """Return the network of one device between the nodes of a configuration; NaN: unknown, or all are in one."""
    inside = float(layout.devices) <= float(machine.node_devices)
    return math.nan if inside else float(machine.nic_bytes_per_s)


def measured_row(setting: Setting, catalog: Catalog) -> Fitted | None:
    """Return what calibrations have measured of exactly a configuration; None where they have not.

    >>> from steelyard.planner.unstated.configuring import configure
    >>> from steelyard.job import read_job
    >>> measured_row(configure(read_job("gpt2", tokens="1B"), "H100", 8).setting, load()) is None
    True
    """
    names = [text for text, _, quantity in catalog.local.steps if quantity == MEASURED_STEP]
    found = measured_name(text_of_setting(setting), names) if names else None
    return catalog.local.steps[found, "any", MEASURED_STEP] if found else None


def measured_logs() -> dict[str, float]:
    """Return, of each configuration that calibrations or the question's step measured, what is beyond the shift."""
    own, known = current_step(), measured_gaps(load())
    if own is not None:
        before = known.get(own.trained, -math.log(own.factor))  # a calibration's own shift has moved with the factor
        known[own.trained] = before + math.log(own.factor_here)
    return known


def as_measured(setting: Setting) -> Setting:
    """Return a configuration as the question's step, or a calibration, measured it or others that are alike.

    Args:
        setting: the configuration, its stack shifted by what was measured of others

    What was measured of others moves its step (`alike`); of exactly this it leaves open what a repetition has.
    """
    known, own = measured_logs(), current_step()
    if not known:
        return setting
    text, stack = text_of_setting(setting), setting.stack
    exactly, scale = measured_name(text, known), math.exp(gap_logs([text], known)[0])
    moved = replace(stack, stack=replace(stack.stack, time_scale=stack.stack.time_scale * scale))
    if exactly is None:
        return replace(setting, stack=moved)
    row = load().local.steps.get((exactly, "any", MEASURED_STEP))
    log_sd = own.log_sd_here if own is not None and own.trained == exactly else row.log_sd if row else math.nan
    return replace(
        setting,
        stack=replace(
            moved,
            stack_log_sd={**stack.stack_log_sd, FACTOR: log_sd},
            spread=None,
            unpaired_log_sd={},
            shift_log_sd=float("nan"),
        ),
        hardware=replace(setting.hardware, kernels_log_sd={**setting.hardware.kernels_log_sd, FACTOR: 0.0}),
        layout_log_sd=0.0,
    )


def with_measured(market: Market) -> Market:
    """Return a market whose candidates take what was measured of them, or of others like them."""
    known = measured_logs()
    return replace(market, measured=MeasuredSteps(_scales, as_measured)) if known else market


def _scales(job: Job, layouts: Layout, machines: Sequence[HardwareOption], tools: Sequence[StackOption]) -> Array:
    """Return what the seconds of a step of each candidate are multiplied by."""
    texts = []
    for row, (machine, tool) in enumerate(zip(machines, tools, strict=True)):
        layout = single_layout(layouts, row)
        texts.append(_text(machine, layout, tool, job_of_layout(job, layout)))
    return np.asarray(np.exp(gap_logs(texts, measured_logs())))


def measured_texts(setting: Setting) -> tuple[str, ...]:
    """Return that exactly a configuration was measured by calibrations, and how far a repetition may be off."""
    row = measured_row(setting, load())
    if row is None:
        return ()
    ends = ends_text(*interval_factors(row.log_sd))
    return (f"exactly this was measured ({row.source}): its step is as measured, {ends} of it",)
