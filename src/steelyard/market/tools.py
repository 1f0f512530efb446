"""The stacks that a job may be planned with: what each can run, its constants, how uncertain it is."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from steelyard import catalog as facts
from steelyard.catalog.local.step_shift import STEP_SHIFT, pair_of
from steelyard.catalog.spread import FACTOR, Traits
from steelyard.catalog.stack_names import FALLBACK, adapter_share, kernel_scales, rule_of_name, slow_kernels
from steelyard.catalog.usual.launches import expert_launches
from steelyard.errors import BadInput, UnknownName
from steelyard.job.job_spec import JobSpec, job_table, written_stack
from steelyard.job.kept.drives import asks_drives, drive_entries
from steelyard.job.kept.texts import quantised_text
from steelyard.job.unstated.stack import common_stacks
from steelyard.job.unstated.usual import shards_nothing
from steelyard.market.adapting import adapting, check_adapting
from steelyard.market.options import StackOption
from steelyard.market.running import stack_capability, stacks_with_drives, usual_or_able, vendors_of_stack
from steelyard.market.stack_slips import slip_of_name
from steelyard.tables import Stack
from steelyard.vocabulary import IMAGE_TRANSFORMER, LANGUAGE, ROWS


def stack_options(
    vendors: Sequence[str],
    stack: str | None,
    catalog: facts.Catalog,
    kind: str = LANGUAGE,
    precision: str = FALLBACK,
    task: str = "",
    schedules: Collection[int] = (),
    drives: bool = False,
    hosts: bool = False,
    quantised: str = "",
) -> tuple[tuple[StackOption, ...], Mapping[str, tuple[int, ...]]]:
    """Return the stacks to plan with, and which of them run on each vendor's chips.

    A stack that the job names, as the catalog or as people write it, is the only one; `BadInput` where it does not
    train such models or such adapters, or runs on none of the chips. Else those that the catalog plans on the vendor's
    chips and that train them so, or that run a schedule which none of these does (`running.usual_or_able`); where there
    is none, the fallback that stands for any stack. Where steps of one's own were measured of a stack on a chip, a
    shifted one of its name stands for it there (`StackOption.runs_on`).

    Args:
        vendors: of accelerators.
        stack: that the job names; None: it names none.
        catalog: of the stacks.
        kind: what is trained, of `vocabulary.TRAINED_KINDS`.
        precision: of the job.
        task: of the job: models are tuned with other stacks than those that they are pre-trained with.
        schedules: of pipelines that the job allows, by number; empty: any.
        drives: whether the job puts parameters or states on NVMe drives, which few stacks do.
        hosts: whether it puts parameters on the host, which some do from a ZeRO stage on.
        quantised: what its recipe says of a quantised base, in words.
    """
    names: dict[str, tuple[str, ...]] = {}
    if stack is None:
        for vendor in vendors:
            usual = adapting(common_stacks(task, vendor, kind, catalog), task, catalog)
            names[vendor] = usual_or_able(usual, vendor, kind, schedules, catalog, task)
    else:
        asked = _training_stack(named_stack(stack, catalog), kind, catalog)
        check_adapting(asked, task, vendors, catalog, stack)
        names |= dict.fromkeys(vendors_of_stack(asked, vendors, kind, catalog), (asked,))
    if drives:
        names = stacks_with_drives(names, catalog)
    unique = list(dict.fromkeys(name for known in names.values() for name in known))
    tools = [stack_option(name, catalog, kind, precision) for name in unique]
    places = {vendor: [unique.index(name) for name in known] for vendor, known in names.items()}
    for name, accelerator, vendor in _shifted(names, catalog):
        base = unique.index(name)
        tools[base] = replace(tools[base], not_on=tools[base].not_on | {accelerator})
        places[vendor].append(len(tools))
        tools.append(stack_option(name, catalog, kind, precision, accelerator))
    if text := written_stack(stack, catalog):
        tools = [as_written(one, text, precision, catalog, quantised) for one in tools]
    elif task == "qlora":  # PEFT's preparation, and its kernels where nobody is named, are those of its rows
        tools = [with_kernels(one, one.name, precision, catalog, quantised) for one in tools]
    if hosts:
        tools = [_weights_away(one) for one in tools]
    return tuple(tools), {vendor: tuple(found) for vendor, found in places.items()}


def stacks_of_job(
    spec: JobSpec, vendors: Sequence[str], catalog: facts.Catalog, schedules: Collection[int]
) -> tuple[tuple[StackOption, ...], Mapping[str, tuple[int, ...]]]:
    """Return the stacks to plan a job with, and which of them run on each vendor's chips: see `stack_options`.

    Args:
        spec: the job.
        vendors: of accelerators.
        catalog: of the stacks.
        schedules: of pipelines that its layout allows, by number; empty: any.
    """
    return stack_options(
        vendors, spec.stack, catalog, spec.kind, spec.precision, spec.task, schedules,
        drives=puts_on_drives(spec), hosts=puts_on_hosts(spec, catalog), quantised=quantised_text(spec.recipe),
    )  # fmt: skip


def _shifted(names: Mapping[str, Sequence[str]], catalog: facts.Catalog) -> list[tuple[str, str, str]]:
    """Return the stacks, of some by vendor, of which one's own steps were measured, each with its chip and vendor."""
    pairs = (pair_of(entity) for entity, _, quantity in catalog.local.steps if quantity == STEP_SHIFT)
    known = [(name, chip, catalog.accelerators[chip].vendor) for name, chip in pairs if chip in catalog.accelerators]
    return [one for one in known if one[0] in names.get(one[2], ())]


