"""What an answer or a completed row took of each setting that nobody stated, in a line each, and what else there is."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.stacks import Capability
from steelyard.step.states import state_widths
from steelyard.step.tensors.recipe import SHARDED, resident_weights, settled, settled_entry
from steelyard.strategies.experts import unstated_expert_tensor
from steelyard.strategies.losses import LOSSES
from steelyard.strategies.recipe_settings import QUANTISED_BYTES, UNQUANTISED
from steelyard.strategies.recompute import RECOMPUTE
from steelyard.strategies.settings import setting_name
from steelyard.tables import Job, Layout, Recipe, Stack, Workload
from steelyard.units import Array, Bytes, Count, Share


@dataclass(frozen=True, slots=True)
class TakenSettings:
    """The settings of one configuration, whoever chose them."""

    stack: str  # as it is written
    others: tuple[str, ...]  # stacks that such a job may be run with instead
    capability: Capability
    layout: Layout  # plain numbers
    state_bytes: Bytes  # of one trained parameter, not sharded: weights, gradients, master copy, moments
    logit_bytes: Bytes  # of one logit at the peak; NaN: the model has no vocabulary
    precision: str
    weights_follow: Share = 0.0  # 1: parameters go to the host with offloaded states
    base_bytes: Bytes = 0.0  # of a frozen parameter that is quantised; 0: none is
    unquantised: str = ""  # what surrounds a quantised base is in, as a recipe says it
    dropped_bytes: Bytes = math.nan  # kept of an element of an adapter's input; NaN: no adapters are trained
    masks: bool = False  # whether its model is trained with dropout
    experts: Count = 0.0  # of the model

    @classmethod
    def of_tables(
        cls, names: Sequence[str], capability: Capability, job: Job, layout: Layout, constants: Stack, precision: str
    ) -> "TakenSettings":
        """Return the settings of one configuration.

        Args:
            names: of its stack, as it is written, and of others that such a job may be run with.
            capability: of its stack.
            job: one row.
            layout: one row.
            constants: of its stack, the defaults of the job's recipe.
            precision: of the job.
        """
        held, logits = (float(one) for one in bytes_each(job, layout, constants))
        follow = float(np.asarray(weights_follow(job, layout, constants)))
        base = float(np.asarray(job.recipe.packed_bytes))
        experts = float(np.asarray(job.workload.divisible.experts))
        around = around_base(job.recipe, layout)
        dropped, masks = float(dropped_bytes(job, constants)), bool(has_masks(job.workload))
        of = (held, logits, precision, follow, base, around, dropped, masks, experts)
        return cls(names[0], tuple(names[1:]), capability, layout, *of)

    @property
    def offloaded(self) -> str:
        """What goes to the host where states are offloaded."""
        return "parameters, gradients and optimizer" if self.weights_follow else "optimizer"


def has_masks(workload: Workload) -> NDArray[np.bool_]:
    """Tell whether blocks of a model keep dropout masks.

    >>> from steelyard.job import job_table, read_job
    >>> job = read_job("gpt2", tokens="1B", stack="megatron-core")
    >>> bool(has_masks(job_table(job).workload)), bool(has_masks(job_table(read_job("opt-125m", tokens="1B")).workload))
    (True, False)
    """
    parts = [part.amount for one in workload.blocks for part in one.kept_bytes if part.kind == "mask"]
    return np.asarray(np.greater(sum(parts, start=0.0), 0))


def dropped_bytes(job: Job, constants: Stack) -> Array:
    """Return what is kept of an element of an adapter's input for its dropout; NaN where no adapters are trained.

    Args:
        job: with what is said of its recipe.
        constants: of its stack, the defaults of the recipe.

    >>> from steelyard.catalog import stack
    >>> from steelyard.job import job_table, read_job
    >>> job = job_table(read_job("llama-3-8b", tokens="1B", task="lora"))
    >>> [float(dropped_bytes(job, stack(name))) for name in ("hf-trainer", "litgpt")]
    [0.0, 3.0]
    """
    kept = settled_entry(job.recipe, constants, "adapter_bytes")
    return np.where(np.greater(job.adapted_inputs, 0), kept, np.nan)


def weights_follow(job: Job, layout: Layout, constants: Stack) -> Share:
    """Return whether parameters go to the host where optimizer states are offloaded.

    Args:
        job: with what is said of its recipe.
        layout: how its states are sharded.
        constants: of its stack, the defaults of the recipe.

    >>> from steelyard.catalog import stack
    >>> from steelyard.job import job_table, read_job
    >>> layout = Layout(8, 1, 1, 1, 0, 1, 8, 1, 1, 3, 8, 1, 1, 0, 0, 1, 0, 0)
    >>> job = job_table(read_job("llama-3-8b", tokens="1B"))
    >>> [float(weights_follow(job, layout, stack(name))) for name in ("fsdp2", "deepspeed")]
    [1.0, 0.0]
    """
    return resident_weights(job.recipe, constants, replace(layout, offload=np.ones(np.shape(layout.offload))))


def bytes_each(job: Job, layout: Layout, constants: Stack) -> tuple[Array, Array]:
    """Return the bytes of one trained parameter's states, not sharded, and of one logit; NaN without a vocabulary.

    Args:
        job: with what is said of its recipe.
        layout: how its states are sharded and gathered.
        constants: of its stack, the defaults of the recipe.

    >>> from steelyard.catalog import stack
    >>> from steelyard.job import job_table, read_job
    >>> layout = Layout(8, 1, 1, 1, 0, 1, 8, 1, 1, 1, 8, 1, 1, 0, 0, 1, 0, 0)
    >>> for name in ("bf16", "bf16-pure"):
    ...     job = job_table(read_job("llama-3-8b", tokens="1B", precision=name))
    ...     print(*(float(one) for one in bytes_each(job, layout, stack("hf-trainer"))))
    18.0 14.0
    8.0 14.0
    """
    recipe = settled(job.recipe, constants)
    widths = state_widths(replace(job, trainable_share=1.0), replace(layout, offload=0.0), recipe)
    held = widths.weights_bytes + widths.copies_bytes + widths.gradients_bytes + widths.optimizer_bytes
    return np.asarray(held, dtype=float), np.where(np.greater(job.workload.head.logits, 0), recipe.logit_bytes, np.nan)


@dataclass(frozen=True, slots=True)
class OpenSetting:
    """One setting that may be left open."""

    value: Callable[[TakenSettings], str]  # what was taken; empty: there is no such setting
    others: Callable[[TakenSettings], Sequence[str]]  # what else it may be
    option: str  # how one says it


def _recompute(one: TakenSettings) -> str:
    policy, share = divmod(float(one.layout.recompute), 1.0)
    return RECOMPUTE[int(policy)] if not share else f"of {share:.0%} of the blocks"


def _states(one: TakenSettings) -> str:
    return f"{one.state_bytes:.3g} B a parameter"


def _loss(one: TakenSettings) -> str:
    return "" if np.isnan(one.logit_bytes) else f"{one.logit_bytes:.3g} B a logit"


def _base(one: TakenSettings) -> str:
    return next((name for name, size in QUANTISED_BYTES.items() if size == one.base_bytes), "")


def _dropped(one: TakenSettings) -> str:
    return "" if math.isnan(one.dropped_bytes) else "of their inputs" if one.dropped_bytes else "none"


def around_base(recipe: Recipe, layout: Layout) -> str:
    """Return what surrounds a quantised base is in, as a recipe says it; empty without one, or where all is one type.

    Args:
        recipe: one row.
        layout: one row; sharded parameters have one type (`step.tensors.recipe.upcast`).
    """
    if not float(recipe.packed_bytes) > 0 or float(np.asarray(layout.zero)) >= SHARDED:
        return ""
    said = {name: float(np.nan_to_num(getattr(recipe, name))) for name in ("base_upcast", "frozen_bytes")}
    return next((word for word, meant in UNQUANTISED.items() if meant == said), "")


def _chunks(one: TakenSettings) -> str:
    return "" if one.layout.pp <= 1 else f"of {one.layout.vpp:.0f} chunks" if one.layout.vpp > 1 else "none"


def _expert_tensor(one: TakenSettings) -> str:
    """Return how experts lie on tensor ranks, where there are both, and how the stack lays them by itself."""
    if one.experts <= 0 or one.layout.tp <= 1:
        return ""
    own = float(unstated_expert_tensor(one.capability.expert_tensor, one.layout.tp, one.layout.ep))
    rest = "" if one.layout.etp == own else f", which must be given, as {one.capability.stack} takes etp={own:.0f}"
    return f"etp={one.layout.etp:.0f}{rest}"


_MASTERED, _NARROW, _WIDE = 12.0, "8 where all is in 16 bits", "16 to 18 with an fp32 master copy"
"""Bytes of a parameter's states under Adam above which there is an fp32 master copy, and how both kinds are called."""

