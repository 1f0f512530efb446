"""The exact best layout beside a published one, under its rules: the same devices, batch and techniques.

GPT-3 175B on 64 A100-80GB in batches of 64: Korthikanti et al. 2022 (arXiv 2205.05198, Table 5) measured 13.75 s a step
with the layout that Calculon ships as its execution of this model (calculon-ai/calculon@daaf46a,
validation/gpt3-175B_seqsel.json): tensor and pipeline parallelism with interleaved stages, sequence parallelism,
selective recomputation, no sharded optimizer, no offload. Calculon searches the same axes (`llm-optimal-execution`).
"""

import numpy as np

from steelyard import catalog, pipeline
from steelyard.catalog.policy import policy
from steelyard.job import job_table, read_job
from steelyard.layout import parse, text_of
from steelyard.market.build import hardware_option
from steelyard.market.options import Deal, HardwareOption, Market, SiteOption, StackOption
from steelyard.market.tools import stack_options
from steelyard.planner.engine import ENGINE
from steelyard.search.engine import Limits
from steelyard.search.explore import explore
from steelyard.search.rows import single_layout
from steelyard.search.survivors import NOWHERE
from steelyard.step import stage_job, time
from steelyard.tables import Job, Layout

PUBLISHED = "tp=8,pp=8,vpp=3,dp=1,mbs=1,recompute=selective"
MEASURED_S = 13.75
DEVICES = 64
SHARDED = {"as published, optimizer not sharded": (0,), "optimizer sharded too": (0, 1)}


def lines() -> list[str]:
    """Compare, without and with the sharded optimizer that Calculon's search may choose."""
    job, hardware, tool = decision()
    theirs = parse(PUBLISHED, job, DEVICES, 8, hardware.machine.nic_bytes_per_s, tool.capability)
    found = [f"published: {text_of(theirs)}: {step_s(job, theirs, hardware, tool):.2f} s, measured {MEASURED_S:.2f} s"]
    for rules, zero in SHARDED.items():
        ours, considered = best(job, hardware, tool, zero)
        seconds = step_s(job, ours, hardware, tool)
        ratio = seconds / step_s(job, theirs, hardware, tool)
        gib = float(pipeline.peak(job, ours, hardware.machine, tool.stack).device_bytes) / 2**30
        found.append(
            f"exact best, {rules}: {text_of(ours)}: {seconds:.2f} s, {ratio:.3f} of the published one's, "
            f"{gib:.0f} of {hardware.machine.memory_bytes / 2**30:.0f} GiB, of {considered:,} layouts"
        )
    return found


def decision() -> tuple[Job, HardwareOption, StackOption]:
    """Return the job, the chip and the stack of the published run."""
    facts = catalog.load()
    spec = read_job("gpt3-175b", tokens="300B", sequence="2048", global_batch="64", precision="fp16")
    hardware = hardware_option(facts.system("A100-80GB-SXM"), spec.precision, facts)
    tools, _ = stack_options([hardware.vendor], "megatron-lm", facts)
    return job_table(spec), hardware, tools[0]


def best(job: Job, hardware: HardwareOption, tool: StackOption, zero: tuple[int, ...]) -> tuple[Layout, int]:
    """Return the fastest layout that fits, and how many were weighed."""
    deal = Deal("", "", "", hardware=0, site_index=0, policy=0, unit=1, most=DEVICES, purchase="", usd_per_device_s=1.0)
    operated = policy("on-demand")
    whole = Market(
        (hardware,), (tool,), (SiteOption("", NOWHERE),), (operated,), ({},), (deal,), {hardware.vendor: (0,)}
    )
    found = explore(job, whole, Limits(devices=DEVICES, layout={"zero": zero, "offload": (0,)}), ENGINE)
    row = int(found.front[np.argmin(found.candidates.points[found.front, 0])])
    return single_layout(found.candidates.layouts, row), found.tally.considered


def step_s(job: Job, layout: Layout, hardware: HardwareOption, tool: StackOption) -> float:
    """Return the predicted seconds of one step."""
    return float(time(stage_job(job, layout), hardware.machine, hardware.kernels, tool.stack).total_s)
