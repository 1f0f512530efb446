"""What free words, a row's note and the name of a stack as people write it, say of settings that are blank.

Words are those of the configurations that people copy: Hugging Face's `TrainingArguments` and `BitsAndBytesConfig`,
FSDP's strategies, DeepSpeed's and Accelerate's keys, and those of axolotl, LLaMA-Factory, torchtune, torchtitan and
Unsloth. What a text denies it does not say (`strategies.denial`).
"""

import re
from functools import lru_cache

from steelyard.job.optimizers import unknown_of_optimizer
from steelyard.job.training import FOUR_BITS, PRECISION_SPELLINGS
from steelyard.strategies.denial import Patterns, affirmed, conditions_met, denied, exact_meaning, meaning, named

_KEPT = 1 << 14

_FLASH = (
    r"flash[-_ ]?att\w*|\bflash[-_ ]?[234]\b|\bfa[-_ ]?[234]\b|\bsdpa\b|xformers|memory[-_ ]efficient[ _]att\w*"
    r"|cudnn[ _]att\w*|\bsdp_attention|\bflash\b(?! (?:storage|drive|disk))"
)
_UNFUSED = r"\beager[ _-]att\w*(?! oom)|sdpa[ _]math|\bmath (?:kernel|sdpa)|\b(?:naive|unfused|vanilla)[ _]att\w*"

ATTENTION_SPELLINGS: Patterns = (
    (r"eager|naive|math|unfused|vanilla|no|none|off|false|n|without|disabled|unused|not used|not enabled", "no"),
    (
        (
            r"(flash|fa[-_ ]?\d?|sdpa|xformers?|mem\w*[ _-]eff\w*|cudnn|te|transformer ?engine|splash|triton"
            r"|yes|on|true|y)(?![a-z]).*"
        ),
        "yes",
    ),
)
"""Kernels of attention: whether scores stay on the chip. PyTorch's scaled_dot_product_attention takes a fused kernel,
flash or memory-efficient, wherever one can run (docs.pytorch.org); its math kernel is two batched products."""


@lru_cache(maxsize=_KEPT)
def attention_of_note(note: str) -> str:
    """Return yes or no where a note names the kernel of attention, fused or not; else empty.

    >>> [attention_of_note(text) for text in ("attention=sdpa (memory-efficient)", "x; attention=eager; y", "FA3")]
    ['yes', 'no', 'yes']
    >>> attention_of_note("SDPA math kernel"), attention_of_note("HF eager kernels"), attention_of_note("LoRA rank 8")
    ('no', '', '')
    >>> [attention_of_note(text) for text in ("flash attention disabled", "flash_attn: false", "use_flash_attn=True")]
    ['no', 'no', 'yes']
    """
    plain = note.lower()
    stated = re.search(r"att\w*(?:[ _]impl\w*)?[\"']?\s*[=:](?!\s*no (?!flash))\s*([^;,]+)", plain)
    if stated and (word := meaning(stated[1], ATTENTION_SPELLINGS)) in ("yes", "no"):
        return word
    if named(_UNFUSED, plain) or denied(_FLASH, plain):
        return "no"
    return "yes" if named(_FLASH, plain) else ""


RECOMPUTE_SPELLINGS: Patterns = (
    (
        r"no( (recompute|recomputation|remat|checkpointing))?|none|off|false|disabled|not used|unused|without|w/o|n",
        "none",
    ),
    (r"selective|sel|core[ _-]?att\w*|att(ention|n)([ _-]?only)?|minimal(_flash|_with_context)?|dots?", "selective"),
    (
        (
            r"((full|recompute|checkpoint)[ ,_-]*)?(full|yes|on|true|all|enabled|uniform|block|every (layer|block)"
            r"|y|ac|unsloth|((activation|gradient)[ _-]?)?checkpoint\w*)"
        ),
        "full",
    ),
    (r"partial\w*|some|mixed|offload\w*", "unknown"),
)
"""Policies of recomputation by name; shares of the blocks and MaxText's lists are read by `frames.recomputation`.

MaxText's `minimal` keeps every product of a block (`checkpoint_dots_with_no_batch_dims`), not the scores of attention:
src/MaxText/layers/decoders.py, get_remat_policy (github.com/AI-Hypercomputer/maxtext).
"""

