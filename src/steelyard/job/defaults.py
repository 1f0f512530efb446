"""What a job takes when its author does not say: each choice is stated with its source and shown with the plan."""

from collections.abc import Iterable
from contextlib import suppress

from steelyard.catalog import Accelerator, load, supports, unrated
from steelyard.catalog.stack_names import FALLBACK, rule_of_name
from steelyard.errors import UnknownName
from steelyard.job.job_spec import written_stack
from steelyard.job.models.adapters import USUAL_TARGETS
from steelyard.job.models.architecture import architecture
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec

_LONGEST = 8192
_NARROW = ("bf16", "fp16")
_BATCHES = (  # parameters up to, tokens of one step, where published
    (1e9, 2**19, "0.5M tokens up to 1B parameters: GPT-3, arXiv 2005.14165, Table 2.1"),
    (3e9, 2**20, "1M tokens up to 3B parameters: GPT-3, arXiv 2005.14165, Table 2.1"),
    (100e9, 2**22, "4M tokens up to 100B parameters: Llama 2, arXiv 2307.09288, section 2.2"),
    (float("inf"), 2**24, "16M tokens above 100B parameters: Llama 3, arXiv 2407.21783, section 3.4.1"),
)
_FINETUNE = (64, "64 sequences: supervised fine-tuning of Llama 2, arXiv 2307.09288, section 3.1")


def default_sequence(model: ModelSpec) -> tuple[int, str]:
    """Return the length of a sequence and why: what the model was pre-trained at, else its positions up to 8192.

    >>> from steelyard.job.models.presets import find_model
    >>> default_sequence(find_model("llama-3.1-8b"))
    (8192, 'sequence 8192: the context that llama-3.1-8b was pre-trained at')
    """
    if model.context_tokens:
        return (
            model.context_tokens,
            f"sequence {model.context_tokens}: the context that {model.name} was pre-trained at",
        )
    if model.max_tokens <= _LONGEST:
        return model.max_tokens, f"sequence {model.max_tokens}: all positions of {model.name}"
    return _LONGEST, (
        f"sequence {_LONGEST}: {model.name} accepts {model.max_tokens}, but models start shorter "
        "(Llama 3, arXiv 2407.21783, section 3.4); give sequence to change it"
    )


def divisible_batch(sequences: float) -> int:
    """Return a number near the wanted one, of three binary digits, so that many counts of replicas divide it.

    Training stacks want a batch that their replicas share evenly; published batches in tokens are rounded from such.

    >>> [divisible_batch(number) for number in (488.3, 976.6, 1562.5, 61, 3, 0.2)]
    [512, 1024, 1536, 64, 3, 1]
    """
    step = 1 << max(0, int(sequences).bit_length() - 3)
    return max(1, round(sequences / step) * step)


_IMAGES = {
    "vit": (4096, "4,096 images: ViT, arXiv 2010.11929, section 4.1"),
    "dit": (256, "256 images: DiT, arXiv 2212.09748, section 4"),
}


def default_batch(
    model: ModelSpec | RowsSpec, sequence_tokens: int | None, samples: float, task: str
) -> tuple[int, str]:
    """Return the samples of one optimizer step and why: what published runs of that size used.

    >>> from steelyard.job.models.presets import find_model
    >>> default_batch(find_model("llama-3-8b"), 8192, 20e9 / 8192, "pretrain")[0]
    512
    >>> default_batch(find_model("gpt2"), 1024, 20e9 / 1024, "pretrain")[0]
    512
    """
    most = max(1, int(samples))
    if isinstance(model, RowsSpec) or sequence_tokens is None:
        size, source = (model.batch, model.batch_source) if isinstance(model, RowsSpec) else _IMAGES[model.kind]
        return min(size, most), f"global batch {min(size, most)} ({source})"
    if task in {"full_ft", "lora", "qlora"}:
        sequences, source = _FINETUNE
    else:
        total = architecture(model).total_params
        target, source = next((size, why) for bound, size, why in _BATCHES if total <= bound)
        sequences = divisible_batch(target / sequence_tokens)
    fitting = min(sequences, most)
    return fitting, f"global batch {fitting} sequences of {sequence_tokens} tokens ({source})"


def without_bf16(accelerators: Iterable[str]) -> str:
    """Return the accelerators of some that multiply in fp16 and not in bf16, if none of them does; else nothing.

    >>> without_bf16(["T4", "V100"]), without_bf16(["T4", "H100"]), without_bf16([])
    ('T4, V100-32GB-SXM2', '', '')
    """
    rows = _rows_of(accelerators)
    lacking = [row.id for row in rows if supports(row, "fp16") and not supports(row, "bf16")]
    return ", ".join(lacking) if len(lacking) == len(rows) else ""


def without_16_bits(accelerators: Iterable[str]) -> str:
    """Return the accelerators of some that have 32-bit products alone, as all of their family, if all are such.

    >>> without_16_bits(["K80"]), without_16_bits(["K80", "T4"]), without_16_bits(["L20"])
    ('K80', '', '')
    """
    rows = _rows_of(accelerators)
    wide = [row.id for row in rows if not any(supports(row, one) or unrated(row, one, load()) for one in _NARROW)]
    return ", ".join(wide) if len(wide) == len(rows) else ""


