"""A user's own calibrations: in use by every verb that predicts, unless it is told not to, and always said."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from steelyard.catalog import Fitted
    from steelyard.catalog.local.layer import Layer
    from steelyard.job import JobSpec
    from steelyard.planner import Point

Command = Callable[..., None]


def calibrated(command: Command) -> Command:
    """Run a verb on the catalog with the user's calibrations over it; `--no-calibration` leaves them out."""

    @wraps(command)
    def layered(*args: Any, no_calibration: bool, **given: Any) -> None:
        from steelyard.catalog.local import layer

        fits = layer.EMPTY if no_calibration else layer.read_calibrations(layer.layer_folder())
        with layer.using_layer(layer.current_layer() | fits):  # over what `refreshed` read
            command(*args, **given)

    return refreshed(
        click.option("--no-calibration", is_flag=True, help="Leave out your own calibrations (steelyard calibrate).")(
            layered
        )
    )


def refreshed(command: Command) -> Command:
    """Run a verb on the catalog with the user's refreshed rows over it; `--shipped` leaves them out."""

    @wraps(command)
    def layered(*args: Any, shipped: bool, **given: Any) -> None:
        from steelyard.catalog.local import layer

        with layer.using_layer(layer.EMPTY if shipped else layer.read_live(layer.layer_folder())):
            command(*args, **given)

    return click.option(
        "--shipped", is_flag=True, help="Leave out your own refreshed prices and grids (steelyard catalog refresh)."
    )(layered)


def behind(points: "Iterable[Point]", spec: "JobSpec") -> "list[Fitted]":
    """Return the rows of the user's calibrations that these points stand on, each once."""
    from steelyard.catalog import kernels_rows, load, stack_rows
    from steelyard.catalog.local import layer
    from steelyard.market.build import matrix_precision

    if not layer.current_layer():
        return []
    catalog = load()
    precision = matrix_precision(spec.precision, catalog)
    pairs = dict.fromkeys((point.hardware.accelerator, point.stack.name) for point in points)
    rows = [
        row
        for chip, stack in pairs
        for found in (
            kernels_rows(catalog.accelerator(chip), precision, catalog),
            stack_rows(stack, catalog),
        )
        for row in layer.calibrated_rows(found.values())
    ]
    return list(dict.fromkeys(rows))


def whole(layer: "Layer") -> "list[Fitted]":
    """Return all rows of a layer."""
    return [*layer.stacks.values(), *layer.kernels.values()]


def said(rows: "Iterable[Fitted]") -> list[str]:
    """Return one line a calibration: whose runs, when, and which constants are theirs."""
    made: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        made.setdefault(f"{row.source}, {row.checked}", {}).setdefault(row.entity, []).append(row.quantity)
    return [
        f"{source}: "
        + "; ".join(f"{', '.join(dict.fromkeys(names))} of {entity}" for entity, names in entities.items())
        + " (--no-calibration leaves it out)"
        for source, entities in made.items()
    ]


def told(rows: "Iterable[Fitted]") -> list[dict[str, Any]]:
    """Return the rows as JSON says them."""
    keys = ("entity", "precision", "quantity", "value", "unit", "log_sd", "source", "checked", "note")
    return [{key: getattr(row, key) for key in keys} | {"runs": row.rows} for row in rows]
