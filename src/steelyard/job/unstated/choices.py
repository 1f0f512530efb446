"""Which settings of a training a job leaves open."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from steelyard.catalog import load
from steelyard.catalog.stack_names import rule_of_name
from steelyard.job.degrees import parse_degrees
from steelyard.job.job_spec import JobSpec, job_table, job_text
from steelyard.job.kept.dropouts import adapter_dropout
from steelyard.job.kept.states import OPEN_STATES, SCRIPTS, StatesChoice, width_of_states
from steelyard.job.kept.texts import open_upcast
from steelyard.job.models.architecture import open_dropout
from steelyard.job.training import ADAPTERS
from steelyard.job.unstated.taken import OPEN_SETTINGS
from steelyard.units import Share

_LAID: Mapping[str, str] = MappingProxyType(
    {
        "recompute": "recompute",
        "attention": "flash",
        "micro-batch": "micro_batch",
        "offload": "offload",
        "sharding": "zero",
        "sequence parallelism": "sp",
        "interleaving": "vpp",
        "expert tensor parallelism": "etp",
    }
)
"""Settings that a layout states, and its field."""


def open_states(spec: JobSpec, stack: str) -> tuple[StatesChoice, ...]:
    """Return the widths of states that a job may have where its scripts decide them; none where it is told.

    Args:
        spec: the job.
        stack: of the catalog, that it is planned on.

    >>> from steelyard.job.read import read_job
    >>> job = {"model": "llama-3-8b", "tokens": "1B", "task": "full_ft", "stack": "trl"}
    >>> [one.precision for one in open_states(read_job(job | {"precision": "bf16"}), "hf-trainer")]
    ['bf16-pure', 'bf16']
    >>> told = ({"precision": "bf16 mixed"}, {"precision": "bf16-pure"}, {"recipe": "states=16"})
    >>> [open_states(read_job(job | one), "hf-trainer") for one in told]
    [(), (), ()]
    """
    rule = rule_of_name(load().stack_rules, spec.stack or stack)
    found = width_of_states(rule, spec.precision, spec.states, adapted=spec.task in ADAPTERS)
    return SCRIPTS if found == OPEN_STATES else ()


def upcast_share_of(spec: JobSpec, stack: str) -> Share:
    """Return the share of the scripts of a job's stack that make what surrounds a quantised base fp32; 1 or 0 if told.

    Args:
        spec: the job.
        stack: of the catalog, that it is planned on.

    >>> from steelyard.job.read import read_job
    >>> job = {"model": "llama-3-8b", "tokens": "1B", "task": "qlora"}
    >>> told = ({"stack": "peft"}, {"stack": "axolotl"}, {"stack": "peft", "recipe": "unquantised=fp32"})
    >>> [upcast_share_of(read_job(job | one), "hf-trainer") for one in told]
    [0.5, 0.0, 1.0]
    """
    if "base_upcast" in spec.recipe:
        return spec.recipe["base_upcast"]
    text = job_text(spec if spec.stack else replace(spec, stack=stack))
    return open_upcast(text, rule_of_name(load().stack_rules, text.stack))


def unstated_settings(spec: JobSpec, layout: str = "") -> tuple[str, ...]:
    """Return what a job leaves open, as `taken.OPEN_SETTINGS` calls it; its precision, which it has in words, apart.

    Args:
        spec: the job.
        layout: settings that are given beside it, as a layout is written.

    >>> from steelyard.job.read import read_job
    >>> given = {"model": "llama-3-8b", "tokens": "1B", "stack": "fsdp2", "precision": "amp", "layout": "tp=2"}
    >>> unstated_settings(read_job(given), "zero=3,mbs=1,flash=1,vpp=1,recompute=full")
    ('offload', 'loss', 'sequence parallelism')
    """
    laid = {*spec.layout, *(parse_degrees(layout) if layout.strip() else ())}
    stated = {name for name, field in _LAID.items() if field in laid}
    stated |= {"stack"} if spec.stack else set()
    stated |= {"loss"} if spec.loss else set()
    stated |= {"expert tensor parallelism"} if not job_table(spec).workload.divisible.experts else set()
    stated |= {"states"} if spec.states or spec.task in ADAPTERS else set()
    named = rule_of_name(load().stack_rules, spec.stack or "")
    stated |= {"dropout"} if not open_dropout(named, spec.stack or "") else set()
    rated = "adapter_bytes" in spec.recipe or adapter_dropout(spec.stack or "") is not None
    stated |= {"adapter dropout"} if spec.task not in ADAPTERS or rated else set()
    stated |= {"unquantised"} if spec.task != "qlora" or "base_upcast" in spec.recipe else set()
    stated |= {"quantisation"} if spec.task != "qlora" or "packed_bytes" in spec.recipe else set()
    return tuple(name for name in OPEN_SETTINGS if name not in stated | {"precision"})
