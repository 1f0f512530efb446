"""What precision, optimizer, loss and task mean in bytes: the same in job files and in rows of measured runs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from steelyard.catalog import Catalog, load
from steelyard.catalog.training import Optimizer, Precision
from steelyard.errors import BadInput, nearest
from steelyard.strategies.denial import Patterns, affirmed, meaning, named
from steelyard.strategies.losses import LOSSES, LossKind
from steelyard.units import Bytes, Share
from steelyard.vocabulary import ADAPTER_TASKS
from steelyard.workload import Architecture
from steelyard.workload.row import HEAD, Model

TASKS = ("pretrain", "continued_pretrain", "full_ft", "lora", "qlora")

_BF16, _FP16 = r"(bf16|bfloat16|brain ?float( ?16)?)", r"(fp16|float16|f16|half|16)"
_PURE = r"(pure|true|full)"
_LOAD = r"torch_dtype[\"']?\W{1,3}(?:torch\.)?|(?:model|weights|base)(?: (?:is|was|are|were))? loaded (?:in|as) "
LOADED = rf"(?:{_LOAD}){_BF16}"
"""How people write that a script loads a model in bf16; what it is trained with beside is the stack's."""
PURE = rf"(?<![\w-])(?:{_BF16}|{_FP16})-(?:true|pure)|(?<![a-z])(?:pure|full)[ _-](?:{_BF16}|fp16|float16)"
PURE += rf"|{_BF16} (?:params|parameters|weights)(?:, gradients)?,? (?:and|&) (?:optimizer )?(?:states|moments)"
"""How a sentence says that all states are of 16 bits; `PRECISION_SPELLINGS` has the words of a precision alone."""

PRECISION_SPELLINGS: Patterns = (
    (r"fp4|mxfp4|nvfp4|float4", "fp4"),
    (r"(mx)?fp8|float8|[ef]8m0|e4m3|e5m2|8-?bit float|transformer-engine", "fp8"),
    (rf"{_PURE}[ _-]?{_BF16}|(?<!--){_BF16}[ _(,-]*({_PURE}|only)", "bf16-pure"),
    (rf"(amp|mixed)?_?{_BF16}(_mixed|_amp)?", "bf16"),
    (rf"{_PURE}[ _-]?{_FP16}|(?<!--){_FP16}[ _(,-]*({_PURE}|only)", "fp16-pure"),
    (r"(amp_|mixed_)?(fp16|float16|f16|half)(_mixed|_amp)?|16[ _-]mixed|apex|amp[ _-]?o[12]", "fp16"),
    (r"tf32", "tf32"),
    (r"fp32|float32|f32|single|32-true|32-?bit|32", "fp32"),
    (r"16", "fp16"),
    (r"(no[_ -]?)?amp|autocast|mixed([ _-]precision)?", ""),
)
"""Words of a precision, the narrowest first: bf16 beside an fp32 master copy is bf16, fp8 over bf16 weights is fp8.
Mixed precision alone does not say which 16 bits: it is as good as blank. `true` and `mixed` as Lightning, `amp_` as
Composer, `mixed_` as Keras write them (lightning.ai/docs Trainer, precision; docs.mosaicml.com Trainer, precision)."""

_SIXTEEN = r"(?:bf16|fp16|bfloat16|float16|16)"
MIXED = (
    rf"(?<![a-z])mixed[ _-](?:precision|{_SIXTEEN})|{_SIXTEEN}[ _-]mixed|mixedprecision|(?<![a-z])amp(?![a-z])|autocast"
    rf"|fp32 (?:master|weights)|upcast to fp32|(?:{_LOAD})(?:fp32|float32)"
    r"|(?:master|weights|param(?:eter)?s)(?: (?:copy|weights|copies|are|were|kept|stored|held|in|as))* (?:fp32|float32)"
)
_MIXED_CELL = r"(?<![a-z])mixed|\bapex\b|\bo[12]\b"
"""How people write that fp32 parameters are kept beside 16-bit work. The switch `bf16=True` of Hugging Face is autocast
over whatever a model was loaded in: it does not say so."""

_LOW_RANK = (
    r"(rs-?|delta-?|long)?lora\+?|dora|low[ _-]?rank([ _-](adapt\w*|matri\w*|updates?))?|peft"
    r"|adapt[eo]rs?([ _-]?(tun\w*|training))?|parameter[ _-]efficient\w*"
)
FOUR_BITS = r"((4|8)[ _-]?bits?|nf4|int[48]|quanti[sz]ed|bnb|gptq|awq)"

