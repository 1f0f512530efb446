"""A user's own calibrations: in use by every verb that predicts, unless it is told not to, and always said."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

_Command = Callable[..., None]


def calibrated(command: _Command) -> _Command:
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


def refreshed(command: _Command) -> _Command:
    """Run a verb on the catalog with the user's refreshed rows over it; `--shipped` leaves them out."""

    @wraps(command)
    def layered(*args: Any, shipped: bool, **given: Any) -> None:
        from steelyard.catalog.local import layer

        with layer.using_layer(layer.EMPTY if shipped else layer.read_live(layer.layer_folder())):
            command(*args, **given)

    return click.option(
        "--shipped", is_flag=True, help="Leave out your own refreshed prices and grids (steelyard catalog refresh)."
    )(layered)
