"""Words of a row's text columns, as people write them, to the words that the frames take; what has no meaning is kept.

Each column has a table of patterns, tried in order: the narrowest number, the most particular task, first. A word that
no pattern meets is returned as it stands, for `columns.check_texts` to refuse it or for `unread` to show it.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from steelyard.evidence.runs.columns import memory_word, says
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.kept.drives import on_drives_of_text
from steelyard.job.kept.meanings import attention_meaning, recompute_meaning, sharding_meaning
from steelyard.job.kept.offloads import offload_of_note
from steelyard.job.kept.phrases import (
    adapters_named,
    attention_of_note,
    optimizer_of_note,
    over_float8,
    precision_of_note,
    quantised_base,
    recompute_of_note,
    sharding_of_stack,
    strategy_of_note,
)
from steelyard.job.training import PRECISION_SPELLINGS, says_mixed, task_meaning
from steelyard.strategies.denial import Patterns, affirmed, exact_meaning, meaning, named

QUANTISED_SPELLINGS = re.compile(r"(nf4|fp4|int[48]|[48]-?bit|gptq|awq)( base| \(.*\)| weights)?", re.IGNORECASE)
"""The type of frozen weights, where a row of adapters writes it as its precision."""

OUT_OF_MEMORY_SPELLINGS: Patterns = (
    (r"no|false|0|n|fits|ran|ok", ""),
    (r"yes|true|1|y|oom|out[ _]of[ _]memory", "yes"),
    (r"borderline", "borderline"),
)

OFFLOAD_SPELLINGS: Patterns = (
    (r"fsdp (cpu )?offload(ing)?|zero-?infinity|all", "optimizer+params"),
    (
        r"(to )?(cpu|host|ram|nvme|disk|yes|on|true|1|enabled)( offload(ing)?)?|(zero-?|cpu[ _-]?)?offload(ing)?",
        "optimizer",
    ),
    (r"weights?|parameters?( \(?cpu\)?)?", "params"),
    (r"no|off|false|0|disabled|not used|unused", "none"),
)
"""A word that does not say what is offloaded means the optimizer's states, which every offloading recipe moves first
(arXiv 2101.06840, section 4)."""

_OFFLOADED = r"(?:optimi[sz]er\w*|states?|param\w*|weights?|activ\w*|cpu|host|nvme|offload\w*)"


def offload_meaning(text: str) -> str:
    """Return what a column says is on the host, without what it denies; the text where it has no meaning.

    >>> texts = ("cpu", "no optimizer offload", "optimizer: cpu, params: no", "optimizer(cpu)+params(cpu)")
    >>> [offload_meaning(text) for text in texts]
    ['optimizer', 'none', 'optimizer: cpu,', 'optimizer(cpu)+params(cpu)']
    """
    if drives := on_drives_of_text(_of_column(text)):
        return _with_drives(text, drives)
    found = exact_meaning(text, OFFLOAD_SPELLINGS)
    if found != text and not re.search(r"\(.*(param|weight|optim|activ)", text.lower()):
        return found
    said = affirmed(text, rf"{_OFFLOADED}(?:[ _-]{_OFFLOADED})*").strip()
    return said if re.search("[a-z]", said) else "none"


def _of_column(text: str) -> str:
    return f"offload {text.replace(';', ',')}"


def _with_drives(text: str, drives: frozenset[str]) -> str:
    """Return what a text that puts something on drives says of each, so that readers of both find it.

    >>> [offload_meaning(text) for text in ("nvme", "optimizer: cpu, params: nvme", "ZeRO-Infinity to NVMe")]
    ['optimizer nvme', 'optimizer cpu, params nvme', 'optimizer nvme, params nvme']
    """
    away = offload_of_note(_of_column(text), False)
    said = text.lower()
    places = {
        "optimizer": "nvme" if "states" in drives else "cpu" * ("optim" in away or "optim" in said),
        "params": "nvme" if "weights" in drives else "cpu" * ("param" in away or "param" in said),
    }
    return ", ".join(f"{name} {place}" for name, place in places.items() if place)


_READERS: dict[str, Callable[[str], str]] = {
    "precision": lambda text: meaning(text, PRECISION_SPELLINGS),
    "task": task_meaning,
    "memory_metric": memory_word,
    "out_of_memory": lambda text: exact_meaning(text, OUT_OF_MEMORY_SPELLINGS),
    "sharding": sharding_meaning,
    "recompute": recompute_meaning,
    "flash_attention": attention_meaning,
    "offload": offload_meaning,
}


def worded(run: Run) -> Run:
    """Return a run with the words of its columns as the frames take them, and what its name and note say filled in.

    A kernel of attention that is named decides over a yes or no: a column that says no of `sdpa (memory-efficient)`
    counts FlashAttention alone. A sharding that the framework's name writes fills a blank column of several devices.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> made = worded(blank_run(flash_attention="no", note="attention=sdpa (memory-efficient)", precision="BFloat16"))
    >>> made.flash_attention, made.precision, worded(blank_run(stack="TRL + FSDP")).sharding
    ('yes', 'bf16', 'fsdp')
    >>> worded(blank_run(precision="bf16-mixed", note="packed")).note
    'packed; mixed precision'
    """
    found = {name: reader(getattr(run, name)) for name, reader in _READERS.items() if getattr(run, name)}
    found |= _task_words(run, found.get("task", ""))
    text = f"{run.note}; {run.stack}"
    if not says(run.recompute):
        found["recompute"] = recompute_of_note(text) or run.recompute
    if not says(run.precision) and found.get("precision", run.precision) == run.precision:
        found["precision"] = precision_of_note(text) or run.precision
    found["precision"] = over_float8(found.get("precision", run.precision), text)
    more = ["mixed precision"] * says_mixed(run.precision, of_precision=True)
    more += ['gradient checkpointing "unsloth"'] * (named("unsloth", run.recompute) is not None)
    found["note"] = "; ".join(filter(None, (found.get("note", run.note), *more)))
    strategy = strategy_of_note(text) if found.get("sharding", "") in ("", "fsdp") else ""
    sharded = sharding_of_stack(run.stack) or sharding_of_stack(text)
    found["sharding"] = strategy or found.get("sharding") or (sharded if run.devices != 1 else "")  # with nobody else
    if not says(run.offload):
        fully = (found["sharding"] or sharded) in ("fsdp", "hsdp")
        found["offload"] = offload_of_note(f"{text}; {run.sharding}", fully) or run.offload
        if drives := on_drives_of_text(f"{text}; {run.sharding}"):
            found["offload"] = _with_drives(f"{found['offload']}", drives)
    if not says(run.optimizer):
        found["optimizer"] = optimizer_of_note(text) or run.optimizer
    found["flash_attention"] = attention_of_note(text) or found.get("flash_attention", run.flash_attention)
    changed = {name: word for name, word in found.items() if word != getattr(run, name)}
    return replace(run, **changed) if changed else run  # type: ignore[arg-type]  # texts all


def _task_words(run: Run, task: str) -> dict[str, str]:
    """Return what is trained, and the type of frozen weights that stands in the column of the precision."""
    if not says(run.task):
        task = adapters_named(run.stack, run.note)
        task = task or ("lora" if is_known(run.lora_rank) or says(run.lora_targets) else "")
    if task in ("lora", "qlora") and QUANTISED_SPELLINGS.fullmatch(run.precision.strip()):
        return {"precision": "", "task": "qlora", "note": "; ".join(filter(None, (run.note, run.precision)))}
    text = f"{run.note}; {run.stack}; {run.precision}; {run.recipe}"
    return {"task": "qlora" if task == "lora" and quantised_base(text) else task}
