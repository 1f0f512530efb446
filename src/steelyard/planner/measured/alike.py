r"""What measured steps tell of configurations that are like the measured ones, beyond the offset of who ran them.

Runs of one publisher scatter about its offset by :math:`r` (`catalog.local.step_shift`), and those that are alike
scatter alike: the law is a Gaussian process over configurations,

.. math:: \Sigma_{ij} = r^2 (1 - \nu)\, e^{-d_{ij}^2 / 2} + (r^2 \nu - e^2)\, \delta_{ij}, \qquad
          d^2 = \sum_a \left(\frac{\ln a_i - \ln a_j}{\ln 4}\right)^2 + \text{words that differ},

where :math:`a` are sizes (parameters, FLOPs and tokens of a sample, devices, degrees of a layout) and words are other
settings, stack, chip and precision. A configuration that is exactly a measured one (:math:`\delta`) shares its own part
too; only the noise of a repetition (:math:`e`) is left.
Source of the law: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 2.2.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from steelyard.catalog import Catalog, step_shift_row
from steelyard.catalog.local.step_shift import FARTHEST_RUN_SDS, MEASURED_STEP, REPEAT_LOG_SD, RUN_LOG_SD
from steelyard.errors import BadInput
from steelyard.units import Array

FACTOR_APART = 4.0
"""Two configurations that differ by this factor in one size, or in one word, share 61 % of what alike ones do. Chosen;
errors hardly depend on it (docs/log.md)."""

UNSHARED = 0.25
"""ν: share of the variance of a publisher's runs about its offset that is one configuration's own, a repetition's noise
in it: 0.06 of 0.12 in the logarithm, as tables and releases of one publisher differ (`step_shift.PAIR_LOG_SD`)."""

COMPARED_SIZES = (
    *("devices", "tp", "pp", "cp", "ep", "mbs", "ga"),
    *("parameters", "FLOPs a sample", "tokens"),
)
"""Numbers of `exact.configuration_text` whose ratio counts; a degree that is not written is 1."""

COMPARED_SETTINGS = (
    *("accelerator", "stack", "zero", "recompute", "flash", "offload"),
    *("bytes of an element", "in products", "half bytes of a frozen parameter"),
    *("weights on host", "inputs on host", "weights on drives", "states on drives"),
)
"""Settings of it that are the same or another."""


NETWORK, SAME_NETWORK = ", network ", 1.25
"""How the network between nodes follows what a configuration is, in bytes/s of a device, where it is known; up to which
factor two are the same: 12.5 GB/s of two clouds, not 25 and 50."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how much alike two configurations are."""

    sizes: tuple[float, ...]  # their logarithms
    network: float  # its logarithm; NaN: unknown, or inside one node
    settings: tuple[str, ...]


@lru_cache(maxsize=16384)
def shape_of(text: str) -> Shape:
    """Return what is compared of a configuration, by its words (`exact.configuration_text`).

    >>> found = shape_of("64 x H100-80GB-SXM, tp=2,pp=1,dp=32,mbs=2,ga=8,zero=1, fsdp2 (rule 30): parameters 8e+09")
    >>> [round(math.exp(one)) for one in found.sizes[:7]], found.settings[:3]
    ([64, 2, 1, 1, 1, 2, 8], ('H100-80GB-SXM', 'fsdp2 (rule 30)', '1'))
    """
    try:
        return _shape(*text.partition(NETWORK)[::2])
    except ValueError:
        raise BadInput(
            f"{text[:80]!r} of a calibration is no measured configuration: calibrate anew, or find it with "
            "steelyard calibrate --list and --forget it"
        ) from None


def _shape(text: str, network: str) -> Shape:
    head, _, trained = text.partition(": ")
    where, layout, stack = head.split(", ", 2)
    devices, accelerator = where.split(" x ", 1)
    said = dict(one.split("=", 1) for one in layout.split(","))
    said |= {"devices": devices, "accelerator": accelerator, "stack": stack}
    said |= dict(one.rsplit(" ", 1) for one in trained.split(", "))
    sizes = (float(said.get(name, 1)) for name in COMPARED_SIZES)
    return Shape(
        tuple(math.log(max(one, 1.0)) for one in sizes),
        math.log(float(network)) if network else math.nan,
        tuple(said.get(name, "") for name in COMPARED_SETTINGS),
    )


def measured_name(text: str, names: Collection[str]) -> str | None:
    """Return the name under which exactly a configuration was measured; None where it was not.

    Networks between nodes are the same, or one of them is unknown.

    Args:
        text: the configuration in words
        names: of those that were measured

    >>> one = "16 x H100, tp=1, fsdp2: tokens 512"
    >>> measured_name(f"{one}{NETWORK}5e+10", [f"{one}{NETWORK}3e+09"]), measured_name(f"{one}{NETWORK}5e+10", [one])
    (None, '16 x H100, tp=1, fsdp2: tokens 512')
    """
    if text in names:
        return text
    what, _, network = text.partition(NETWORK)
    for name in names:
        other, _, its = name.partition(NETWORK)
        if other == what and not (network and its and _apart(float(network), float(its))):
            return name
    return None


