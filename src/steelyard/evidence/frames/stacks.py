"""From a framework as people write it to the stack of the catalog, by the ordered patterns of `data/stacks/*.yaml`."""

import re
from dataclasses import replace
from difflib import get_close_matches

from steelyard.catalog import Catalog
from steelyard.catalog.local.layer import slug
from steelyard.catalog.stack_names import FALLBACK, StackRule, adapter_share, kernel_scales, rule_of_name, slow_kernels
from steelyard.catalog.usual.launches import expert_launches
from steelyard.errors import BadInput
from steelyard.evidence.frames.recipes import ZERO_STAGES, run_entries
from steelyard.evidence.frames.settings import offloads_states
from steelyard.evidence.runs.columns import says
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.kept.texts import quantised_text
from steelyard.job.unstated.stack import usual_stack
from steelyard.market.running import stack_capability
from steelyard.strategies.denial import named
from steelyard.strategies.settings import spelled_number

NATIVE = r"flash[ _-]?att\w*[ _-]?3\b|\bfa[ -]?3\b|cudnn|transformer ?engine|\bte\b"
LEGACY = r"flash[ _-]?att\w*[ _-]?2\b|\bfa[ -]?2\b|\btriton\b"
"""Attention kernels of Hopper's and later generations, and older ones, as rows name them."""

FLASH_2 = "2023-07"
"""FlashAttention-2 was published in July 2023 (arXiv 2307.08691)."""


ALIKE_NAMES = 0.8
"""Share of letters that a name has in common with one of which it may be a slip: chosen."""


def stack_rule(framework: str, date: str, catalog: Catalog) -> StackRule:
    """Return what a framework's name implies for a run of a date (`catalog.stacks.rule_of_name`)."""
    return rule_of_name(catalog.stack_rules, framework, date)


def taken_rule(run: Run, vendor: str, kind: str, catalog: Catalog) -> StackRule:
    """Return what the stack of a run implies; of one that names none, that of such trainings (`unstated.stack`).

    Args:
        run: the row, the settings of its layout in their columns.
        vendor: of its accelerator.
        kind: of its model, of `vocabulary.TRAINED_KINDS`.
        catalog: of the stacks, a user's own among them.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> runs = (blank_run(task="lora"), blank_run(task="lora", tp=2.0), blank_run(task="pretrain"))
    >>> [taken_rule(run, "NVIDIA", "language", load()).stack for run in runs]
    ['hf-trainer', 'torchtune', 'any']
    """
    found = stack_rule(run.stack, run.date, catalog)
    if not says(run.stack):
        name = usual_stack(run.task, vendor, kind, _stated(run), catalog)
        return found if name == FALLBACK else stack_rule(name, run.date, catalog)
    own = slug(run.stack)
    return replace(found, stack=own) if found.stack == FALLBACK and _is_calibrated(own, catalog) else found


def _is_calibrated(name: str, catalog: Catalog) -> bool:
    return (name, FALLBACK, "time_scale") in catalog.local.stacks


def _stated(run: Run) -> dict[str, float]:
    """Return the settings of a layout that a row states and that not every stack has."""
    degrees = {name: getattr(run, name) for name in ("tp", "pp", "cp", "ep", "vpp")}
    words = {
        "zero": spelled_number("zero", run.sharding),
        "recompute": spelled_number("recompute", run.recompute),
        "offload": offloads_states(run.offload) if says(run.offload) else None,
    }
    found = {name: float(value) for name, value in words.items() if value is not None}
    return found | {name: value for name, value in degrees.items() if is_known(value)}


def unknown_stack(framework: str, rule: StackRule, catalog: Catalog) -> tuple[str, ...]:
    """Return that no fit has seen a framework, of one that no rule knows; BadInput names what it is a slip of.

    A name that is nearly a known one is refused, as of a job. One that is like none is a stack of its own: it has the
    constants of any stack and their spread, and a calibration learns it under its name.

    >>> from steelyard.catalog import load
    >>> names = ("Weaver 3", "torchtitan")
    >>> [unknown_stack(name, stack_rule(name, "", load()), load()) for name in names]
    [("stack 'Weaver 3', which no fit has seen: taken as any stack",), ()]
    >>> unknown_stack("torchtitn", stack_rule("torchtitn", "", load()), load())
    Traceback (most recent call last):
    steelyard.errors.BadInput: unknown stack 'torchtitn'; nearest: torchtitan; write any for a stack of your own
    """
    if rule.stack != FALLBACK or not says(framework) or framework.strip().lower() == FALLBACK:
        return ()
    words = {word for rule in catalog.stack_rules for word in re.findall("[a-z-]{4,}", rule.pattern.pattern)}
    near = get_close_matches(framework.lower(), sorted(words | set(catalog.stack_files)), 1, ALIKE_NAMES)
    if near:
        raise BadInput(f"unknown stack {framework[:40]!r}; nearest: {near[0]}; write any for a stack of your own")
    return (f"stack {framework[:40]!r}, which no fit has seen: taken as any stack",)


