"""Words of a row's text columns, as people write them, to the words that the frames take; what has no meaning is kept.

Each column has a table of patterns, tried in order: the narrowest number, the most particular task, first. A word that
no pattern meets is returned as it stands, for `columns.check_texts` to refuse it or for `unread` to show it.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from steelyard.evidence.runs.columns import memory_word, says
from steelyard.evidence.runs.run import Run, is_known
from steelyard.job.training import TASKS

Patterns = tuple[tuple[str, str], ...]

PRECISION_SPELLINGS: Patterns = (
    (r"fp4|mxfp4|nvfp4|float4", "fp4"),
    (r"(mx)?fp8|float8|[ef]8m0|e4m3|e5m2|8-?bit float", "fp8"),
    (r"(pure|true|full)[ _-]?(bf16|bfloat16)|(bf16|bfloat16)[ _(-]*(pure|true|only)", "bf16-pure"),
    (r"bf16|bfloat16|brain ?float( ?16)?", "bf16"),
    (r"fp16|float16|f16|half|16-mixed|apex|amp[ _-]?o[12]", "fp16"),
    (r"(?<!no )tf32(?! (off|disabled|not))", "tf32"),
    (r"fp32|float32|f32|single|32-true|32-?bit|32", "fp32"),
    (r"16", "fp16"),
    (r"amp|mixed([ _-]precision)?", ""),
)
"""Words of a precision, the narrowest first: bf16 beside an fp32 master copy is bf16, fp8 over bf16 weights is fp8.
Mixed precision alone does not say which 16 bits: it is as good as blank."""

QUANTISED_SPELLINGS = re.compile(r"(nf4|fp4|int[48]|[48]-?bit|gptq|awq)( base| \(.*\)| weights)?", re.IGNORECASE)
"""The type of frozen weights, where a row of adapters writes it as its precision."""

_LOW_RANK = (
    r"(rs-?|delta-?|long)?lora\+?|dora|low[ _-]?rank([ _-](adapt\w*|matri\w*|updates?))?|peft"
    r"|adapt[eo]rs?([ _-]?(tun\w*|training))?|parameter[ _-]efficient\w*"
)
_FOUR_BITS = r"((4|8)[ _-]?bits?|nf4|int[48]|quanti[sz]ed|bnb|gptq|awq)"

TASK_SPELLINGS: Patterns = (
    (r"q-?(lora|dora)", "qlora"),
    (rf"{_FOUR_BITS}[ ,_-]+(base[ ,_-]+)?({_LOW_RANK})|({_LOW_RANK})[ ,_(+-]*(over |on |with )?{_FOUR_BITS}", "qlora"),
    (_LOW_RANK, "lora"),
    (r"cpt|contin\w*[ _-](pre-?train\w*|training)|continued|domain[ _-]adaptive pre-?train\w*", "continued_pretrain"),
    (
        r"sft|fft|full[ _-]?ft|full|(instruct\w*|supervised|fine)?[ _-]?(fine)?[ _-]?tun(e|ed|ing)|finetun\w*",
        "full_ft",
    ),
    (r"pre-?train\w*|from scratch|train(ing)?", "pretrain"),
)
"""Kinds of training, adapters first: whatever else a text says, they leave the rest of a model frozen."""

_OTHER_TASKS = re.compile(
    r"(?<![a-z0-9])((soft[ _-]?)?prompt[ _-]?tun\w*|prefix[ _-]?tun\w*|p-?tuning|\(?ia\)?3|bitfit|lo(ha|kr)"
    r"|(linear )?prob(e|ing)|fr(ee|o)z\w*|(head|last|top|layers?|blocks?)[ _-](only|tuning)|partial\w*|galore"
    r"|dpo|ppo|grpo|rlhf|rlaif|rl|kto|orpo|reward\w*|distil\w*"
    r"|inference|eval\w*|generation|decod\w*|serving)(?![a-z0-9])"
)
"""Ways to train (or not to) that no formula here is of: parts of a model, several models at once, no backward pass."""

_DENIED = re.compile(rf"\b(no|not|non|without|w/o)[ -]({_LOW_RANK}|q-?lora)\b")

_ADAPTED = re.compile(r"(?<![a-z0-9_])(?:(q-?lora)|lora|dora|peft|low[ _-]?rank adapt\w*)(?![a-z0-9_])")
"""Words of a note or a stack that are of adapters alone; `adapters` may be those of a network."""


def task_meaning(text: str) -> str:
    """Return the kind of training that a text means, of `job.training.TASKS`; the text where it means none of them.

    >>> [task_meaning(text) for text in ("Low-Rank Adaptation", "QLoRA 4-bit", "PEFT LoRA", "DoRA", "adapters")]
    ['lora', 'qlora', 'lora', 'lora', 'lora']
    >>> [task_meaning(text) for text in ("full fine-tuning, no LoRA", "prefix tuning", "GRPO fine-tuning", "weaving")]
    ['full_ft', 'prefix tuning', 'GRPO fine-tuning', 'weaving']
    """
    plain = _DENIED.sub(" ", text.strip().lower())
    found = meaning(plain, TASK_SPELLINGS)
    return text if found == plain not in TASKS or _OTHER_TASKS.search(plain) else found


def adapters_named(*texts: str) -> str:
    """Return the kind of adapters that the other words of a row are about, where nothing else says what is trained.

    >>> adapters_named("HF Trainer + PEFT", ""), adapters_named("", "QLoRA, rank 16"), adapters_named("NeMo", "no LoRA")
    ('lora', 'qlora', '')
    """
    plain = _DENIED.sub(" ", " ; ".join(texts).lower())
    named = _ADAPTED.search(plain)
    if named is None:
        return ""
    return "qlora" if named[1] or re.search(rf"(?<![a-z0-9]){_FOUR_BITS}(?![a-z0-9])", plain) else "lora"


SHARDING_SPELLINGS: Patterns = (
    (r"hsdp\d?|hybrid([ _-]?shard\w*)?", "hsdp"),
    (r"shard[ _-]?grad[ _-]?op|(zero|ds|deepspeed)?[ _-]*(stage)?[ _-]*2|zero-?offload", "2"),
    (r"(zero|ds|deepspeed)?[ _-]*(stage)?[ _-]*3( offload)?|zero-?infinity|zero\+\+", "3"),
    (r"(zero|ds|deepspeed)?[ _-]*(stage)?[ _-]*1|dist\w*[ _-]?opt(im\w*)?|optimizer|os", "1"),
    (r"no[ _-]?shard|ddp|none|no|off|(zero)?[ _-]*(stage)?[ _-]*0", "0"),
    (r"fsdp\d?|full[ _-]?shard\w*|fully sharded.*", "fsdp"),
)

_RECOMPUTE_ALL = (
    r"((full|recompute|checkpoint)[ ,_-]*)?(full|yes|on|true|all|enabled|uniform|block|every (layer|block)|y|ac"
    r"|((activation|gradient)[ _-]?)?checkpoint\w*)"
)

RECOMPUTE_SPELLINGS: Patterns = (
    (r"no( (recompute|recomputation|remat|checkpointing))?|none|off|false|disabled|without|n", "none"),
    (r"selective|sel|core[ _-]?att\w*|att(ention|n)([ _-]?only)?|minimal(_flash|_with_context)?|dots?", "selective"),
    (_RECOMPUTE_ALL, "full"),
    (r"partial\w*|some|mixed|offload\w*", "unknown"),
)
"""Policies of recomputation by name; shares of the blocks and MaxText's lists are read by `frames.recomputation`.

