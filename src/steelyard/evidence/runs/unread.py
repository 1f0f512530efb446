"""Words of a row that have a meaning and that no reader takes: shown with its prediction, never passed over."""

import re
from functools import lru_cache

from steelyard.evidence.runs.columns import says
from steelyard.evidence.runs.header import MEASURED
from steelyard.evidence.runs.packing import MASKED, document_length_of_note, masked_documents
from steelyard.evidence.runs.run import Run, is_known
from steelyard.evidence.runs.spellings import OFFLOAD_SPELLINGS
from steelyard.job.kept.drives import says_of_drives
from steelyard.job.kept.not_read import UNREAD_BASES, unread_of_stack, unread_word
from steelyard.job.kept.offloads import offload_of_note
from steelyard.job.kept.phrases import FLOAT8, optimizer_of_note, recompute_of_note
from steelyard.job.optimizers import unknown_of_optimizer
from steelyard.job.spelled.batches import batch_of_note
from steelyard.job.training import LOADED, MIXED, PURE
from steelyard.strategies.denial import exact_meaning, named
from steelyard.strategies.losses import LOSSES
from steelyard.strategies.recipe import KBIT, RECIPE_TERMS

_TOPIC = re.compile(
    r"att(n|ention)|loss|logits|optimi[sz]er|offload|checkpoint|recomput|remat|quanti|\bnf4|int[48]\b|rank \d|lora"
    r"|dropout|compil|micro-?batch|accumulat|interleav|virtual|schedule|zero|shard|fsdp|parallel|\betp\b|window"
    r"|pack(?:ed|ing)|padding|\bvarlen|cu_seqlens|document|group_by_length"
    r"|kernel|precision|fp8|master|\bmtp\b|router|capacity|token ?drop|deterministic|profil"
    r"|float8|\bce\b|\bbnb\b|bitsandbytes|[48][ -]?bit"
    r"|torch_dtype|\bloaded in\b|(weights?|param\w*|gradients?|moments?)( \w+){0,3} (fp|bf|float)\d+"
)
"""What a setting is about; a phrase of a note without such a word is about the source."""

READ = (
    MIXED, FLOAT8,
    r"rank \d+", r"trainable [\d,]+", r"all linear", r"nf4|int[48]|gptq|4.?bit|8.?bit base", PURE, LOADED,
    r"remat[ _]policy", r"layers/stage|partition=", r"sequence parallel", r"toml default", r"\d slice\(s\)",
    r"hsdp shard|fsdp group|zero1 group size|fsdp=", r"\(tp\*pp\) \d+ published", r"head_dim \d+",
    r"\betp\b|expert[ _-]tensor", r"att\w*[ _impl]*[=:]|sdpa|flash|\bfa-?[234]\b|eager attention|cudnn|xformers",
    r"loss=|logits materialised", r"dropout[ =][\d.]", r"mixed precision|fp32 master|autocast",
    r"\bte\b|transformer ?engine|triton", r"optimizer step not included",
    r"(activation|gradient)[ _]checkpointing(?! \()", r"load_in_[48]bit|double[ _-]?quant|quantization_bit",
    r"shard_grad_op|full_shard",
    r"offload_(optimizer|param)|cpu[ _]offload|sharding_strategy|no_shard|hybrid_shard|recompute[_-]granularity",
    r"activation_checkpoint|(grad|gradient|act|activation)[ _](ckpt|recomput)|checkpoint_activations",
    r"^(deepspeed )?(zero[ _-]?(stage)?|stage)[ _=:-]*[0-3]$",
    r"\boptim(i[sz]er)?\W{1,3}(\w*adam|\w*lion|adafactor|sgd|galore|muon)|8-?bit adam|mixed",
    MASKED, r"(?<!un)packed|packing|(?:mean|average|avg)\W(?:document|doc|sample|example)",
    r"\bgas 1\b|accumulation \d|\b(1|one) micro-?batch|micro-batches",
    KBIT.pattern, r"\bupcast",
    *(term.pattern for term in RECIPE_TERMS), *(kind.pattern for kind in LOSSES.values() if kind.pattern),
)  # fmt: skip
"""Phrases of notes that some reader of `frames` takes, those of recipes and losses among them."""


