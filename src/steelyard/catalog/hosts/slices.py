"""Slices of TPU pods as their vendor names them: `v4-256` is 128 chips, `v6e-64` is 64 chips.

The number of a slice of v2, v3, v4 or v5p counts TensorCores, two of them on a chip; from v5e and v6e on a chip has one
TensorCore and the number counts chips.

Source: cloud.google.com/tpu/docs/system-architecture-tpu-vm (slices and TensorCores), cloud.google.com/tpu/docs/v5e (a
    v5e chip has one TensorCore), docs.cloud.google.com/tpu/docs/v5p-training (2x2x1: 8 cores, 4 chips).
"""

import re
from dataclasses import dataclass

from steelyard.errors import BadInput

CORES_PER_TPU = 2
"""TensorCores of a chip of the generations whose slices are named by cores."""

NAMED_BY_CORES = ("v2", "v3", "v4", "v5p")

SLICE = re.compile(
    r"(?:cloud[\s-]+)?(?:tpu[\s-]*)?(v[2346]e?|v5[ep]|v5[ -]?lite(?:[ -]?pod)?)-(\d{1,5})\b",
    re.IGNORECASE,
)
"""How a slice is written: `v4-256`, `TPU v5p-128`, `v5litepod-16`."""

_SLICES = re.compile(rf"\s*(?:(\d{{1,5}})\s*[x×*]\s*)?{SLICE.pattern}\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slice:
    """Chips of one TPU slice, or of several alike."""

    accelerator: str  # id of the catalog
    devices: int
    cores: int | None  # where its name counts TensorCores


def sized_slice(generation: str, number: int) -> Slice:
    """Return the slice of a generation and the number behind it; BadInput where cores make up no chips.

    >>> sized_slice("v4", 256), sized_slice("v5litepod", 16)
    (Slice(accelerator='TPU-v4', devices=128, cores=256), Slice(accelerator='TPU-v5e', devices=16, cores=None))
    """
    plain = re.sub(r"^v5[ -]?lite.*$", "v5e", generation.lower())
    by_cores = plain in NAMED_BY_CORES
    if number < 1 or (by_cores and number % CORES_PER_TPU):
        counted = f"TensorCores, {CORES_PER_TPU} a chip" if by_cores else "chips"
        raise BadInput(f"{plain}-{number} is no slice: the number counts {counted}; write such as {plain}-8")
    devices = number // CORES_PER_TPU if by_cores else number
    return Slice(f"TPU-{plain}", devices, number if by_cores else None)


def slice_of_name(name: str) -> Slice | None:
    """Return the slice, or several alike, that a name is and nothing else; None where it is another name.

    >>> found = [slice_of_name(name) for name in ("v3-32", "2x TPU v4-256", "v5e-256", "tpu-v6e-64")]
    >>> [(one.accelerator, one.devices) for one in found]
    [('TPU-v3', 16), ('TPU-v4', 256), ('TPU-v5e', 256), ('TPU-v6e', 64)]
    >>> slice_of_name("H100"), slice_of_name("TPU-v4")
    (None, None)
    """
    if (found := _SLICES.fullmatch(name)) is None:
        return None
    return sized_slice(found[2], int(found[3]) * int(found[1] or 1))


def counted_slice(name: str, count: int | None) -> tuple[str, int | None]:
    """Return an accelerator and how many of it, where a name with no other number is a slice; else both as they are.

    >>> counted_slice("v4-256", None), counted_slice("v4-256", 128), counted_slice("H100", 8)
    (('TPU-v4', 128), ('TPU-v4', 128), ('H100', 8))
    >>> counted_slice("v4-256", 256)
    Traceback (most recent call last):
    steelyard.errors.BadInput: v4-256:256 asks for 256 devices, but v4-256 is 128 chips (256 TensorCores, 2 a chip); ...
    """
    found = slice_of_name(name)
    if found is None or (count is not None and name.strip().lower().startswith("tpu-v") and count != found.devices):
        return name, count  # a system of the catalog, `tpu-v4-8`, is what so many devices stand in
    if count is not None and count != found.devices:
        counted = f" ({found.cores} TensorCores, {CORES_PER_TPU} a chip)" if found.cores else ""
        raise BadInput(
            f"{name}:{count} asks for {count} devices, but {name} is {found.devices} chips{counted}; "
            f"write {name} or {found.accelerator}:{count}"
        )
    return found.accelerator, found.devices
