"""What the catalog knows of a model: its parameters, and the FLOPs of its tokens."""

from dataclasses import replace
from types import MappingProxyType

from steelyard.disclosure.completion import MISSING
from steelyard.disclosure.ledger import LedgerFigure, Line, figure_product
from steelyard.errors import UnknownName
from steelyard.job.models import presets
from steelyard.job.models.architecture import architecture
from steelyard.job.models.spec import ModelSpec


def model_named(model: str) -> ModelSpec | None:
    """Return the catalog's description of a model, None where it has none.

    >>> model_named("llama-3-8b").layers, model_named("a model of our own")
    (32, None)
    """
    try:
        return presets.find_model_or_none(model) if model else None
    except UnknownName:
        return None


def with_model_figures(line: Line, model: str) -> Line:
    """Return a line of training with the parameters of its model and the FLOPs of its tokens.

    >>> made = with_model_figures(Line("training", numbers={"tokens": LedgerFigure(1e12, how="stated")}), "llama-2-7b")
    >>> round(made.of("flop").value / 1e22, 1), made.of("flop").why
    (4.0, '6 x active parameters x tokens')
    """
    spec, numbers = model_named(model), dict(line.numbers)
    if line.scope not in {"training", "fine-tuning", "search"}:
        return line
    if spec is not None:
        shape = architecture(spec)
        for name, value in (("parameters", shape.total_params), ("active_parameters", shape.active_params)):
            if not line.of(name).known:
                numbers[name] = LedgerFigure(float(value), how="catalog", why=spec.name)
    active = numbers.get("active_parameters", LedgerFigure())
    active = active if active.known else numbers.get("parameters", LedgerFigure())
    tokens = line.of("tokens")
    if not line.of("flop").known and active.known and tokens.known:
        numbers["flop"] = figure_product([active, tokens], [], "6 x active parameters x tokens").times(6.0)
    flop, seconds = numbers.get("flop", LedgerFigure(why=MISSING["flop"])), line.of("device_s")
    if flop.known and seconds.known and not line.of("flop_per_s").known:
        numbers["flop_per_s"] = figure_product([flop], [seconds], "FLOPs over device-seconds")
    return replace(line, numbers=MappingProxyType(numbers))
