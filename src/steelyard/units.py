"""One alias a unit: what a number that crosses a function boundary is measured in.

SI inside the house; kilo, mega, GPU-hours and dollars an hour exist only at the edges (`catalog` and `report`).
An alias is a plain float or array to Python and to the type checker; its second argument is the unit that the
house tests hand to pint, so that a wrong dimension is found without any cost at run time.

>>> unit_of(Seconds), unit_of(BytesPerSecond)
('s', 'byte/s')
"""

from typing import Annotated, Any, get_args

import numpy as np
from numpy.typing import NDArray

from steelyard.formatting.unit_sizes import BYTES, JOULES, SECONDS

Array = NDArray[np.float64]
Quantity = float | Array
"""A scalar or an array of any shape that broadcasts."""

Count = Annotated[Quantity, ""]
Share = Annotated[Quantity, ""]
Seconds = Annotated[Quantity, "s"]
PerSecond = Annotated[Quantity, "1/s"]
SecondsPerByte = Annotated[Quantity, "s/byte"]
Bytes = Annotated[Quantity, "byte"]
BytesPerSecond = Annotated[Quantity, "byte/s"]
Flop = Annotated[Quantity, "flop"]
FlopPerSecond = Annotated[Quantity, "flop/s"]
Watts = Annotated[Quantity, "W"]
Joules = Annotated[Quantity, "J"]
Usd = Annotated[Quantity, "usd"]
UsdPerSecond = Annotated[Quantity, "usd/s"]
UsdPerByte = Annotated[Quantity, "usd/byte"]
UsdPerByteSecond = Annotated[Quantity, "usd/byte/s"]
UsdPerJoule = Annotated[Quantity, "usd/J"]
KgCo2e = Annotated[Quantity, "kgco2e"]
KgCo2ePerJoule = Annotated[Quantity, "kgco2e/J"]
CubicMetres = Annotated[Quantity, "m**3"]
CubicMetresPerJoule = Annotated[Quantity, "m**3/J"]

HOUR_S, DAY_S = SECONDS["h"], SECONDS["d"]
KWH_J = JOULES["kWh"]
GIB_BYTES, GB_BYTES = BYTES["GiB"], BYTES["GB"]

NORMAL_90 = 1.6448536269514722
"""Standard deviations on each side of a 90 % interval of a normal distribution."""


def unit_of(alias: Any) -> str:
    """Return the unit that an alias of this module stands for.

    >>> unit_of(Joules)
    'J'
    """
    return str(get_args(alias)[1])