def strange_pair(rule: StackRule, vendor: str, catalog: Catalog) -> tuple[str, ...]:
    """Return that a stack was not timed on a vendor's chips, or is not known to run there; else nothing.

    >>> from steelyard.catalog import load
    >>> for name, vendor in (("torchtitan", "NVIDIA"), ("torchtitan", "Google"), ("MaxText", "NVIDIA")):
    ...     print(strange_pair(stack_rule(name, "", load()), vendor, load()))
    ()
    ('how fsdp2 runs on chips of Google, where it is not known to: its constants are those of NVIDIA, AMD',)
    ('how maxtext runs on chips of NVIDIA: its constants are those of Google',)
    """
    can = stack_capability(rule.stack, catalog)
    if not can.vendors or can.usual_on(vendor):
        return ()
    known = "" if vendor in can.vendors else ", where it is not known to"
    others = ", ".join(one for one in can.vendors if can.usual_on(one))
    return (f"how {rule.stack} runs on chips of {vendor}{known}: its constants are those of {others}",)


def run_slow_kernels(run: Run, rule: StackRule, precision: str) -> frozenset[str]:
    """Return which constants of slow kernels (`stack_names.slow_kernels`) hold for a run, by its stack, note and loss.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.catalog import load
    >>> trainer = stack_rule("HF Trainer", "", load())
    >>> told = blank_run(stack="HF Trainer", task="qlora"), blank_run(task="qlora", note="GPTQ 4-bit base; foak")
    >>> [sorted(run_slow_kernels(run, trainer, "bf16")) for run in told]
    [['eager_scale', 'upcast_scale'], []]
    """
    text = f"{run.stack}; {run.note}; {run.loss}; {quantised_text(run_entries(run))}"
    return slow_kernels(rule, text, run.task == "qlora", precision)


def kernel_constants(run: Run, rule: StackRule, precision: str, catalog: Catalog) -> dict[str, float]:
    """Return the constants of slow kernels for a run, as it or its framework says (`stack_names.kernel_scales`).

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.catalog import load
    >>> def eager(text):
    ...     return kernel_constants(blank_run(stack=text), stack_rule(text, "", load()), "bf16", load())["eager_scale"]
    >>> eager("NeMo 25.04"), eager("torchtitan, no compile") == eager("HF Trainer") > 1.5
    (1.0, True)
    """
    return kernel_scales(run_slow_kernels(run, rule, precision), catalog.stacks)


def row_constants(run: Run, rule: StackRule) -> dict[str, float]:
    """Return the constants of `tables.Stack` that a row states otherwise than its stack, memory's recipe apart.

    Adapters that are added in place; the attention kernel that a row names, and before July 2023 the first
    FlashAttention (half the rate of the second to 0.77 of it: Dao 2023, arXiv 2307.08691); gradients kept in 16 bits,
    which cross the network so.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> from steelyard.catalog import load
    >>> nemo, other = (stack_rule(name, "", load()) for name in ("NeMo 25.04", ""))
    >>> row_constants(blank_run(stack="NeMo 25.04"), nemo)
    {'grad_bytes': 2.0}
    >>> [row_constants(blank_run(note=note), other) for note in ("flash_attention_2", "kernels: TE + DeepEP")]
    [{'attention_native': 0.0}, {'attention_native': 1.0}]
    """
    text = f"{run.stack}; {run.note}".lower()
    found = adapter_share(f"{text}; {run.loss}", run.task == "qlora")
    if "optimizer step not included" in text:
        found["step_host_s"] = 0.0
    if named(NATIVE, text):
        found["attention_native"] = 1.0
    elif named(LEGACY, text):
        found["attention_native"] = 0.0
    elif run.date and run.date < FLASH_2:
        found["attention_share"] = 0.6
    return found | {name: value for name, value in rule.recipe if name == "grad_bytes"}


def update_constants(run: Run, rule: StackRule, catalog: Catalog) -> dict[str, float]:
    """Return what a host's processors take to update a parameter where a row's ZeRO stage is DeepSpeed's.

    Its own Adam updates what is offloaded, under Hugging Face's Trainer, too (github.com/huggingface/accelerate, pull
    request 1208).

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> trainer = stack_rule("HF Trainer", "", load())
    >>> [update_constants(blank_run(sharding=name), trainer, load()) for name in ("2", "fsdp")]
    [{'host_update_s': 2.57e-10}, {}]
    """
    if rule.stack != "hf-trainer" or run.sharding not in ZERO_STAGES:
        return {}
    return {"host_update_s": catalog.stacks["deepspeed", FALLBACK, "host_update_s"].value}


def run_constants(run: Run, rule: StackRule, precision: str, catalog: Catalog) -> dict[str, float]:
    """Return all constants of `tables.Stack` that are others for a run than for its stack, memory's recipe apart.

    >>> from steelyard.catalog import load
    >>> from steelyard.evidence.runs.reader import blank_run
    >>> trainer = stack_rule("HF Trainer", "", load())
    >>> sorted(run_constants(blank_run(stack="HF Trainer", sharding="2"), trainer, "bf16", load()))[-2:]
    ['host_update_s', 'upcast_scale']
    """
    its_own = row_constants(run, rule) | kernel_constants(run, rule, precision, catalog)
    its_own |= expert_launches(rule, catalog.stack_files, f"{run.stack}; {run.note}", run.date)
    return its_own | update_constants(run, rule, catalog)