TASK_SPELLINGS: Patterns = (
    (r"q-?(lora|dora)", "qlora"),
    (rf"{FOUR_BITS}[ ,_-]+(base[ ,_-]+)?({_LOW_RANK})|({_LOW_RANK})[ ,_(+-]*(over |on |with )?{FOUR_BITS}", "qlora"),
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

_ADAPTED = rf"(?<![a-z0-9])(?:q-?lora|{_LOW_RANK})"


def task_meaning(text: str) -> str:
    """Return the kind of training that a text means, of `TASKS`; the text where it means none of them.

    >>> [task_meaning(text) for text in ("Low-Rank Adaptation", "QLoRA 4-bit", "PEFT LoRA", "DoRA", "adapters")]
    ['lora', 'qlora', 'lora', 'lora', 'lora']
    >>> [task_meaning(text) for text in ("full fine-tuning, no LoRA", "prefix tuning", "GRPO fine-tuning", "weaving")]
    ['full_ft', 'prefix tuning', 'GRPO fine-tuning', 'weaving']
    """
    plain = affirmed(text.strip(), _ADAPTED)
    if text.strip() and not re.search("[a-z]", plain):
        return ""  # all that it says is denied
    found = meaning(plain, TASK_SPELLINGS)
    return text if found == plain not in TASKS or _OTHER_TASKS.search(plain) else found


ADAPTERS = frozenset(ADAPTER_TASKS)
"""Tasks whose FLOPs of a step, and states, are not those of training every parameter."""


@dataclass(frozen=True, slots=True)
class ParameterBytes:
    """Bytes of one number and of what the optimizer keeps of one parameter, as `tables.Job` has them."""

    element_bytes: Bytes
    gemm_bytes: Bytes
    moment_bytes: Bytes
    master_bytes: Bytes


def one_of(what: str, text: str, names: Iterable[str]) -> str:
    """Return the one of some names that a text is, whatever its case, hyphens and underscores.

    >>> one_of("task", "Full-FT", TASKS)
    'full_ft'
    >>> one_of("precision", "bf17", ("bf16", "fp8"))
    Traceback (most recent call last):
    steelyard.errors.BadInput: unknown precision 'bf17'; nearest: bf16
    """
    known, plain = tuple(names), text.strip().lower()
    for name in known:
        if plain.replace("_", "-") == name.replace("_", "-"):
            return name
    raise BadInput(f"unknown {what} {text[:60]!r}; nearest: {', '.join(nearest(plain, known) or known)}")


def parse_task(text: str) -> str:
    """Return the kind of training that a text names, of `TASKS`; BadInput lists the nearest.

    >>> parse_task("SFT"), parse_task("Q-LoRA"), parse_task("continued-pretrain")
    ('full_ft', 'qlora', 'continued_pretrain')
    """
    found = task_meaning(text)
    return found if found in TASKS else one_of("task", text, TASKS)


def parse_precision(text: str, catalog: Catalog | None = None) -> Precision:
    """Return the precision of a catalog, the shipped one if None, that a text names; BadInput lists the nearest.

    Mixed precision that does not say which 16 bits is bf16, as where nothing is said.

    >>> [parse_precision(text).precision for text in ("BF16 mixed", "16-mixed", "bf16-true", "amp", "float32")]
    ['bf16', 'fp16', 'bf16-pure', 'bf16', 'fp32']
    """
    known = (catalog or load()).precisions
    found = text if not text.strip() or text.strip().lower() in known else meaning(text, PRECISION_SPELLINGS) or "bf16"
    return known[one_of("precision", found, known)]


def says_mixed(text: str, of_precision: bool = False) -> bool:
    """Tell whether a text says that fp32 parameters are kept beside 16-bit work.

    Args:
        text: what is written.
        of_precision: whether it is written of the precision alone, so that `mixed` and `O2` can be of nothing else.

    >>> [says_mixed(text) for text in ("bf16-mixed", "AMP (fp16)", "amp_bf16", "bf16, no autocast", "mixed lengths")]
    [True, True, True, False, False]
    >>> says_mixed("mixed", of_precision=True), says_mixed("apex O2", of_precision=True), says_mixed("gcc -O2")
    (True, True, False)
    """
    return named(f"{MIXED}|{_MIXED_CELL}" if of_precision else MIXED, text) is not None


def says_pure(text: str, of_precision: bool = False) -> bool:
    """Tell whether a text says that nothing wider than 16 bits is kept.

    Args:
        text: what is written.
        of_precision: whether it is written of the precision alone, so that `bf16 (full)` can be of nothing else.

    >>> [says_pure(text) for text in ("bf16-true; packed", "pure bf16", "not pure bf16", "bf16, full fine-tuning")]
    [True, True, False, False]
    >>> says_pure("bf16 (full)", of_precision=True), says_pure("bf16", of_precision=True)
    (True, False)
    """
    if of_precision and meaning(text, PRECISION_SPELLINGS).endswith("-pure"):
        return True
    return named(PURE, text) is not None


def parse_loss(text: str) -> LossKind:
    """Return the kind of loss that a text names; BadInput lists the nearest.

    >>> parse_loss("Chunked").logit_bytes
    4.5
    """
    return LOSSES[one_of("loss", text, LOSSES)]


@dataclass(frozen=True, slots=True)
class MatrixShape:
    """What optimizers ask of a model's matrices: shares of its ends, and of sums of rows and columns."""

    outer_share: Share
    factored_share: Share  # a number for each row and column, over the elements
    wide_share: Share = 0.0  # of embeddings whose states are of 32 bits beside 8-bit ones

    @classmethod
    def of_transformer(cls, numbers: Architecture, wide_embeddings: bool = False) -> "MatrixShape":
        """Return that of a transformer; factored moments at the shape of its MLP.

        Args:
            numbers: of the transformer.
            wide_embeddings: whether its embeddings are trained with states of 32 bits where the others are of 8.
        """
        width = numbers.ffn if numbers.experts == 0 else numbers.moe_ffn
        outer = (numbers.embedding_params + numbers.head_params) / numbers.total_params
        embeddings = numbers.embedding_params / numbers.total_params * wide_embeddings
        return cls(float(outer), float(1 / numbers.hidden + 1 / width), float(embeddings))

    @classmethod
    def of_rows(cls, model: Model) -> "MatrixShape":
        """Return that of a model by rows: its head, and the mean over its products."""
        counts = {kind.name: kind.count for kind in model.kinds}
        held = [(row, row.params * row.repeats * counts.get(row.block, 1.0)) for row in model.rows]
        total = sum(params for _, params in held)
        inside = sum(params / row.k + params / row.n for row, params in held if row.k and row.n)
        return cls(float(sum(row.params for row in model.rows if row.block == HEAD) / total), float(inside / total))


def parameter_bytes(precision: Precision, optimizer: Optimizer, shape: MatrixShape) -> ParameterBytes:
    r"""Return what one parameter takes, the mean over the model: its moments by where they lie.

    .. math:: b_o = (b + (b' - b)\,\omega + (b'' - b')\,\epsilon + \phi\,(1/h + 1/f))\,\sigma

    with :math:`\omega` the share of embedding and head, :math:`\epsilon` that of embeddings with states of 32 bits
    (:math:`b''`) beside 8-bit ones, :math:`\phi` the bytes of a row's or column's sum, and
    :math:`\sigma` the share of an fp32 moment where the states follow the parameters.

    Source: the rows of `precisions.csv` and `optimizers.csv`.
    Limits: a factored moment is taken at the shape of the MLP.

    >>> from steelyard.job.models.architecture import architecture
    >>> from steelyard.job.models.presets import find_model
    >>> shape = MatrixShape.of_transformer(architecture(find_model("gpt2-xl")))
    >>> bf16 = parse_precision("bf16")
    >>> from steelyard.job.optimizers import parse_optimizer
    >>> rows = [parse_optimizer(name) for name in ("adamw", "adam8bit", "muon", "sgd")]
    >>> made = [parameter_bytes(bf16, row, shape) for row in rows]
    >>> [round(one.moment_bytes, 3) for one in made], made[3].master_bytes
    ([8.0, 2.004, 4.211, 0.0], 4.0)
    """
    moments = optimizer.moment_bytes + (optimizer.outer_moment_bytes - optimizer.moment_bytes) * shape.outer_share
    if optimizer.wide_moment_bytes:
        moments += (optimizer.wide_moment_bytes - optimizer.outer_moment_bytes) * shape.wide_share
    moments += optimizer.factored_bytes * shape.factored_share
    return ParameterBytes(
        element_bytes=precision.element_bytes,
        gemm_bytes=precision.gemm_bytes,
        moment_bytes=moments * (precision.state_share if optimizer.follows else 1.0),
        master_bytes=precision.master_bytes if optimizer.master else 0.0,
    )