def _rows_of(accelerators: Iterable[str]) -> list[Accelerator]:
    """Return the rows of those that the catalog has; what is said of others is said where offers are looked for."""
    rows = []
    for name in accelerators:
        with suppress(UnknownName):
            rows.append(load().accelerator(name))
    return rows


def default_precision(
    stack: str, adapted: bool, accelerators: Iterable[str] = (), *, mastered: bool = False
) -> tuple[str, str]:
    """Return the precision of a job that states none, and why: 16 bits throughout where the stack's own recipes are.

    Scripts of other stacks may cast a whole model to 16 bits, too: a job is not planned on that, but told of it. Where
    no accelerator that it may run on has bf16, it is fp16, as of a measured row, and where none has 16 bits, fp32.
    States that are said to be beside an fp32 master copy (`mastered`) have one on every stack.

    >>> [default_precision(name, False)[0] for name in ("torchtune", "litgpt", "hf-trainer", "megatron-core", "")]
    ['bf16-pure', 'bf16-pure', 'bf16', 'bf16', 'bf16']
    >>> default_precision("hf-trainer", False)[1].partition("; ")[2]
    'scripts of hf-trainer that cast the model to 16 bits need 8 bytes a parameter, not 16 to 18: bf16-pure'
    """
    usual = "precision bf16: 16-bit work with an fp32 master copy"
    if lacking := without_bf16(accelerators):
        return "fp16", f"precision fp16: no bf16 on {lacking}; fp32 where a script does not ask for 16 bits"
    if wide := without_16_bits(accelerators):
        return "fp32", f"precision fp32: {wide} has no products of 16 bits"
    rule = rule_of_name(load().stack_rules, stack)
    if not stack or adapted or mastered or rule.states == "mixed":
        return "bf16", usual
    if rule.states == "open":
        rest = "need 8 bytes a parameter, not 16 to 18: bf16-pure"
        return "bf16", f"{usual}; scripts of {stack} that cast the model to 16 bits {rest}"
    return "bf16-pure", f"precision bf16-pure: parameters, gradients and states in 16 bits, as the recipes of {stack}"


def wide_products(precision: str) -> list[str]:
    """Return in what fp32 products are run where a job says fp32 and no more: whatever its stack, named or not.

    PyTorch has them in full precision unless it is told otherwise (docs.pytorch.org, torch.backends.cuda.matmul,
    allow_tf32: False by default). NVIDIA's containers tell it so (docs.nvidia.com/deeplearning/frameworks, PyTorch
    release notes: TORCH_ALLOW_TF32_CUBLAS_OVERRIDE), so that measured rows of stacks that are run there are TF32.

    >>> [len(wide_products(name)) for name in ("fp32", "tf32", "bf16")]
    [1, 0, 0]
    """
    said = "products fp32: in full precision, PyTorch's default; write precision tf32 for TF32 (NVIDIA's containers)"
    return [said] if precision == "fp32" else []


def usual_targets(stack: str) -> tuple[str, ...]:
    """Return the matrices that a stack's recipes adapt: what a job, and a measured run, has where it does not say.

    >>> usual_targets(""), len(usual_targets("unsloth"))
    (('q', 'v'), 7)
    """
    return USUAL_TARGETS[rule_of_name(load().stack_rules, stack).adapters]


def usual_rank(stack: str) -> int:
    """Return the rank of adapters that a library takes where nobody says: what a job, and a measured run, has then.

    >>> usual_rank(""), usual_rank("unsloth"), usual_rank("LLaMA-Factory + DeepSpeed ZeRO-3")
    (8, 16, 8)
    """
    return int(rule_of_name(load().stack_rules, stack).rank)


def taken_adapters(rank: int | None, targets: tuple[str, ...] | None, stack: str) -> list[str]:
    """Return what is taken of adapters where a job does not say it, a line each.

    >>> taken_adapters(16, None, "unsloth")
    ['lora targets all linear matrices: as the recipes of unsloth have them']
    >>> taken_adapters(None, (), "ms-swift, DeepSpeed ZeRO-2")
    ['lora rank 8: the default of ms-swift']
    """
    rule = rule_of_name(load().stack_rules, stack)
    whose = rule.library or "huggingface/peft (LoraConfig)"
    found = [f"lora rank {usual_rank(stack)}: the default of {whose}"] if rank is None else []
    if targets is None:
        few = rule.adapters == "attention"
        names = "all linear matrices" if rule.adapters == "all" else ", ".join(usual_targets(stack))
        whose = (
            "the default of huggingface/peft (for Llama)"
            if few
            else f"as the recipes of {rule.library or stack} have them"
        )
        found.append(f"lora targets {names}: {whose}")
    return found


def standing_in(stack: str | None) -> list[str]:
    """Return whose constants stand in for a stack that is written otherwise than the catalog names it.

    >>> [text.partition(":")[0] for text in standing_in("axolotl")], standing_in("fsdp2"), standing_in("Weaver 3")
    (['constants of hf-trainer stand in for axolotl'], [], [])
    """
    text = written_stack(stack)
    rule = rule_of_name(load().stack_rules, text)
    if not text or rule.stack == FALLBACK:
        return []
    return [f"constants of {rule.stack} stand in for {text}: its name is read as {' '.join(rule.why.split())}"]
