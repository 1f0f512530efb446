"""Software stacks, a file each in `data/stacks`: what it can run, how people write its name, what is documented of it.

What a stack costs is fitted (`stacks.csv`, `stacks_memory.csv`). A stack without fitted rows takes what its file
documents, and the constants and spreads of `any` for the rest.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelyard.catalog.schema import Fitted
from steelyard.catalog.stack_names import FALLBACK, StackRule, parse_rule
from steelyard.errors import BadCatalog
from steelyard.strategies.experts import AS_THE_REST, EXPERT_LAUNCHES, EXPERT_TENSOR_RULES
from steelyard.strategies.losses import LOSSES
from steelyard.strategies.partition import GIVEN, PARTITIONS
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.registry import SCHEDULES
from steelyard.vocabulary import ADAPTER_TASKS, TRAINED_KINDS

LOGIT_BYTES = "logit_bytes"
"""The constant of `tables.Stack` that a stack's kind of loss says."""

TRANSFORMER_ENGINE, OTHER = "transformer-engine", "other"
"""Whose kernels multiply in fp8 and fp4: NVIDIA's library or a vendor's own, or anybody else's."""

NOW = "99"
"""The month until which holds what still does."""

FLAGS = ("tp", "sp", "cp", "ep", "etp", "hsdp", "offload", "nvme", "fused_gradients")


@dataclass(frozen=True, slots=True)
class Capability:
    """What one stack supports, with the documentation that says so."""

    stack: str
    vendors: tuple[str, ...]  # of accelerators that the stack runs on; empty: none in particular
    trains: tuple[str, ...]  # of vocabulary.TRAINED_KINDS
    planned: int  # place among those that `plan` proposes, from 1 on; 0: only estimated when a user names it
    tp: bool
    sp: bool  # splits the sequence between the products of a tensor-parallel block
    schedules: tuple[str, ...]  # of pipelines; empty: it has none
    weighed: tuple[str, ...]  # of these, those that a search looks at where nobody names one
    partitions: tuple[str, ...]  # rules that share out its blocks; given: as its user says
    cp: bool
    ep: bool
    etp: bool  # experts may be tensor parallel otherwise than the rest
    zero: tuple[int, ...]  # stages it offers
    zero_most_with_pp: int  # highest stage that works with pipeline stages
    hsdp: bool  # a shard group may be smaller than the data-parallel ranks
    offload: bool
    offload_from: int  # lowest ZeRO stage whose shares of several ranks go to the host
    nvme: bool  # what leaves the device may rest on the host's drives, under full sharding
    fused_gradients: bool  # an optimizer may step inside the backward pass
    recompute: tuple[int, ...]
    source: str
    trains_source: str
    checked: str
    note: str
    running: Mapping[str, tuple[str, ...]]  # schedule: stacks of the catalog that run it
    expert_tensor: str = AS_THE_REST  # of experts where nobody states it: of strategies.experts.EXPERT_TENSOR_RULES
    adapters: int = 0  # place among those that people train adapters with, from 1 on; 0: they seldom do
    tunes: tuple[str, ...] = ()  # of vocabulary.ADAPTER_TASKS; empty: it trains every parameter of a model or none
    tunes_as: tuple[str, ...] = ()  # words of a name under which it does, where its own does not; empty: under any
    tunes_source: str = ""
    vendors_asked: tuple[str, ...] = ()  # of vendors, those on whose chips nobody is proposed it, and none was timed
    host_weights_from: int = 0  # ZeRO stage from which on parameters rest on the host; 0: whatever the stage

    @property
    def pp(self) -> bool:
        """Whether it cuts a model into pipeline stages."""
        return bool(self.schedules)

    def adapts(self, task: str, written: str = "") -> bool:
        """Tell whether it trains adapters as a task has them, under its own name or as it is written."""
        named = not self.tunes_as or any(word in "-".join(written.lower().split()) for word in self.tunes_as)
        return task not in ADAPTER_TASKS or (task in self.tunes and named)

    def usual_on(self, vendor: str) -> bool:
        """Whether it is proposed on a vendor's chips, and was timed there."""
        return vendor in self.vendors and vendor not in self.vendors_asked

    @property
    def vpp(self) -> bool:
        """Whether a stage may hold several chunks of blocks."""
        return any(SCHEDULES[name].chunked for name in self.schedules)


@dataclass(frozen=True, slots=True)
class StackFile:
    """Everything that is documented of one stack."""

    stack: str
    relative: str  # whose fitted memory it borrows where no peak of its own was measured; empty: nobody's
    modules_of: str  # whose modules it trains, and so whose constants it has where none is fitted; empty: its own
    capability: Capability
    rules: tuple[StackRule, ...]
    narrow_kernels: str  # whose fp8 and fp4: transformer-engine (or the chip vendor's own), or other
    constants: tuple[Fitted, ...]
    experts: tuple[tuple[str, str], ...]  # how they are launched, each with the last month of which it holds (99: now)