def unread_parts(run: Run, read: tuple[str, ...] = READ) -> tuple[str, ...]:
    """Return what of a row's words is not read, a phrase each.

    Args:
        run: the row, as published.
        read: patterns of phrases that some reader takes.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> unread_parts(blank_run(optimizer="sophia_adamw", offload="cpu", note="LoRA rank 8; window 512; site=Snellius"))
    ("optimizer 'sophia_adamw': 'sophia'", "of what offload 'cpu' is: the optimizer's states", 'window 512')
    >>> unread_parts(blank_run(offload="optimizer: nvme"))
    ()
    """
    found: list[str] = []
    odd = _unknown_of_optimizer(run)
    if odd:
        found.append(f"optimizer {run.optimizer[:40]!r}: {', '.join(map(repr, odd))}")
    if (
        exact_meaning(run.offload, OFFLOAD_SPELLINGS) != "none"
        and says(run.offload)
        and not re.search(r"none|optim|state|param|weight|activ|full", run.offload.lower())
    ):
        taken = "the optimizer's states" if exact_meaning(run.offload, OFFLOAD_SPELLINGS) == "optimizer" else "nothing"
        found.append(f"of what offload {run.offload[:40]!r} is: {taken}")
    found += unread_of_stack(run.stack)
    return (*run.strange, *_passed_over(run), *found, *unread_phrases(run.note, read))


def _passed_over(run: Run) -> list[str]:
    """Return the faults in figures of time beside one that is compared: they cost nothing, and are told."""
    faults = dict(run.faults)
    times = [name for name in MEASURED if name != "peak_memory_bytes" and (name in faults or getattr(run, name) > 0)]
    return [faults[name] for name in (*times[1:], "hfu") if name in faults]


@lru_cache(maxsize=1 << 14)
def unread_phrases(note: str, read: tuple[str, ...] = READ) -> tuple[str, ...]:
    """Return the phrases of a note that are about a setting and that no reader takes.

    >>> unread_phrases("2 x 400 Gb/s, flash_attention_2; packed sequences; dynamic padding; median of 10 steps")
    ('dynamic padding',)
    """
    parts = [part.strip() for part in re.split(r"[;]|, ", note)]
    return tuple(
        part[:80] for part in parts if unread_word(part) or (_TOPIC.search(part.lower()) and not _is_read(part, read))
    )


def _is_read(part: str, read: tuple[str, ...]) -> bool:
    """Tell whether some reader takes a phrase: a pattern of it, or a reader of whole phrases."""
    if batch_of_note(part) or any(re.search(words, part.lower()) for words in read):
        return True
    named_optimizer = optimizer_of_note(part) and not unknown_of_optimizer(part)
    away = offload_of_note(part, False) or says_of_drives(part)
    return bool(named_optimizer or recompute_of_note(part) or away)


def unsaid(run: Run) -> frozenset[str]:
    """Return what a row leaves to a usual value that no other reader names: its stack, optimizer, adapters, documents.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> sorted(unsaid(blank_run(stack="NeMo", task="lora"))), sorted(unsaid(blank_run(optimizer="adamw")))
    (['adapters', 'optimizer'], ['stack'])
    """
    found = {name for name in ("stack", "optimizer") if not says(getattr(run, name))}
    if _unknown_of_optimizer(run):
        found.add("optimizer")
    if run.task in ("lora", "qlora") and not (
        re.search(r"rank \d|trainable \d", run.note) or (is_known(run.lora_rank) and says(run.lora_targets))
    ):
        found.add("adapters")
    if masked_documents(run.note) and not (is_known(run.document_tokens) or document_length_of_note(run.note)):
        found.add("document length")
    words = f"{run.note}; {run.recipe}".lower()
    told = re.search(r"nf4|int[48]|gptq|eetq|mxfp4|\d.?bit", words) and not named(UNREAD_BASES, words)
    if run.task == "qlora" and not told:
        found.add("quantisation")
    return frozenset(found)


def _unknown_of_optimizer(run: Run) -> list[str]:
    return unknown_of_optimizer(run.optimizer) if says(run.optimizer) else []