MaxText's `minimal` keeps every product of a block (`checkpoint_dots_with_no_batch_dims`), not the scores of attention:
src/MaxText/layers/decoders.py, get_remat_policy (github.com/AI-Hypercomputer/maxtext).
"""

_FUSED_KERNELS = (
    r"(flash|fa[-_ ]?\d?|sdpa|xformers?|mem\w*[ _-]eff\w*|cudnn|te|transformer ?engine|splash|triton|yes|on|true|y)"
)

ATTENTION_SPELLINGS: Patterns = (
    (r"eager|naive|math|unfused|vanilla|no|none|off|false|n|without", "no"),
    (_FUSED_KERNELS + r"(?![a-z]).*", "yes"),
)
"""Kernels of attention: whether scores stay on the chip. PyTorch's scaled_dot_product_attention takes a fused kernel,
flash or memory-efficient, wherever one can run (docs.pytorch.org); its math kernel is two batched products."""

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
    (r"no|off|false|0|disabled", "none"),
)
"""A word that does not say what is offloaded means the optimizer's states, which every offloading recipe moves first
(arXiv 2101.06840, section 4)."""

_KEPT = 1 << 14
"""Texts whose meaning is kept: runs of one source say the same in the same words."""

_NEGLIGIBLE = re.compile(r"\s*\([^)]*\)")


@lru_cache(maxsize=_KEPT)
def meaning(text: str, patterns: Patterns) -> str:
    """Return the word that a text means, by the first pattern that it has as a word of its own; else the text.

    >>> [meaning(text, PRECISION_SPELLINGS) for text in ("BF16 mixed", "fp32, TF32 off", "MXFP8")]
    ['bf16', 'fp32', 'fp8']
    """
    plain = text.strip().lower()
    for words, name in patterns:
        if plain and re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", plain):
            return name
    return text


@lru_cache(maxsize=_KEPT)
def exact_meaning(text: str, patterns: Patterns) -> str:
    """Return the word that a text is, from its beginning to its end but for brackets; else the text as it stands.

    >>> [exact_meaning(text, SHARDING_SPELLINGS) for text in ("ZeRO-3", "FULL_SHARD", "FSDP2", "stage 2", "ddp", "4")]
    ['3', 'fsdp', 'fsdp', '2', '0', '4']
    >>> [exact_meaning(text, RECOMPUTE_SPELLINGS) for text in ("selective (core)", "Minimal_Flash", "selectiv")]
    ['selective', 'selective', 'selectiv']
    """
    plain = _NEGLIGIBLE.sub("", text).strip().lower() or text.strip().lower()
    plain = re.sub("^(deepspeed|pytorch|torch|using|with) ", "", plain)
    for words, name in patterns:
        if re.fullmatch(words, plain):
            return name
    return text


@lru_cache(maxsize=_KEPT)
def sharding_of_stack(stack: str) -> str:
    """Return how a framework's name says that states are sharded; empty where it does not.

    >>> [sharding_of_stack(text) for text in ("TRL + FSDP", "HF Trainer, DeepSpeed ZeRO-2", "accelerate DDP", "NeMo")]
    ['fsdp', '2', '0', '']
    """
    stated = re.search(r"(?<![a-z])(hsdp|fsdp\d?|zero[ _-]?[123](?!\d)|ddp)(?![a-z])", stack.lower())
    return exact_meaning(stated[1], SHARDING_SPELLINGS) if stated else ""


@lru_cache(maxsize=_KEPT)
def attention_of_note(note: str) -> str:
    """Return yes or no where a note names the kernel of attention, fused or not; else empty.

    >>> [attention_of_note(text) for text in ("attention=sdpa (memory-efficient)", "x; attention=eager; y", "FA3")]
    ['yes', 'no', 'yes']
    >>> attention_of_note("SDPA math kernel"), attention_of_note("HF eager kernels"), attention_of_note("LoRA rank 8")
    ('no', '', '')
    """
    plain = note.lower()
    named = re.search(r"att\w*(?:[ _]impl\w*)?\s*[=:]\s*([^;,]+)", plain)
    if named and (word := meaning(named[1], ATTENTION_SPELLINGS)) in ("yes", "no"):
        return word
    if re.search(r"\beager attention\b(?! oom)|sdpa math|math kernel|\bno flash[- ]?att|without flash", plain):
        return "no"
    fused = r"flash[-_ ]?att\w*|\bfa-?[234]\b|\bsdpa\b|xformers|memory[- ]efficient attention|cudnn attention"
    return "yes" if re.search(fused, plain) else ""


@lru_cache(maxsize=_KEPT)
def recompute_of_note(note: str) -> str:
    """Return none or full where a note says whether activations are checkpointed; else empty.

    >>> [recompute_of_note(text) for text in ("no activation checkpointing", "full activation checkpointing", "packed")]
    ['none', 'full', '']
    """
    stated = re.search(r"(no |without |not? )?(?:full )?(?:activation|gradient) (?:check|re)", note.lower())
    if stated is None or re.search(r"(selective|checkpointing not|unknown|assumed)", note.lower()):
        return ""
    return "none" if stated[1] else "full"


_READERS: dict[str, Callable[[str], str]] = {
    "precision": lambda text: meaning(text, PRECISION_SPELLINGS),
    "task": task_meaning,
    "memory_metric": memory_word,
    "out_of_memory": lambda text: exact_meaning(text, OUT_OF_MEMORY_SPELLINGS),
    "sharding": lambda text: exact_meaning(text, SHARDING_SPELLINGS),
    "recompute": lambda text: exact_meaning(text, RECOMPUTE_SPELLINGS),
    "flash_attention": lambda text: exact_meaning(text, ATTENTION_SPELLINGS),
    "offload": lambda text: exact_meaning(text, OFFLOAD_SPELLINGS),
}


def worded(run: Run) -> Run:
    """Return a run with the words of its columns as the frames take them, and what its name and note say filled in.

    A kernel of attention that is named decides over a yes or no: a column that says no of `sdpa (memory-efficient)`
    counts FlashAttention alone. A sharding that the framework's name writes fills a blank column.

    >>> from steelyard.evidence.runs.reader import blank_run
    >>> made = worded(blank_run(flash_attention="no", note="attention=sdpa (memory-efficient)", precision="BFloat16"))
    >>> made.flash_attention, made.precision, worded(blank_run(stack="TRL + FSDP")).sharding
    ('yes', 'bf16', 'fsdp')
    """
    found = {name: reader(getattr(run, name)) for name, reader in _READERS.items() if getattr(run, name)}
    if not says(run.recompute):
        found["recompute"] = recompute_of_note(run.note) or run.recompute
    if not says(run.task):
        found["task"] = "lora" if is_known(run.lora_rank) or says(run.lora_targets) else ""
        found["task"] = adapters_named(run.stack, run.note) or found["task"]
    if found.get("task") in ("lora", "qlora") and QUANTISED_SPELLINGS.fullmatch(run.precision.strip()):
        found |= {"precision": "", "task": "qlora", "note": "; ".join(filter(None, (run.note, run.precision)))}
    found["sharding"] = found.get("sharding") or sharding_of_stack(run.stack)
    found["flash_attention"] = attention_of_note(run.note) or found.get("flash_attention", run.flash_attention)
    changed = {name: word for name, word in found.items() if word != getattr(run, name)}
    return replace(run, **changed) if changed else run  # type: ignore[arg-type]  # texts all
