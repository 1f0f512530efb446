"""Jobs and layouts to launch: for each stack, every valid layout of some models on some numbers of devices."""

from functools import cache
from typing import Any

from steelyard.catalog import load
from steelyard.job import JobSpec, job_table, read_job
from steelyard.launchers.launching import nodes_of
from steelyard.launchers.sheet import LaunchJob, Sheet
from steelyard.launchers.writers import LaunchWriter, every_writer
from steelyard.layout import BOUNDS, space
from steelyard.planner.points import layout_numbers
from steelyard.search.rows import single_layout
from steelyard.tables import Layout

SEQUENCES = {
    "llama-3-8b": 4096,
    "llama-3.1-8b": 32768,
    "qwen3-30b-a3b": 4096,
    "deepseek-v3": 4096,
    "gpt2-xl": 1024,
    "mixtral-8x7b": 16384,
}
"""Dense, long enough for context parallelism, with experts, latent attention and 61 blocks, learned positions and
biases, few experts: each with the tokens of a sample."""

MODELS = tuple(SEQUENCES)

DEVICES = (8, 48, 64)
NODE = 8


@cache
def spec_of(model: str, **fields: Any) -> JobSpec:
    usual = {"model": model, "tokens": "20B", "sequence": SEQUENCES[model], "global_batch": 384}
    return read_job(usual | fields)


@cache
def layouts_of(model: str, stack: str) -> Layout:
    """Return every valid layout of a model under a stack, as one table."""
    capability = load().stack_files[stack].capability
    return space(job_table(spec_of(model)), DEVICES, NODE, capability, BOUNDS)


def launched(spec: JobSpec, layout: Layout) -> LaunchJob:
    nodes, each = nodes_of(int(layout.devices), NODE)
    return LaunchJob(spec, layout, layout_numbers(layout), nodes, each, spec.model.name)


def random_job(model: str, stack: str, share: float, **fields: Any) -> LaunchJob:
    """Return the layout that lies at a share of the table of all of them."""
    table = layouts_of(model, stack)
    return launched(spec_of(model, **fields), single_layout(table, round(share * (table.devices.size - 1))))


def filled(writer: LaunchWriter, job: LaunchJob) -> tuple[Sheet, dict[str, str]]:
    """Return the sheet that a writer fills, and the texts of its files by name."""
    sheet = Sheet(job)
    files = writer.fill(sheet)
    sheet.account()
    return sheet, {file.name: file.text for file in files}


WRITERS = sorted(every_writer())
