"""A global batch that may be chosen: at least so much, at most so much, and the values that a plan tries between."""

import math

from steelyard.errors import BadInput
from steelyard.job.fields import JobFields


def batch_choices(read: JobFields, usual: int, sequence_tokens: int, tokens: float) -> tuple[tuple[int, ...], str]:
    """Return the batches that a job allows, the usual one first, and what to say of it; none where it sets no range.

    A range without its other end reaches to the batch that the job would take without a range. An exact batch must lie
    in the range.
    """
    if read.global_batch_min is None and read.global_batch_max is None:
        return (), ""
    low = _sequences(read.global_batch_min, sequence_tokens, up=True) if read.global_batch_min else 1
    most = int(tokens // sequence_tokens)
    high = _sequences(read.global_batch_max, sequence_tokens, up=False) if read.global_batch_max else max(low, most)
    if low > high:
        raise BadInput(
            f"global_batch_min of {low} sequences is above global_batch_max of {high}; write a range such as "
            "global_batch_min: 256 and global_batch_max: 1024"
        )
    if low > most:
        raise BadInput(f"global_batch_min of {low} sequences is more than the job's {tokens:.3g} tokens")
    if read.global_batch is not None:
        if not low <= usual <= high:
            raise BadInput(f"global_batch of {usual} sequences is outside its range of {low} to {high}; drop one")
        return (), ""
    first = low if read.global_batch_min else min(usual, high)
    last = high if read.global_batch_max else max(usual, low)
    found = doublings_between(first, min(last, most))
    nearest = min(found, key=lambda value: abs(math.log(value / usual)))
    said = f"global batch {_listed(found)} sequences: the plan chooses; nothing is said of how well each of them learns"
    return (nearest, *(value for value in found if value != nearest)), said


def doublings_between(low: int, high: int) -> tuple[int, ...]:
    """Return a range's ends and the doublings of its lower end.

    >>> doublings_between(256, 1024), doublings_between(96, 500), doublings_between(64, 64)
    ((256, 512, 1024), (96, 192, 384, 500), (64,))
    """
    doublings = [low << exponent for exponent in range((high // low).bit_length())]
    return tuple(sorted({*(value for value in doublings if value <= high), high}))


def _sequences(given: tuple[str, int], sequence_tokens: int, *, up: bool) -> int:
    """Return a bound in sequences; one given in tokens moves inwards to a number that replicas share evenly."""
    unit, number = given
    if unit == "sequences":
        return number
    exact = number / sequence_tokens
    step = 1 << max(0, int(exact).bit_length() - 3)  # as `assume.divisible`
    return max(1, (math.ceil if up else math.floor)(exact / step) * step)


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values[:-1])) + (" or " if len(values) > 1 else "") + str(values[-1])