_BY_BYTES = sorted(LOSSES.values(), key=lambda one: one.logit_bytes)
_RANGE = " to ".join(f"{one.logit_bytes:g} ({one.name})" for one in (_BY_BYTES[0], _BY_BYTES[-1]))

OPEN_SETTINGS: Mapping[str, OpenSetting] = MappingProxyType(
    {
        "stack": OpenSetting(lambda one: one.stack, lambda one: one.others, "--stack"),
        "recompute": OpenSetting(
            _recompute, lambda one: [setting_name("recompute", mode) for mode in one.capability.recompute], "recompute="
        ),
        "attention": OpenSetting(
            lambda one: "fused" if one.layout.flash else "unfused", lambda _: ("fused", "unfused"), "flash="
        ),
        "micro-batch": OpenSetting(
            lambda one: f"{one.layout.micro_batch:.0f}", lambda _: ("what else shares the batch evenly",), "mbs="
        ),
        "offload": OpenSetting(
            lambda one: one.offloaded if one.layout.offload else "none",
            lambda one: ("none", one.offloaded) if one.capability.offload else (),
            "offload=",
        ),
        "loss": OpenSetting(_loss, lambda _: (_RANGE,), "loss:"),
        "sharding": OpenSetting(
            lambda one: f"zero={one.layout.zero:.0f}",
            lambda one: [f"zero={stage}" for stage in one.capability.zero],
            "zero=",
        ),
        "states": OpenSetting(
            _states, lambda one: (_NARROW if one.state_bytes > _MASTERED else _WIDE,), "precision:"
        ),
        "quantisation": OpenSetting(_base, lambda _: tuple(QUANTISED_BYTES), "recipe: quantised="),
        "unquantised": OpenSetting(lambda one: one.unquantised, lambda _: tuple(UNQUANTISED), "recipe: unquantised="),
        "dropout": OpenSetting(lambda one: "0.1" * one.masks, lambda _: ("none",), "stack: its name, no dropout"),
        "adapter dropout": OpenSetting(_dropped, lambda _: ("none", "of their inputs"), "lora: {dropout: 0.05}"),
        "precision": OpenSetting(lambda one: one.precision, lambda _: ("bf16", "fp16", "fp8"), "precision:"),
        "sequence parallelism": OpenSetting(
            lambda one: "" if one.layout.tp <= 1 else "on" if one.layout.sp else "off", lambda _: ("on", "off"), "sp="
        ),
        "interleaving": OpenSetting(_chunks, lambda one: ("none", "chunks") if one.capability.vpp else (), "vpp="),
        "expert tensor parallelism": OpenSetting(
            _expert_tensor,
            lambda one: [f"etp={n:.0f}" for n in (1, one.layout.tp) if one.capability.etp and n != one.layout.etp],
            "etp=",
        ),
    }
)  # fmt: skip
"""What may be left open, by the words that a row's `assumed` has, in the order of an answer's lines."""


