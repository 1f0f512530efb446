"""Which settings of a training a job leaves open."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from steelyard.catalog import load
from steelyard.catalog.stack_names import rule_of_name
from steelyard.job.degrees import parse_degrees
from steelyard.job.fields import FIELD_ALIASES
from steelyard.job.job_spec import JobSpec
from steelyard.job.recipes import tells_states
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
    }
)
"""Settings that a layout states, and its field."""


@dataclass(frozen=True, slots=True)
class StatesChoice:
    """One width of states that scripts of a stack have."""

    name: str
    precision: str
    share: Share  # of such scripts


_SCRIPTS = (StatesChoice("all in 16 bits", "bf16-pure", 0.5), StatesChoice("with an fp32 master copy", "bf16", 0.5))
"""What a script makes of a model that it does not hand to a stack with recipes of its own. Both alike: chosen. Of the
owners of carried rows on such stacks that say which, three have 16 bits (two of them only that), two a master copy."""


def open_states(spec: JobSpec, stack: str) -> tuple[StatesChoice, ...]:
    """Return the widths of states that a job may have where its scripts decide them; none where it is told.

    Args:
        spec: the job.
        stack: of the catalog, that it is planned on.

    >>> from steelyard.job.read import read_job
    >>> job = {"model": "llama-3-8b", "tokens": "1B", "task": "full_ft", "stack": "trl"}
    >>> [one.precision for one in open_states(read_job(job), "hf-trainer")]
    ['bf16-pure', 'bf16']
    >>> [open_states(read_job(job | told), "hf-trainer") for told in ({"precision": "bf16"}, {"recipe": "states=16"})]
    [(), ()]
    """
    rule = rule_of_name(load().stack_rules, spec.stack or stack)
    told = "states" not in unstated_settings(spec)
    return () if told or rule.states != "open" or spec.precision != "bf16" else _SCRIPTS


def unstated_settings(spec: JobSpec, layout: str = "") -> tuple[str, ...]:
    """Return what a job leaves open, as `taken.OPEN_SETTINGS` calls it; its precision, which it has in words, apart.

    Args:
        spec: the job.
        layout: settings that are given beside it, as a layout is written.

    >>> from steelyard.job.read import read_job
    >>> given = {"model": "llama-3-8b", "tokens": "1B", "stack": "fsdp2", "precision": "bf16", "layout": "tp=2"}
    >>> unstated_settings(read_job(given), "zero=3,mbs=1,flash=1,vpp=1,recompute=full")
    ('offload', 'loss', 'sequence parallelism')
    """
    laid = {*spec.layout, *(parse_degrees(layout) if layout.strip() else ())}
    given = {FIELD_ALIASES.get(str(name), str(name)) for name, value in spec.given.items() if value is not None}
    stated = {name for name, field in _LAID.items() if field in laid}
    stated |= {"stack"} if spec.stack else set()
    stated |= {"loss"} if spec.loss else set()
    stated |= {"states"} if "precision" in given or spec.task in ADAPTERS or tells_states(spec.recipe) else set()
    return tuple(name for name in OPEN_SETTINGS if name not in stated | {"precision"})
