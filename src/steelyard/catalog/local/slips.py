"""Measurements that no fit should follow: so far from the prediction that a unit is wrong, which is named."""

import math

FARTHEST = 20.0
"""Factor from the prediction beyond which a measurement is no news but a mistake: four times the worst miss of a
published run (`steelyard validate`: 4.9 among 2,699 step times, 2.7 among 1,347 peaks of memory)."""

EXPLAINED = 5.0
"""Factor within which a unit explains a measurement: the worst miss of a published run."""

_TIMES = (
    ("milliseconds were given as seconds", 1e3),
    ("microseconds were given as seconds", 1e6),
    ("minutes were given as seconds", 1 / 60),
    ("hours were given as seconds", 1 / 3600),
)
_RATES = (("thousands a second were given as ones", 1e3), ("percent were given as a share", 1e-2))
_MEMORIES = (
    ("MiB were given as GiB", 2.0**10),
    ("KiB were given as GiB", 2.0**20),
    ("bytes were given as GiB", 2.0**30),
    ("GiB were given as MiB", 2.0**-10),
    ("MiB were given as bytes", 2.0**-20),
    ("GiB were given as bytes", 2.0**-30),
)


def unit_slip(metric: str, ratio: float, devices: float) -> str:
    """Return what is wrong with a measurement that is so many times its prediction; empty: nothing that is obvious.

    Args:
        metric: as it was given: step_time_s, a rate, or memory
        ratio: of the seconds or bytes that it makes, over the predicted ones
        devices: of the run

    >>> unit_slip("step_time_s", 1100.0, 64)
    '1.1e+03 times what is predicted, as if milliseconds were given as seconds'
    >>> unit_slip("tokens_per_s_per_device", 1 / 60, 64)
    '0.0167 times what is predicted, as if the rate of all 64 devices were given as that of one'
    >>> unit_slip("step_time_s", 5.0, 64)
    ''
    """
    if 1 / FARTHEST <= ratio <= FARTHEST:
        return ""
    all_of_them = (
        (f"the rate of all {devices:.0f} devices were given as that of one", 1 / devices),
        (f"the rate of one of {devices:.0f} devices were given as that of all", devices),
    )
    known = _TIMES if metric == "step_time_s" else _MEMORIES if metric == "memory" else (*_RATES, *all_of_them)
    text, size = min(known, key=lambda one: abs(math.log(ratio / one[1])))
    why = f", as if {text}" if abs(math.log(ratio / size)) <= math.log(EXPLAINED) else ""
    return f"{ratio:.3g} times what is predicted{why}"
