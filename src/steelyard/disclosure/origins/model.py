"""What the catalog knows of a model: its parameters, and the FLOPs of its tokens or samples."""

from dataclasses import replace
from types import MappingProxyType

from steelyard.claims.models import sample_flop, total_parameters, trained_on
from steelyard.disclosure.completion import UNKNOWN_WHY
from steelyard.disclosure.ledger import LedgerFigure, Line, figure_product
from steelyard.job.models.architecture import architecture
from steelyard.job.models.describe import model_known_or_none, with_classes
from steelyard.job.models.kinds import takes_sequences
from steelyard.job.models.rows_spec import RowsSpec
from steelyard.job.models.spec import ModelSpec

_TRAINS = frozenset({"training", "fine-tuning", "search"})


def model_named(model: str) -> ModelSpec | RowsSpec | None:
    """Return the catalog's description of a model as it is trained, None where it has none.

    >>> model_named("llama-3-8b").layers, model_named("ResNet-50").params, model_named("a model of our own")
    (32, 25557032, None)
    """
    found = model_known_or_none(model) if model else None
    return None if found is None else with_classes(found)[0]


def sample_named(model: str, line: Line) -> str:
    """Return what one pass through a model takes, in the singular; empty: tokens.

    >>> sample_named("vit-l", Line("training")), sample_named("llama-3-8b", Line("training"))
    ('image', '')
    >>> sample_named("our own", Line("training", numbers={"samples": LedgerFigure(1e6, how="stated")}))
    'sample'
    """
    spec = model_named(model)
    if spec is not None:
        return "" if takes_sequences(spec) else trained_on(spec)
    return "sample" if line.of("samples").known and not line.of("tokens").known else ""


def with_model_figures(line: Line, model: str) -> Line:
    """Return a line of training with the parameters of its model and the FLOPs of its tokens or samples.

    >>> made = with_model_figures(Line("training", numbers={"tokens": LedgerFigure(1e12, how="stated")}), "llama-2-7b")
    >>> round(made.of("flop").value / 1e22, 1), made.of("flop").why
    (4.0, '6 x active parameters x tokens')
    >>> made = with_model_figures(Line("training", numbers={"samples": LedgerFigure(1e8, how="stated")}), "resnet-50")
    >>> made.of("flop").value / 1e18, made.of("flop").why
    (2.4535105536, '24.54 GFLOP x images, forward and backward')
    """
    if line.scope not in _TRAINS:
        return line
    spec, numbers = model_named(model), dict(line.numbers)
    if spec is not None:
        for name, value in _parameters(spec):
            if not line.of(name).known:
                numbers[name] = LedgerFigure(value, how="catalog", why=spec.name)
    made = _flop(spec, Line(line.scope, numbers=numbers))
    if not line.of("flop").known and (made.known or made.why):
        numbers["flop"] = made
    flop, seconds = numbers.get("flop", LedgerFigure(why=UNKNOWN_WHY["flop"])), line.of("device_s")
    if flop.known and seconds.known and not line.of("flop_per_s").known:
        numbers["flop_per_s"] = figure_product([flop], [seconds], "FLOPs over device-seconds")
    return replace(line, numbers=MappingProxyType(numbers))


def _parameters(spec: ModelSpec | RowsSpec) -> tuple[tuple[str, float], ...]:
    active = architecture(spec).active_params if isinstance(spec, ModelSpec) else spec.params
    return ("parameters", total_parameters(spec)), ("active_parameters", float(active))


def _flop(spec: ModelSpec | RowsSpec | None, line: Line) -> LedgerFigure:
    """Return the FLOPs of a line's tokens or samples; unknown where the line has none, or the model is not known."""
    if spec is not None and not takes_sequences(spec):
        samples, word = line.of("samples"), trained_on(spec)
        if not samples.known or not word:
            return LedgerFigure(why=f"needs the {word or 'sample'}s that it was trained on")
        each = sample_flop(spec)
        return figure_product([samples], [], f"{each / 1e9:.4g} GFLOP x {word}s, forward and backward").times(each)
    active, tokens = line.of("active_parameters"), line.of("tokens")
    active = active if active.known else line.of("parameters")
    if not active.known or not tokens.known:
        return LedgerFigure()
    return figure_product([active, tokens], [], "6 x active parameters x tokens").times(6.0)
