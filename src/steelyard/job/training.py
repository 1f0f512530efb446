"""What precision, optimizer, loss and task mean in bytes: the same in job files and in rows of measured runs."""

from collections.abc import Iterable
from dataclasses import dataclass

from steelyard.catalog import Catalog, load
from steelyard.catalog.training import Optimizer, Precision
from steelyard.errors import BadInput, nearest
from steelyard.strategies.losses import LOSSES, LossKind
from steelyard.units import Bytes, Share
from steelyard.workload import Architecture
from steelyard.workload.row import HEAD, Model

TASKS = ("pretrain", "continued_pretrain", "full_ft", "lora", "qlora")

ADAPTERS = frozenset({"lora", "qlora"})
"""Tasks whose FLOPs of a step are not those of training every parameter, and whose states are those of the adapters."""

USUAL_OPTIMIZER = "adamw"
"""What nearly every published run trains with; taken where a text names none."""


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


def parse_precision(text: str, catalog: Catalog | None = None) -> Precision:
    """Return the precision of a catalog, the shipped one if None, that a text names; BadInput lists the nearest."""
    known = (catalog or load()).precisions
    return known[one_of("precision", text, known)]


def parse_optimizer(text: str, catalog: Catalog | None = None) -> Optimizer:
    """Return the optimizer of a catalog, the shipped one if None, that a text names; BadInput lists the nearest."""
    known = (catalog or load()).optimizers
    return known[one_of("optimizer", text, known)]


def parse_loss(text: str) -> LossKind:
    """Return the kind of loss that a text names; BadInput lists the nearest.

    >>> parse_loss("Chunked").logit_bytes
    4.5
    """
    return LOSSES[one_of("loss", text, LOSSES)]


def published_optimizer(text: str, catalog: Catalog | None = None) -> Optimizer:
    """Return the optimizer that a publisher's words mean, by the patterns of `optimizers.csv`; silence means AdamW.

    >>> [published_optimizer(text).optimizer for text in ("fused AdamW", "adam8bit(bnb)", "SGD", "Muon", "")]
    ['adamw', 'adam8bit', 'sgd', 'muon', 'adamw']
    """
    known = (catalog or load()).optimizers
    return next((row for row in known.values() if row.pattern.search(text.strip())), known[USUAL_OPTIMIZER])


@dataclass(frozen=True, slots=True)
class MatrixShape:
    """What optimizers ask of a model's matrices: share of embedding and head, and of sums of rows and columns."""

    outer_share: Share
    factored_share: Share  # a number for each row and column, over the elements

    @classmethod
    def of_transformer(cls, numbers: Architecture) -> "MatrixShape":
        """Return that of a transformer; factored moments at the shape of its MLP."""
        width = numbers.ffn if numbers.experts == 0 else numbers.moe_ffn
        outer = (numbers.embedding_params + numbers.head_params) / numbers.total_params
        return cls(float(outer), float(1 / numbers.hidden + 1 / width))

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

    .. math:: b_o = (b + (b' - b)\,\omega + \phi\,(1/h + 1/f))\,\sigma

    with :math:`\omega` the share of embedding and head, :math:`\phi` the bytes of a row's or column's sum, and
    :math:`\sigma` the share of an fp32 moment where the states follow the parameters.

    Source: the rows of `precisions.csv` and `optimizers.csv`.
    Limits: a factored moment is taken at the shape of the MLP.

    >>> from steelyard.job.models.architecture import architecture
    >>> from steelyard.job.models.presets import find_model
    >>> shape = MatrixShape.of_transformer(architecture(find_model("gpt2-xl")))
    >>> bf16 = parse_precision("bf16")
    >>> rows = [parse_optimizer(name) for name in ("adamw", "adam8bit", "muon", "sgd")]
    >>> made = [parameter_bytes(bf16, row, shape) for row in rows]
    >>> [round(one.moment_bytes, 3) for one in made], made[3].master_bytes
    ([8.0, 2.004, 4.211, 0.0], 4.0)
    """
    moments = optimizer.moment_bytes + (optimizer.outer_moment_bytes - optimizer.moment_bytes) * shape.outer_share
    moments += optimizer.factored_bytes * shape.factored_share
    return ParameterBytes(
        element_bytes=precision.element_bytes,
        gemm_bytes=precision.gemm_bytes,
        moment_bytes=moments * (precision.state_share if optimizer.follows else 1.0),
        master_bytes=precision.master_bytes if optimizer.master else 0.0,
    )