def _apart(one: float, other: float) -> bool:
    return max(one, other) > SAME_NETWORK * min(one, other)


def alikeness(some: Sequence[str], others: Sequence[str]) -> Array:
    """Return how much alike configurations are: 1 where nothing that is compared differs.

    Args:
        some: in words, a row each
        others: a column each

    >>> one = "8 x H100, tp=1,pp=1,mbs=1,ga=4,zero=3, fsdp2 (rule 30): parameters 8e+09"
    >>> other = one.replace("8 x", "32 x")
    >>> alikeness([one], [one, other, other.replace("zero=3", "zero=2")]).round(2).tolist()
    [[1.0, 0.61, 0.37]]
    """
    rows, columns = ([shape_of(one) for one in part] for part in (some, others))
    apart = np.zeros((len(rows), len(columns)))
    for left, right in zip(_columns(rows, "sizes"), _columns(columns, "sizes"), strict=True):
        apart += np.square(np.subtract.outer(left, right) / math.log(FACTOR_APART))
    for left, right in zip(_columns(rows, "settings"), _columns(columns, "settings"), strict=True):
        apart += np.not_equal.outer(left, right)
    networks = np.subtract.outer([one.network for one in rows], [one.network for one in columns])
    apart += np.nan_to_num(np.square(networks / math.log(FACTOR_APART)))
    return np.asarray(np.exp(-apart / 2))


def _columns(shapes: Sequence[Shape], field: str) -> list[Array]:
    return [np.array(one) for one in zip(*(getattr(shape, field) for shape in shapes), strict=True)]


def scatter_covariance(texts: Sequence[str]) -> Array:
    """Return the covariance of how far measured runs lie from the offset of who ran them, repetitions' noise included.

    Args:
        texts: their configurations in words, one a run

    >>> scatter_covariance(["8 x H100, tp=1, fsdp2: tokens 512"] * 2).round(4).tolist()
    [[0.0144, 0.0135], [0.0135, 0.0144]]
    """
    return np.asarray(_shared(texts, texts) + REPEAT_LOG_SD**2 * np.eye(len(texts)))


def _shared(some: Sequence[str], others: Sequence[str]) -> Array:
    """Return the covariance of two configurations without the noise of repetitions."""
    unshared = UNSHARED * RUN_LOG_SD**2 - REPEAT_LOG_SD**2
    same = np.equal.outer(np.array(some), np.array(others))
    return np.asarray((1 - UNSHARED) * RUN_LOG_SD**2 * alikeness(some, others) + unshared * same)


def alike_logs(texts: Sequence[str], gaps: Mapping[str, float]) -> Array:
    r"""Return the logarithms of what configurations take over what the offset alone makes of them.

    .. math:: \Sigma_{*} (\Sigma + e^2)^{-1} u

    Args:
        texts: configurations in words
        gaps: of each measured one, in words, the logarithm of measured over predicted seconds beside the offset (u)

    One that was measured itself has its own part as well. A gap counts as at most 3 r, as in the offset.

    >>> one = "8 x H100, tp=1,pp=1,mbs=1,ga=4,zero=3, fsdp2 (rule 30): parameters 8e+09"
    >>> alike_logs([one, one.replace("8 x", "32 x"), one.replace("H100", "L4")], {one: 0.1}).round(3).tolist()
    [0.094, 0.045, 0.045]
    >>> alike_logs([one], {}).tolist()
    [0.0]
    """
    if not gaps or not len(texts):
        return np.zeros(len(texts))
    known = list(gaps)
    far = FARTHEST_RUN_SDS * RUN_LOG_SD
    told = np.linalg.solve(scatter_covariance(known), np.clip(list(gaps.values()), -far, far))
    return np.asarray(_shared(texts, known) @ told)


def gap_logs(texts: Sequence[str], gaps: Mapping[str, float]) -> Array:
    """Return the logarithms that configurations are predicted with: as measured where exactly they were, else by likes.

    Args:
        texts: configurations in words
        gaps: of each measured one, as `alike_logs` has them

    >>> one = "8 x H100, tp=1,pp=1,mbs=1,ga=4,zero=3, fsdp2 (rule 30): parameters 8e+09"
    >>> gap_logs([one, one.replace("8 x", "32 x")], {one: 0.1}).round(3).tolist()
    [0.1, 0.045]
    """
    names = [measured_name(text, gaps) for text in texts]
    pairs = zip(names, alike_logs(texts, gaps), strict=True)
    return np.array([log if name is None else gaps[name] for name, log in pairs], dtype=float)


def measured_gaps(catalog: Catalog) -> dict[str, float]:
    """Return, of each configuration that calibrations measured, how far it is from the offset of its stack and chip."""
    found = {}
    for (text, _, quantity), row in catalog.local.steps.items():
        if quantity == MEASURED_STEP:
            accelerator, stack = shape_of(text).settings[:2]
            shift = step_shift_row(stack.rpartition(" (rule")[0], accelerator, catalog)
            found[text] = math.log(row.value / (shift.value if shift else 1.0))
    return found