_CHECKPOINTED = (
    r"(?:(?:full|selective)[ _-]+)*"
    r"(?:(?:activations?|gradients?|grad\.?|act\.?)[ _-]+(?:check-?point|ckpt|recomput|re-?mat)\w*"
    r"|checkpoint[ _-]activations?|recompute[_ -]granularity)"
)
_BARE = re.compile(
    r"(?:no|without|w/o|with|full|selective)? ?(?:recompute|recomputation|remat|ac)"
    r" ?[=:]? ?(?:full|selective|none|off|on|true|false|no|yes|enabled|disabled)?"
)
"""A phrase of recomputation and nothing else: in longer ones the word may be about the count of FLOPs."""

_BLOCKS = r"every (?:other|second|\d+\w*) ?(?:layers?|blocks?)|\d+ ?(?:of|/) ?\d+ (?:layers|blocks)"
_GUESSED = re.compile(r"unknown|unclear|assumed|not stated|not printed")


@lru_cache(maxsize=_KEPT)
def recompute_of_note(note: str) -> str:
    """Return none, selective or full where a note says whether activations are checkpointed; else empty.

    >>> [recompute_of_note(text) for text in ("no activation checkpointing", "full activation checkpointing", "packed")]
    ['none', 'full', '']
    >>> texts = ("activation checkpointing off", "gradient_checkpointing=True", "recompute_granularity: selective")
    >>> [recompute_of_note(text) for text in texts]
    ['none', 'full', 'selective']
    >>> recompute_of_note("checkpointing and attention not stated"), recompute_of_note("gradient checkpointing unknown")
    ('', '')
    """
    note = conditions_met(note)
    if not _GUESSED.search(note) and denied(_CHECKPOINTED, note):
        return "none"
    parts = [part for part in re.split(r"[;,]", note) if not _GUESSED.search(part)]
    for part in parts:
        stated = re.search(rf"(?:{_CHECKPOINTED}|\bac)(?:[._ -]mode)?[\"']?\s*[=:](?!\s*no \w)\s*[\"']?(\w+)", part)
        word = exact_meaning(stated[1], RECOMPUTE_SPELLINGS) if stated else ""
        if word in ("none", "selective", "full"):
            return word
        if named(_CHECKPOINTED, part):
            share = re.search(_BLOCKS, part)
            return share[0] if share else "selective" if "selective" in part else "full"
        if _BARE.fullmatch(part.strip()) and part.strip() not in ("ac", "recompute"):
            bare = r"recompute|recomputation|remat|\bac\b"
            return "none" if denied(bare, part) else "selective" if "selective" in part else "full"
    return "none" if any(denied(_CHECKPOINTED, part) for part in parts) else ""


_STRATEGIES: Patterns = (
    (r"hybrid[ _-]?shard\w*", "hsdp"),
    (r"shard[ _-]?grad[ _-]?op", "2"),
    (r"no[_-]shard", "0"),
    (r"full[ _-]?shard\w*|optim[_-]grads[_-]params", "fsdp"),
    (r"optim[_-]grads", "2"),
    (r"sharding[_-]strategy[\"' :=]*optim", "1"),
)
_STRATEGY_NUMBERS = {"1": "fsdp", "2": "2", "3": "0", "4": "hsdp", "5": "hsdp"}
"""FSDP's strategies by name and number: huggingface.co/docs/accelerate/usage_guides/fsdp, fsdp_sharding_strategy.
FSDP2 without `reshard_after_forward` keeps gathered weights, as SHARD_GRAD_OP does (docs.pytorch.org, fully_shard)."""

_ZERO = (
    r"(?:(?:zero|ds_z)(?:[ _-]*opt\w*)?[ ._\"':{-]*|deepspeed[ _-]*(?=stage))(?:stage)?[ _\"':=-]*[0-3](?![\w.]*\d)"
    r"|hsdp\d?|fsdp\d?|\bddp\b|zero-?(?:infinity|offload)"
)
_STAGE = r"\bstage[ _\"':=-]*[0-3](?!\w*\d)"