def _weights_away(option: StackOption) -> StackOption:
    """Return a stack with the ZeRO stages at which it puts parameters on the host."""
    can = option.capability
    stages = tuple(stage for stage in can.zero if stage >= can.host_weights_from)
    return replace(option, capability=replace(can, zero=stages))


def puts_on_hosts(spec: JobSpec, catalog: facts.Catalog) -> bool:
    """Tell whether a job puts parameters in the memory of hosts.

    >>> from steelyard.job import read_job
    >>> jobs = [read_job("llama-3-8b", tokens="1B", recipe=one) for one in ("weights=host", "states=16")]
    >>> [puts_on_hosts(job, facts.load()) for job in jobs]
    [True, False]
    """
    return bool(np.any(np.greater(job_table(spec, catalog).recipe.weights_on_host, 0)))


def puts_on_drives(spec: JobSpec) -> bool:
    """Tell whether a job puts parameters or states of its optimizer on NVMe drives.

    >>> from steelyard.job import read_job
    >>> [puts_on_drives(read_job("llama-3-8b", tokens="1B", recipe=one)) for one in ("weights=nvme", "weights=host")]
    [True, False]
    """
    return asks_drives({**drive_entries(spec.stack or ""), **spec.recipe})


def as_written(option: StackOption, text: str, precision: str, catalog: facts.Catalog, base: str = "") -> StackOption:
    """Return a stack as people write it: its constants, but for kernels and gradients that the name says otherwise.

    >>> catalog = facts.load()
    >>> made = as_written(stack_option("hf-trainer", catalog, LANGUAGE), "unsloth", "bf16", catalog)
    >>> made.name, made.stack.eager_scale, made.stack.upcast_scale
    ('hf-trainer', 1.0, 1.0)
    """
    rule = rule_of_name(catalog.stack_rules, text)
    changed = adapter_share(text, quantised=True)
    changed |= {name: value for name, value in rule.recipe if name == "grad_bytes"}
    changed |= expert_launches(rule, catalog.stack_files, text)
    able = replace(option.capability, expert_tensor=rule.expert_tensor)
    if shards_nothing(rule, text):
        able = replace(able, zero=(0,), offload=False)
    made = replace(option, stack=replace(option.stack, **changed), capability=able, written=text)
    return with_kernels(made, text, precision, catalog, base)


def with_kernels(option: StackOption, text: str, precision: str, catalog: facts.Catalog, base: str = "") -> StackOption:
    """Return a stack with the constants of slow kernels that a text says, over a quantised base where there is one.

    >>> catalog = facts.load()
    >>> made = with_kernels(stack_option("deepspeed", catalog, LANGUAGE), "deepspeed", "bf16", catalog)
    >>> hugging_face = stack_option("hf-trainer", catalog, LANGUAGE)
    >>> made.stack.upcast_scale == hugging_face.stack.upcast_scale > 1
    True
    """
    rule = rule_of_name(catalog.stack_rules, text)
    slow = slow_kernels(rule, f"{text}; {base}", True, matrix_precision(precision, catalog))
    return replace(option, stack=replace(option.stack, **kernel_scales(slow, catalog.stacks)))


