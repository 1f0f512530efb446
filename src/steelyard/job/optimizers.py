"""What optimizers are called, what they keep, and how they step: the same in job files and in rows of measured runs."""

import re

from steelyard.catalog import Catalog, load
from steelyard.catalog.training import Optimizer
from steelyard.job.training import one_of
from steelyard.strategies.recipe import FUSED

USUAL_OPTIMIZER = "adamw"
"""What nearly every published run trains with; taken where a text names none."""


def parse_optimizer(text: str, catalog: Catalog | None = None) -> Optimizer:
    """Return the optimizer of a catalog, the shipped one if None, that a text names; BadInput lists the nearest.

    >>> [parse_optimizer(text).optimizer for text in ("AdamW", "paged_adamw_8bit", "adamw_torch_fused")]
    ['adamw', 'paged-adamw-8bit', 'adamw']
    """
    known = (catalog or load()).optimizers
    row = next((row for row in known.values() if row.pattern.search(text.strip())), None)
    if row is not None and text.strip().lower() not in known and not unknown_of_optimizer(text):
        return row
    return known[one_of("optimizer", text, known)]


def published_optimizer(text: str, catalog: Catalog | None = None) -> Optimizer:
    """Return the optimizer that a publisher's words mean, by the patterns of `optimizers.csv`; silence means AdamW.

    >>> [published_optimizer(text).optimizer for text in ("fused AdamW", "adam8bit(bnb)", "SGD", "Muon", "")]
    ['adamw', 'adam8bit', 'sgd', 'muon', 'adamw']
    """
    known = (catalog or load()).optimizers
    return next((row for row in known.values() if row.pattern.search(text.strip())), known[USUAL_OPTIMIZER])


def names_optimizer(text: str, catalog: Catalog | None = None) -> bool:
    """Tell whether a publisher's words name some optimizer of the catalog, whatever else they say.

    >>> names_optimizer("AdamW, cosine schedule"), names_optimizer("sophia")
    (True, False)
    """
    return any(row.pattern.search(text.strip()) for row in (catalog or load()).optimizers.values())


def is_refused(text: str, catalog: Catalog | None = None) -> bool:
    """Tell whether a publisher's words name an optimizer, or something unknown, that no row of the catalog is.

    >>> [is_refused(text) for text in ("sophia", "adamw8bt", "paged_sgd", "AdamW, cosine schedule", "fused", "")]
    [True, True, True, False, False, False]
    """
    meant = unknown_of_optimizer(text) or re.search(_FAMILIES, text.lower())
    return bool(meant) and not names_optimizer(text, catalog)


_FAMILIES = r"adam|lion|sgd|muon|adafactor|rmsprop|adagrad|lamb|lomo|galore|apollo|paged|[48].?bit"

_PHRASES = re.compile(
    r"(?<![a-z])(?:adam[ _-]?mini|stable[ _-]?adamw?|schedule[ _-]?free|grok[ _-]?adamw?|any[ _-]?precision(?:adamw?)?"
    r"|layer[ _-]?wise|adopt[ _-]?adamw?|adam[ _-]?weight[ _-]?decay|low[ _-]?bit[ _-]?optim)"
)
"""Names of several words, none of which is a name alone."""

_BITS = r"(?:[48]-?bit|32-?bit|fp8)?"
_OPTIMIZER_TERMS = re.compile(
    rf"((fused|paged|deepspeedcpu|cpu|hybrid|galore|apollo|distributedfused)?adamw?{_BITS}"
    rf"|(fused|paged|deepspeedcpu|decoupled)?(lion|ademamix|sgd|lamb|rmsprop|adagrad){_BITS}|{_BITS}|bit|opt|optim"
    r"|fused|distributed|decoupled|paged|foreach|torch|torchao|ao|pytorch|bitsandbytes|apex|bnb|cpu|npu|xla|bf16|fp32"
    r"|fp16|states?|optimi[sz]?|optimi[sz]er|deepspeed|hybrid|dist|and|with|moments?|forward|backward|only|momentum|none"
    r"|muon|adafactor|nesterov|beta\d?|betas|eps|lr|weight|decay|default|w|galore|apollo|hf|keras|prototype|lomo|adalomo"
    r"|came|adopt|[nr]adam|adamax|adadelta|sgdm|\d[\d.e-]*)"
)


def unknown_of_optimizer(text: str) -> list[str]:
    """Return the words of an optimizer that nobody reads: it keeps what the others do, or AdamW.

    >>> [unknown_of_optimizer(name) for name in ("paged_adamw_8bit", "galore_adamw_layerwise", "adam-mini")]
    [[], [], []]
    >>> unknown_of_optimizer("sophia_adamw"), unknown_of_optimizer("adamw8bt"), unknown_of_optimizer("mini")
    (['sophia'], ['adamw8bt'], ['mini'])
    """
    plain = _PHRASES.sub(" ", re.sub(r"(?<=[a-z])\.|\.(?=[a-z])", " ", text.lower()))
    words = re.split(r"[^a-z0-9.]+", plain)
    return [word for word in words if word and not _OPTIMIZER_TERMS.fullmatch(word)]


def optimizer_entries(optimizer: Optimizer) -> tuple[tuple[str, float], ...]:
    """Return the entries of a recipe that an optimizer implies, whatever its stack does of others.

    Source: the rows of `optimizers.csv`; docs.pytorch.org torch.optim, foreach: as much more memory as the parameters,
        of PyTorch's own optimizers.
    Limits: temporaries of one tensor at a time are not counted.

    >>> [optimizer_entries(parse_optimizer(name)) for name in ("adamw", "adam8bit", "lomo")]
    [(), (('step_copies', 0.0),), (('step_copies', 0.0), ('grad_life', 2.0))]
    >>> optimizer_entries(parse_optimizer("paged_adamw_8bit"))
    (('step_copies', 0.0), ('states_paged', 1.0))
    """
    found = {"step_copies": 0.0} if not optimizer.foreach else {}
    found |= {"grad_life": float(FUSED)} if optimizer.in_backward else {}
    return tuple((found | ({"states_paged": 1.0} if optimizer.paged else {})).items())
