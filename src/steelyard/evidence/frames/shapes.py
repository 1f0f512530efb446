"""What of a run's model its layout asks: the shape of a transformer, or what is known of a model by rows."""

from dataclasses import dataclass, replace

from steelyard.errors import BadLayout
from steelyard.evidence.runs.run import Run
from steelyard.workload import Architecture


@dataclass(frozen=True, slots=True)
class RowsShape:
    """What of a model by rows a layout asks: only data parallelism divides it."""

    name: str
    layers: float
    total_params: float
    batch: float  # samples of a usual step
    heads: float = 1.0
    experts: float = 0.0


ModelShape = Architecture | RowsShape


def undivided(run: Run, arch: RowsShape) -> Run:
    """Return a run of a model that only data parallelism divides; BadLayout where it states otherwise."""
    for name in ("tp", "pp", "cp", "ep"):
        if getattr(run, name) > 1:
            raise BadLayout(
                f"{name} is {getattr(run, name):g} but {arch.name} is described by rows, which only data parallelism "
                f"divides; leave {name} out"
            )
    return replace(run, tp=1.0, pp=1.0, cp=1.0, sequence_tokens=1.0)