@lru_cache(maxsize=_KEPT)
def sharding_of_stack(text: str) -> str:
    """Return how a framework's name, or a note, says that states are sharded; empty where it does not.

    >>> [sharding_of_stack(text) for text in ("TRL + FSDP", "HF Trainer, DeepSpeed ZeRO-2", "accelerate DDP", "NeMo")]
    ['fsdp', '2', '0', '']
    >>> texts = ("zero_optimization.stage=3", "ds_z2_config.json", "accelerate, no FSDP", "DeepSpeed stage 1")
    >>> [sharding_of_stack(text) for text in texts]
    ['3', '2', '', '1']
    """
    if (explicit := strategy_of_note(text)) != "":
        return explicit
    plain = re.sub(r"(?<=ds_z\d)_\w+|(?<=zero\d)_\w+", "", text.lower())
    pattern = f"{_ZERO}|{_STAGE}" if re.search("deepspeed|zero", plain) else _ZERO
    stated = named(rf"(?<![a-z])(?:{pattern})(?![a-z])", plain)
    kinds = {"hsdp": "hsdp", "fsdp": "fsdp", "ddp": "0", "infinity": "3", "offload": "2"}
    return next((kind for word, kind in kinds.items() if word in stated[0]), stated[0][-1]) if stated else ""


@lru_cache(maxsize=_KEPT)
def strategy_of_note(note: str) -> str:
    """Return the sharding that one of FSDP's strategies means, where a text names one; else empty.

    >>> texts = ("fsdp: full_shard auto_wrap", "sharding_strategy=SHARD_GRAD_OP", "fsdp_sharding_strategy: 3", "FSDP")
    >>> [strategy_of_note(text) for text in texts]
    ['fsdp', '2', '0', '']
    """
    number = re.search(r"sharding_strategy[\"']?\s*[=:]\s*[\"']?([1-5])\b", note.lower())
    if number:
        return _STRATEGY_NUMBERS[number[1]]
    word = meaning(note, _STRATEGIES)
    return word if word != note else "2" if denied("reshard_after_forward", note) else ""


_PRECISIONS = (
    r"\b(?:bf16|fp16)[\"']?\s*[=:]\s*[\"']?(?:true|yes|1\b)|\b(?:bf16|fp16|16)-(?:mixed|true)\b"
    r"|\b(?:pure|mixed) (?:bf|fp)16"
)


@lru_cache(maxsize=_KEPT)
def precision_of_note(note: str) -> str:
    """Return the precision that a note writes as a setting, of `precisions.csv`; else empty.

    >>> [precision_of_note(text) for text in ("bf16=True; packed", "fp16: true", "bf16-true", "bf16=False")]
    ['bf16', 'fp16', 'bf16-pure', '']
    """
    found = named(_PRECISIONS, note)
    return meaning(found[0], PRECISION_SPELLINGS) if found else ""


FLOAT8 = (
    r"\b(?:float8|fp8)[ _-](?:enabled|training|recipe|linear|row-?wise|tensor-?wise)\b|enable_(?:float8|fp8)\w*"
    r"|\b(?:float8|fp8)[\"']?\s*[=:]\s*[\"']?(?:true|yes|on|1\b)"
)
"""How people write that products are of 8 bits beside a precision that is that of the weights, bf16 (torchtitan)."""


def over_float8(precision: str, text: str) -> str:
    """Return fp8 where a text switches it on over the precision of a column; else that precision.

    >>> over_float8("bf16", "float8 enabled"), over_float8("bf16", "float8 not enabled"), over_float8("fp4", "fp8=True")
    ('fp8', 'bf16', 'fp4')
    """
    return "fp8" if precision not in ("fp4", "fp8") and named(FLOAT8, text) else precision