def taken_texts(unstated: Collection[str], taken: Iterable[TakenSettings]) -> tuple[str, ...]:
    """Return one line for each setting that nobody stated: what was taken, what else it may be, how one says it.

    Args:
        unstated: words of `OPEN_SETTINGS`; others are passed over.
        taken: what each of some configurations has; a line names every value among them.

    >>> from steelyard.catalog import load, stack
    >>> from steelyard.job import job_table, read_job
    >>> job = job_table(read_job("llama-3-8b", tokens="1B"))
    >>> layout = Layout(64, 2, 2, 1, 0, 1, 16, 1, 2, 1, 16, 2, 4, 1, 0, 1, 0, 0)
    >>> made = TakenSettings.of_tables(
    ...     ["fsdp2", "deepspeed"], load().capability("fsdp2"), job, layout, stack("fsdp2"), "bf16"
    ... )
    >>> for text in taken_texts({"stack", "recompute", "states", "interleaving"}, [made]):
    ...     print(text)
    stack fsdp2: or deepspeed (--stack)
    recompute none: or selective, full (recompute=)
    states 18 B a parameter: or 8 where all is in 16 bits (precision:)
    interleaving none: or chunks (vpp=)
    """
    found, every = [], list(taken)
    for name, setting in OPEN_SETTINGS.items():
        values = dict.fromkeys(filter(None, map(setting.value, every))) if name in unstated else {}
        if not values:
            continue
        rest = dict.fromkeys(one for each in every for one in setting.others(each))
        others = ", ".join(one for one in rest if one not in values)
        found.append(f"{name} {' or '.join(values)}" + (f": or {others} ({setting.option})" if others else ""))
    return tuple(found)