def read_stacks(folder: Path) -> Mapping[str, StackFile]:
    """Return the stacks of a folder by name; a file that cannot be read names itself and the fault."""
    import yaml  # noqa: PLC0415  # only where a stack is asked for

    found = {}
    for path in sorted((folder / "stacks").glob("*.yaml")):
        try:
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            made = parse_stack(yaml.load(path.read_text(encoding="utf-8"), Loader=loader))  # noqa: S506  # a safe one
        except BadCatalog as error:
            raise BadCatalog(f"stacks/{path.name}: {error}; see: docs/evidence.md, To add a stack") from None
        except (yaml.YAMLError, AttributeError, ValueError, KeyError, TypeError, re.error) as error:
            raise BadCatalog(f"stacks/{path.name}: {error!r}; see: docs/evidence.md, To add a stack") from error
        if made.stack != path.stem:
            raise BadCatalog(f"stacks/{path.name} is about {made.stack!r}; name the file {made.stack}.yaml")
        found[made.stack] = made
    running = {name: tuple(one for one in found if name in found[one].capability.schedules) for name in SCHEDULES}
    return {name: replace(one, capability=replace(one.capability, running=running)) for name, one in found.items()}


def parse_stack(given: Mapping[str, Any]) -> StackFile:
    """Return one stack from the contents of its file; a statement without its source is an error."""
    known = {"stack", "relative", "modules_of", "can_run", "names", "loss", "narrow_kernels", "experts", "constants"}
    if unknown := given.keys() - known:
        raise ValueError(f"unknown {sorted(unknown)}")
    name, can_run = str(given["stack"]), given["can_run"]
    lain = _expert_tensor(can_run)
    checked = str(can_run["checked"])
    loss = [_loss(name, given["loss"], checked)] if "loss" in given else []
    experts = [_experts(name, one, checked) for one in given.get("experts", ())]
    return StackFile(
        stack=name,
        relative=str(given.get("relative", "")),
        modules_of=str(given.get("modules_of", "")),
        capability=_capability(name, can_run),
        rules=tuple(parse_rule(name, {"expert_tensor": lain, **one}) for one in given.get("names", ())),
        narrow_kernels=_narrow_kernels(given.get("narrow_kernels")),
        experts=tuple((str(one.get("until", NOW)), str(one["launch"])) for one in given.get("experts", ())),
        constants=(*loss, *experts[-1:], *(_constant(name, one, checked) for one in given.get("constants", ()))),
    )


def _narrow_kernels(given: Mapping[str, Any] | None) -> str:
    """Return whose kernels multiply in fp8 and fp4: those of Transformer Engine where a file is silent."""
    if given is None:
        return TRANSFORMER_ENGINE
    if str(given["kind"]) not in (TRANSFORMER_ENGINE, OTHER) or not given["source"]:
        raise ValueError(f"narrow_kernels needs a source, and of kinds {TRANSFORMER_ENGINE} or {OTHER}")
    return str(given["kind"])


def _capability(name: str, given: Mapping[str, Any]) -> Capability:
    if not given["source"] or not given["checked"]:
        raise ValueError("can_run has no source or date; add both")
    trains = tuple(str(one) for one in given["trains"])
    if not trains or not given["trains_source"]:
        raise ValueError("trains is empty or has no trains_source; add both")
    if unknown := set(trains) - set(TRAINED_KINDS):
        raise ValueError(f"unknown {sorted(unknown)} in trains; known: {', '.join(TRAINED_KINDS)}")
    if unknown := set(given["has"]) - set(FLAGS):
        raise ValueError(f"unknown {sorted(unknown)} in has; known: {', '.join(FLAGS)}")
    weighed = tuple(str(one) for one in given.get("schedules", ()))
    schedules = (*weighed, *(str(one) for one in given.get("schedules_asked", ())))
    if unknown := set(schedules) - SCHEDULES.keys():
        raise ValueError(f"unknown {sorted(unknown)} in schedules; known: {', '.join(SCHEDULES)}")
    return Capability(
        stack=name,
        trains=trains,
        schedules=schedules,
        weighed=weighed,
        partitions=_partitions(given),
        vendors=(*given["vendors"], *_vendors_asked(given)),
        vendors_asked=_vendors_asked(given),
        planned=int(given["planned"]),
        zero=tuple(int(stage) for stage in given["zero"]),
        zero_most_with_pp=int(given["zero_most_with_pp"]),
        offload_from=int(given.get("offload_from", 0)),
        recompute=tuple(_recompute(str(policy)) for policy in given["recompute"]),
        source=str(given["source"]),
        trains_source=str(given["trains_source"]),
        checked=str(given["checked"]),
        note=str(given.get("note", "")),
        expert_tensor=_expert_tensor(given),
        adapters=_adapters(given),
        tunes=_tunes(given),
        tunes_as=tuple(str(word) for word in given.get("tunes_as", ())),
        tunes_source=str(given.get("tunes_source", "")),
        host_weights_from=int(given.get("host_weights_from", 0)),
        running={},
        **{flag: flag in given["has"] for flag in FLAGS},
    )