_OPTIMIZER_NAMES = (
    r"(?:paged[ _-]?)?(?:adamw?|lion|rmsprop|ademamix)(?:[ _-](?:bnb|torch|ao|apex))?[ _-]?(?:8|4|32)[ -]?bit"
    r"|(?:paged[ _-])?8[ -]?bit[ _-](?:paged[ _-])?(?:adamw?|lion)|adamw_(?:torch|apex|hf)\w*"
    r"|\bgalore\w*|\badafactor|\b(?:fused|deepspeedcpu|paged)?adamw?\b(?![ _-]?(?:mini|4[ -]?bit))"
    r"|\b(?:paged[ _-]?)?lion\b|\bsgd\b(?: (?:with )?(?:nesterov )?momentum)?|\bmuon\b|\badam[ _-]?mini\b"
    r"|\b(?:ada)?lomo\b|\bapollo_adamw\w*|\bademamix\w*|\bschedule[ _-]?free\w*|\bstable_adamw\b|\bgrokadamw\b"
    r"|\badagrad\b|\brmsprop\b"
)


@lru_cache(maxsize=_KEPT)
def optimizer_of_note(note: str) -> str:
    """Return the optimizer that a note names, in its words; else empty.

    >>> texts = ("optim=paged_adamw_8bit; packed", "8-bit Adam", "optimizer: Lion", "optimizer step not included")
    >>> [optimizer_of_note(text) for text in texts]
    ['paged_adamw_8bit', '8-bit adam', 'lion', '']
    """
    stated = re.search(r"\boptim(?:i[sz]er)?(?:[ _]?(?:type|name))?[\"']?\s*[=:]\s*[\"']?([\w.-]+)", note.lower())
    if stated and not unknown_of_optimizer(stated[1]):
        return stated[1]
    found = named(_OPTIMIZER_NAMES, note)
    return found[0] if found else ""


_BASE = (
    r"load_in_[48]bit|bnb_4bit_quant\w*|\bnf4\b|\bfp4 base|\bint[48](?: base| weights)|\bgptq\b|\bawq\b|llm\.int8"
    r"|\b(?:eetq|aqlm|hqq|gguf|exl[23])\b|\bmxfp4[ -](?:base|weights)"
    r"|(?:(?:bnb|bitsandbytes)[ ,:_-]*(?:int[48]|4[ -]?bits?\b)|(?<![\w-])(?<!adam )(?<!adamw )(?<!lion )4[ -]?bits?\b)"
    r"(?![ _-]*(?:\w*adam|\w*lion|optim|states?|moments?))"
    r"|[48][ -]?bit[ -](?:base|model|weights|quanti\w+)|quant(?:ization_bit|_bits)[\"']?\s*[=:]\s*[48]"
    r"|quanti[sz]ed base|\bquanti[sz]ed=\w|quant nf4|(?<![a-z0-9])q-?(?:lora|dora)(?![a-z0-9_])"
)
_ADAPTED = r"(?<![a-z0-9_])(?:q-?lora|lora|dora|peft|low[ _-]?rank adapt\w*)(?![a-z0-9_])"
"""Words of a note or a stack that are of adapters alone; `adapters` may be those of a network."""


def quantised_base(text: str) -> bool:
    """Tell whether a text says that frozen weights are quantised; the bits of an optimizer's states are not theirs.

    >>> texts = ("load_in_4bit=True", "8-bit base", "load_in_8bit=False", "adamw_8bit", "LoRA, no GPTQ")
    >>> [quantised_base(text) for text in texts]
    [True, True, False, False, False]
    """
    return named(_BASE, text) is not None


def adapters_named(*texts: str) -> str:
    """Return the kind of adapters that the other words of a row are about, where nothing else says what is trained.

    >>> adapters_named("HF Trainer + PEFT", ""), adapters_named("", "QLoRA, rank 16"), adapters_named("NeMo", "no LoRA")
    ('lora', 'qlora', '')
    >>> adapters_named("PEFT", "adamw_bnb_8bit"), adapters_named("HF Trainer", "load_in_4bit=True")
    ('lora', 'qlora')
    """
    text = " ; ".join(texts)
    if named(r"(?<![a-z0-9])q-?(?:lora|dora)(?![a-z0-9_])", text) or named(r"load_in_[48]bit", text):
        return "qlora"
    if named(_ADAPTED, text) is None:
        return ""
    bare = re.sub(_OPTIMIZER_NAMES, " ", affirmed(text, FOUR_BITS))
    return "qlora" if re.search(rf"(?<![a-z0-9])(?:{FOUR_BITS})(?![a-z0-9])", bare) else "lora"
