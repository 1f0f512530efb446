"""The settings that a row of runs writes as job files do (`tp=2,etp=1,partition=7-9-9-7`): each is kept, or refused."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from steelyard.catalog.stack_names import StackRule
from steelyard.catalog.stacks import Capability
from steelyard.errors import BadLayout
from steelyard.evidence.runs.columns import is_count, says
from steelyard.evidence.runs.drives import needed_by_drives
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.degrees import PRINTED, parse_degrees
from steelyard.job.kept.recipes import parse_recipe
from steelyard.job.unstated.usual import shards_nothing, usual_zero
from steelyard.layout import check_layout
from steelyard.strategies.denial import denied, named
from steelyard.strategies.experts import unstated_expert_tensor
from steelyard.strategies.partition import given_sizes
from steelyard.strategies.registry import SCHEDULES
from steelyard.strategies.settings import NAMED, setting_name, spelled_number
from steelyard.tables import Job, Layout

_COLUMN = {name: name for name in ("devices", "tp", "pp", "vpp", "cp", "dp", "ep", "micro_batch", "recompute")}
_COLUMN |= {"zero": "sharding", "flash": "flash_attention", "offload": "offload"}

_NOT_DONE: Mapping[str, float | str] = MappingProxyType(
    {"vpp": 1.0, "cp": 1.0, "ep": 1.0, "recompute": "none", "flash_attention": "yes", "offload": "none"}
)
"""Columns of what a printed layout leaves out where it is not done, and attention, which is fused unless it is said."""

_LAID = ("schedule", "etp", "zero", "shard_devices", "sp", "flash", "offload", "partition")
"""Settings that other degrees do not follow from: a layout takes them as they are written."""


def run_settings(run: Run) -> Mapping[str, int]:
    """Return the settings of a row's layout by field of `tables.Layout`; BadInput says what cannot be read.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> run_settings(blank_run(layout="tp=2,sp=off,mbs=4"))
    {'tp': 2, 'sp': 0, 'micro_batch': 4}
    """
    return _written(run.layout) if run.layout else {}


@lru_cache(maxsize=4096)
def _written(layout: str) -> Mapping[str, int]:
    return {name: values[0] for name, values in parse_degrees(layout).items()}


def with_settings(run: Run) -> Run:
    """Return a row with the settings of its layout in their columns; BadLayout where a column says otherwise.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> with_settings(blank_run(layout="tp=2,zero=3")).sharding
    '3'
    """
    found: dict[str, float | str] = {}
    for name, number in run_settings(run).items():
        if name not in _COLUMN:
            continue
        column = _COLUMN[name]
        value = getattr(run, column)
        known = _number(name, value)
        if known is not None and known != number:
            raise BadLayout(f"the layout says {name} = {_text(name, number)} but the column {column} {value}; keep one")
        if known is None:
            word = ("none", "optimizer")[number] if name == "offload" else str(number)
            found[column] = word if isinstance(value, str) else float(number)
    if run_settings(run).keys() >= PRINTED:  # a whole layout: what it leaves out is not done
        for name, blank in _NOT_DONE.items():
            if _blank(getattr(run, name)):
                found.setdefault(name, blank)
    filled = needed_by_drives(replace(run, **found) if found else run, run_settings(run).keys())  # type: ignore[arg-type]  # text where the column is text
    chunks = filled.vpp if is_known(filled.vpp) else _chunks(filled)
    return replace(filled, vpp=chunks) if is_known(chunks) and chunks != filled.vpp else filled


def _blank(value: float | str) -> bool:
    return not says(value) if isinstance(value, str) else not is_known(value)


def _chunks(run: Run) -> float:
    """Return the chunks of a stage that a schedule of single chunks, or the entries of a partition, say; else NaN."""
    settings = run_settings(run)
    if any(one.code == settings.get("schedule") and not one.chunked for one in SCHEDULES.values()):
        return 1.0
    entries = len(given_sizes(settings.get("partition", 0)))
    return entries / run.pp if entries and is_count(run.pp) and entries % run.pp == 0 else math.nan


def with_batch(run: Run, dp: float) -> Run:
    """Return a row with the one of micro-batch and global batch that its number of micro-batches makes of the other."""
    count = run_settings(run).get("micro_batches")
    if count is None or is_count(run.micro_batch) == is_count(run.batch_samples):
        return run
    if is_count(run.micro_batch):
        return replace(run, batch_samples=run.micro_batch * dp * count)
    return replace(run, micro_batch=run.batch_samples / (dp * count))


def laid_out(layout: Layout, settings: Mapping[str, int]) -> Layout:
    """Return a layout with the settings of its row; BadLayout names the first that the rest of the row contradicts."""
    if not settings:
        return layout
    made = replace(layout, **{name: float(settings[name]) for name in _LAID if name in settings})
    for name, number in settings.items():
        found = float(getattr(made, name))
        if found != number:
            raise BadLayout(
                f"the layout says {name} = {_text(name, number)}, but its other settings, the model and the batch of "
                f"the row make it {found:g}"
            )
    return made


def check_settings(layout: Layout, settings: Mapping[str, int], job: Job, anything: Capability) -> None:
    """Raise BadLayout where a written layout breaks a rule of its model, whatever its stack can run.

    What a row leaves open, and how its batch is shared out, is not held against it.
    """
    judged = replace(
        layout,
        micro_batch=float(math.ceil(layout.micro_batch)),
        recompute=layout.recompute if "recompute" in settings else 0.0,
    )
    batch = judged.dp * judged.micro_batch * judged.micro_batches
    check_layout(judged, replace(job, batch_samples=batch), int(layout.devices), math.inf, anything)


_SEQUENCE_PARALLEL = r"sequence[ _-]parallel\w*"


def offloads_states(text: str) -> bool:
    """Tell whether a column says that the optimizer is on the host.

    >>> offloads_states("optimizer"), offloads_states("none")
    (True, False)
    """
    return named("optim|full", text) is not None


def shard_group(run: Run, replicas: float) -> float:
    """Return the ranks of a ZeRO or FSDP group: all replicas, or fewer where the row says so."""
    stated = re.search(r"(?:HSDP shard|FSDP group|zero1 group size|FSDP=)\s*([1-9]\d*)", run.note)
    if stated:
        return min(float(stated[1]), replicas)
    slices = re.search(r"([1-9]\d*) slice\(s\)", run.note)
    if run.sharding == "hsdp" and slices:
        return max(1.0, replicas / float(slices[1]))
    if run.sharding == "hsdp" and is_known(run.node_devices):
        return min(replicas, max(run.node_devices, 1.0))
    return replicas


def sequence_parallel(run: Run, rule: StackRule, assumed: set[str]) -> float:
    """Return whether tensor-parallel ranks split the sequence: as the note of a row says, else as its stack does."""
    if denied(_SEQUENCE_PARALLEL, run.note):
        return 0.0
    if named(_SEQUENCE_PARALLEL, run.note):
        return 1.0
    if "sp" not in run_settings(run):
        assumed.add("sequence parallelism")
    return rule.sequence_parallel


def expert_tensor(
    run: Run, rule: StackRule, ranks: tuple[float, float, float], routed: bool, assumed: set[str]
) -> float:
    """Return the tensor-parallel degree of experts: as a row writes it, else as its stack takes it.

    Where the stack's own leaves no ranks for so many experts, the run stated another that its row does not say: whole.

    Args:
        run: the row.
        rule: of its stack.
        ranks: tensor-parallel, expert-parallel, and those of all but the pipeline.
        routed: whether the model has experts.
        assumed: gets the setting where the row leaves it open.
    """
    tensor, expert, every = ranks
    if not routed:
        return tensor
    set_apart = run_settings(run).get("etp")
    stated = written_expert_tensor(run) if set_apart is None else float(set_apart)
    if stated is not None:
        return stated
    if tensor > 1:
        assumed.add("expert tensor parallelism")
    taken = float(unstated_expert_tensor(rule.expert_tensor, tensor, expert))
    return 1.0 if every % (expert * taken) else taken


def written_expert_tensor(run: Run) -> float | None:
    """Return the tensor-parallel degree of experts that a row's note or stack writes; None where neither does.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> notes = ("TP 4, ETP 1", "etp=2", "expert tensor parallel size 4", "tp 8")
    >>> [written_expert_tensor(blank_run(note=note)) for note in notes]
    [1.0, 2.0, 4.0, None]
    """
    words = r"\b(?:etp|expert[ _-]tensor(?:[ _-]parallel\w*)?(?:[ _-]size)?)[ =:]*(\d+)"
    stated = re.search(words, f"{run.note}; {run.stack}".lower())
    return max(1.0, float(stated[1])) if stated else None


def with_usual_degrees(run: Run, rule: StackRule, capability: Capability, assumed: set[str]) -> Run:
    """Return a row whose blank degrees are 1 where its stack has no such parallelism, or its recipes none by default.

    Fully sharded stacks have a pipeline only where a row says so: that of torchtitan is off by default. A stack that
    nobody named may have any. One replica alone shards nothing with others.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.frames.stacks import stack_rule
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> rule = stack_rule("torchtitan", "", load())
    >>> with_usual_degrees(blank_run(stack="torchtitan"), rule, load().capability("fsdp2"), set()).pp
    1.0
    """
    settings = run_settings(run)
    found: dict[str, float | str] = {}
    sharded = spelled_number("zero", run.sharding or rule.sharding) == 3
    if not is_known(run.pp) and "pp" not in settings and (sharded or not capability.pp):
        found["pp"] = 1.0
        assumed |= {"pipeline"} if capability.pp else set()
    if not is_known(run.ep) and "ep" not in settings and not capability.ep:
        found["ep"] = 1.0
    alone = sharded and (not is_count(run.batch_samples) or run.batch_samples >= run.devices)
    if not is_known(run.tp) and "tp" not in settings and (alone or not capability.tp):
        found["tp"] = 1.0
        assumed |= {"layout"} if capability.tp else set()
    if (ranks := _ranks_without_sequence(run)) > 1 and "cp" not in settings:
        found["cp"] = ranks
        assumed.add("context parallelism")
    degrees = [found.get(name, getattr(run, name)) for name in ("tp", "pp", "cp")]
    ranks = math.prod(float(one) for one in degrees if is_known(float(one)))
    if spelled_number("zero", run.sharding) and shards_nothing(rule, run.stack):
        raise BadLayout(f"{run.stack} shards nothing, but sharding is {run.sharding!r}; name what shards, or write 0")
    away_from = capability.host_weights_from if _puts_weights_away(run) else 0
    if spelled_number("zero", run.sharding) is None and (ranks >= run.devices or away_from):
        stage = usual_zero(rule.sharding, 1, 1, capability.zero) if ranks >= run.devices else 0
        found["sharding"] = str(max(stage, away_from))
        assumed.add("sharding")
    return replace(run, **found) if found else run  # type: ignore[arg-type]  # numbers all


def _puts_weights_away(run: Run) -> bool:
    """Tell whether a row says that parameters rest on the host, in a column of its own."""
    entries = parse_recipe(run.recipe) if says(run.recipe) else {}
    return entries.get("weights_on_host", 0.0) > 0


def _ranks_without_sequence(run: Run) -> float:
    """Return how many ranks must share each sequence where a batch has fewer of them than replicas; else 1.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> _ranks_without_sequence(blank_run(devices=64.0, tp=8.0, pp=1.0, batch_samples=4.0))
    2.0
    """
    known = all(is_count(one) for one in (run.devices, run.tp, run.pp, run.batch_samples))
    if not known or is_known(run.cp) or (is_known(run.dp) and run.dp != run.batch_samples):
        return 1.0
    ranks = run.devices / (run.tp * run.pp) / run.batch_samples
    return ranks if is_count(ranks) else 1.0


def _number(name: str, value: float | str) -> float | None:
    """Return what a column says of a setting; None where it says nothing."""
    if name == "offload":
        return float(offloads_states(str(value))) if value else None
    if isinstance(value, str):
        return spelled_number(name, value)
    return value if is_known(value) else None


def _text(name: str, number: int) -> str:
    return setting_name(name, number) if name in NAMED else str(number)