def _vendors_asked(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the vendors on whose chips a stack runs where a job names it; they need a source."""
    if given.get("vendors_asked") and not given.get("vendors_asked_source"):
        raise ValueError("vendors_asked has no vendors_asked_source; add it")
    return tuple(str(one) for one in given.get("vendors_asked", ()))


def _adapters(given: Mapping[str, Any]) -> int:
    """Return the place of a stack among those that people train adapters with; it needs a source."""
    if "adapters" in given and not given.get("adapters_source"):
        raise ValueError("adapters has no adapters_source; add it")
    return int(given.get("adapters", 0))


def _tunes(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tasks of adapters that a stack trains; they need a source."""
    tasks = tuple(str(one) for one in given.get("tunes", ()))
    if unknown := set(tasks) - set(ADAPTER_TASKS):
        raise ValueError(f"unknown {sorted(unknown)} in tunes; known: {', '.join(ADAPTER_TASKS)}")
    if tasks and not given.get("tunes_source"):
        raise ValueError("tunes has no tunes_source; add it")
    return tasks


def _expert_tensor(given: Mapping[str, Any]) -> str:
    """Return what a stack makes of experts where nobody states it; one with expert parallelism must say, and whence."""
    if "expert_tensor" not in given:
        if "ep" in given["has"]:
            raise ValueError("has ep but no expert_tensor; add it, with expert_tensor_source")
        return AS_THE_REST
    if str(given["expert_tensor"]) not in EXPERT_TENSOR_RULES or not given.get("expert_tensor_source"):
        raise ValueError(f"expert_tensor needs an expert_tensor_source, and is of: {', '.join(EXPERT_TENSOR_RULES)}")
    return str(given["expert_tensor"])


def _partitions(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the partitions of a stack's pipelines, even ones where its file names none."""
    names = tuple(str(one) for one in given.get("partitions", ("even",)))
    known = (*(rule.name for rule in PARTITIONS), GIVEN)
    if unknown := set(names) - set(known):
        raise BadCatalog(f"unknown partition {', '.join(sorted(unknown))}; partitions are of: {', '.join(known)}")
    return names


def _recompute(policy: str) -> int:
    if policy not in RECOMPUTE:
        raise ValueError(f"unknown recompute {policy!r}; known: {', '.join(RECOMPUTE)}")
    return RECOMPUTE.index(policy)


def _loss(name: str, given: Mapping[str, Any], checked: str) -> Fitted:
    """Return what the stack's kind of loss keeps of a logit; fits start from it."""
    kind = str(given["kind"])
    if kind not in LOSSES:
        raise ValueError(f"unknown loss {kind!r}; known: {', '.join(LOSSES)}")
    row = {"quantity": LOGIT_BYTES, "value": LOSSES[kind].logit_bytes, "unit": "byte", "source": given["source"]}
    return _sourced(name, row, checked)


def _experts(name: str, given: Mapping[str, Any], checked: str) -> Fitted:
    """Return what each further expert of a rank takes to launch, of what the first does."""
    launch = str(given["launch"])
    if launch not in EXPERT_LAUNCHES:
        raise ValueError(f"unknown launch {launch!r} of experts; known: {', '.join(EXPERT_LAUNCHES)}")
    row = {"quantity": "expert_launches", "value": EXPERT_LAUNCHES[launch], "unit": "1", "source": given["source"]}
    return _sourced(name, row, checked)


def _constant(name: str, given: Mapping[str, Any], checked: str) -> Fitted:
    if given["quantity"] == LOGIT_BYTES:
        raise ValueError(f"{LOGIT_BYTES} follows from the kind of loss; write loss: {{kind: eager, source: ...}}")
    return _sourced(name, given, checked)


def _sourced(name: str, given: Mapping[str, Any], checked: str) -> Fitted:
    if not given["source"]:
        raise ValueError(f"{given['quantity']} has no source; add it")
    return Fitted(
        entity=name,
        precision=str(given.get("precision", FALLBACK)),
        quantity=str(given["quantity"]),
        value=float(given["value"]),
        unit=str(given["unit"]),
        log_sd=0.0,
        rows=0,
        groups=0,
        source=str(given["source"]),
        command="",
        checked=checked,
        note="",
    )
