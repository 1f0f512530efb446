"""A global batch that may be chosen: at least so much, at most so much, and the values that a plan tries between."""

import math

from steelyard.errors import BadInput
from steelyard.job.fields import JobFields
from steelyard.job.samples import TrainedSamples

WIDEST = 4096
"""How many times its lower end a range of batches may reach: each doubling is planned whole."""


def batch_choices(read: JobFields, usual: int, samples: TrainedSamples) -> tuple[tuple[int, ...], str]:
    """Return the batches that a job allows, the usual one first, and what to say of it; none where it sets no range.

    A range without its other end reaches to the batch that the job would take without a range. An exact batch must lie
    in the range.
    """
    least, largest = read.batch_samples_min, read.batch_samples_max
    if least is None and largest is None:
        return (), ""
    low = _bound(least, samples, "global_batch_min", up=True) if least else 1
    most = int(samples.count)
    high = _bound(largest, samples, "global_batch_max", up=False) if largest else max(low, most)
    if low > high:
        raise BadInput(
            f"global_batch_min of {low} {samples.word}s is above global_batch_max of {high}; write a range such as "
            "global_batch_min: 256 and global_batch_max: 1024"
        )
    if low > most:
        size = f"{samples.count * (samples.tokens or 1):.3g} {'token' if samples.text else samples.word}s"
        raise BadInput(f"global_batch_min of {low} {samples.word}s is more than the job's {size}")
    if read.batch_samples is not None:
        if not low <= usual <= high:
            raise BadInput(f"global_batch of {usual} {samples.word}s is outside its range of {low} to {high}; drop one")
        return (), ""
    first = low if least else min(usual, high)
    last = high if largest else max(usual, low)
    last = min(last, most)
    if last > first * WIDEST:
        raise BadInput(
            f"global batches of {first} to {last} {samples.word}s are too many for a plan to try; give a range whose "
            f"upper end is at most {WIDEST} times the lower, such as global_batch_min: {first} and global_batch_max: "
            f"{first * WIDEST}"
        )
    found = doublings_between(first, last)
    nearest = min(found, key=lambda value: abs(math.log(value / usual)))
    chosen = f"global batch {_listed(found)} {samples.word}s: the plan chooses"
    why = f"{chosen}; nothing is said of how well each of them learns"
    return (nearest, *(value for value in found if value != nearest)), why


def doublings_between(low: int, high: int) -> tuple[int, ...]:
    """Return a range's ends and the doublings of its lower end.

    >>> doublings_between(256, 1024), doublings_between(96, 500), doublings_between(64, 64)
    ((256, 512, 1024), (96, 192, 384, 500), (64,))
    """
    doublings = [low << exponent for exponent in range((high // low).bit_length())]
    return tuple(sorted({*(value for value in doublings if value <= high), high}))


def _bound(given: tuple[str, int], samples: TrainedSamples, field: str, *, up: bool) -> int:
    """Return a bound in samples; one given in tokens moves inwards to a number that replicas share evenly."""
    exact = samples.of_batch(given, field)
    if given[0] != "token":
        return int(exact)
    step = 1 << max(0, int(exact).bit_length() - 3)  # as `defaults.divisible_batch`
    return max(1, (math.ceil if up else math.floor)(exact / step) * step)


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values[:-1])) + (" or " if len(values) > 1 else "") + str(values[-1])