def as_asked(asked: str | None, name: str, catalog: facts.Catalog) -> str:
    """Return how a job writes a stack of the catalog, which may say more than its name; else the name.

    >>> as_asked("unsloth", "hf-trainer", facts.load()), as_asked("unsloth", "fsdp2", facts.load())
    ('unsloth', 'fsdp2')
    """
    text = written_stack(asked, catalog)
    return text if text and named_stack(text, catalog) == name else name


def _training_stack(name: str, kind: str, catalog: facts.Catalog) -> str:
    """Return the stack, if it trains such models."""
    can = stack_capability(name, catalog)
    if kind not in can.trains:
        able = [one for one, file in sorted(catalog.stack_files.items()) if kind in file.capability.trains]
        raise BadInput(
            f"stack {name} trains {' and '.join(map(kind_text, can.trains))}, not {kind_text(kind)} "
            f"({can.trains_source}); leave stack out, or name one of {', '.join(able)}"
        )
    return name


def kind_text(kind: str) -> str:
    """Return a kind of model in words, several of them.

    >>> kind_text("rows")
    'models by rows'
    """
    return {LANGUAGE: "language models", IMAGE_TRANSFORMER: "image transformers", ROWS: "models by rows"}[kind]


def named_stack(text: str, catalog: facts.Catalog) -> str:
    """Return the stack of the catalog that a text names, by the patterns that rows of measured runs are read with.

    >>> [named_stack(text, facts.load()) for text in ("fsdp2", "torchtitan", "NeMo 25.04", "any")]
    ['fsdp2', 'fsdp2', 'megatron-core', 'any']
    """
    known = facts.stacks(catalog)
    if text in known or text == FALLBACK:
        return text
    if slip := slip_of_name(catalog.stack_rules, known, text):
        raise BadInput(
            f"unknown stack {slip[0]!r}; nearest: {slip[1]}{_apart(*slip)}; write any for a stack of your own"
        )
    found = rule_of_name(catalog.stack_rules, text).stack
    if found == FALLBACK:
        raise UnknownName("stack", text, known)
    return found


def _apart(word: str, near: str) -> str:
    """Return how a number behind the name of a stack is written, where a word is such."""
    number = word.removeprefix(near)
    if number == word or not number.isdigit():
        return ""
    stage = f", a ZeRO stage {near} ZeRO-{number}" if near == "deepspeed" else ""
    return f"; a version is written apart, {near} {number}{stage}"


def stack_option(
    name: str, catalog: facts.Catalog, kind: str, precision: str = FALLBACK, accelerator: str = ""
) -> StackOption:
    """Return a stack with what it can run and how uncertain it is, more so of models whose runs no fit has seen.

    At a job's precision it may store, gather or multiply otherwise than at any. With an accelerator it is the one that
    steps of one's own on it have shifted.
    """
    rows = facts.stack_rows(name, catalog, matrix_precision(precision, catalog), accelerator)
    spread = {field: row.log_sd for field, row in rows.items() if row.log_sd > 0}
    own, model = facts.calibrated_log_sd(name, catalog), facts.step_spread(catalog)
    fitted = math.isnan(own)
    stranger = float(model.log_sd(Traits(facts.stack_evidence(name, catalog), untuned=1.0)))
    spread[FACTOR] = math.hypot(stranger if fitted else own, facts.kind_log_sd(kind, catalog))
    return StackOption(
        name=name,
        stack=Stack(**{field: row.value for field, row in rows.items()}),
        capability=stack_capability(name, catalog),
        peaks=facts.peak_spread(name, catalog),
        stack_log_sd=spread,
        spread=model if fitted else None,
        shift_log_sd=facts.shift_log_sd(name, accelerator, catalog),
        unpaired_log_sd={} if accelerator or not fitted else _unpaired(name, catalog),
        narrow=float(facts.outside_transformer_engine(name, catalog)),
        only_on=accelerator,
    )


def _unpaired(name: str, catalog: facts.Catalog) -> dict[str, float]:
    """Return what is open of a stack's steps on each family of chips on which no run of it was timed."""
    families = {chip.family for chip in catalog.accelerators.values()}
    return {family: sd for family in families if (sd := facts.pair_log_sd(name, family, catalog))}


def matrix_precision(precision: str, catalog: facts.Catalog) -> str:
    """Return the precision of the matrix units that a job's precision runs on.

    >>> [matrix_precision(name, facts.load()) for name in ("bf16-pure", "fp8")]
    ['bf16', 'fp8']
    """
    row = catalog.precisions.get(precision)
    return row.matrix_units if row else precision
