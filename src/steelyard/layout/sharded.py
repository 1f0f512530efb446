"""Ways to shard layouts that differ in nothing else: ZeRO stages, and the ranks that share them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.catalog.stacks import Capability
from steelyard.layout.columns import NOTHING_ASKED, Asked, Columns, cross, keep
from steelyard.tables import Layout

LETS_GO = 2
"""ZeRO stage from which gradients, at 3 parameters too, are let go of where they have been used."""


@dataclass(frozen=True, slots=True)
class Shardings:
    """Ways to shard some frames: the frame of each, its ZeRO stage and the ranks of its shard group."""

    frame: NDArray[np.intp]
    zero: NDArray[np.float64]
    shard_devices: NDArray[np.float64]
    away_alone: NDArray[np.bool_]  # one rank has nobody to share with: it acts only on what is offloaded
    never_away: NDArray[np.bool_]  # its stack offloads what is sharded alone, which this is not

    def pick(self, some: NDArray[np.bool_] | slice) -> "Shardings":
        """Return some of the ways, by a mask or a slice."""
        shared = self.frame[some], self.zero[some], self.shard_devices[some]
        return Shardings(*shared, self.away_alone[some], self.never_away[some])


def shardings(kinds: Layout, domain_devices: int, capability: Capability, asked: Asked = NOTHING_ASKED) -> Shardings:
    """Return every way in which a stack can shard each of some frames, in the order of the frames.

    One rank shares states with nobody. Stages that let go of what has been used act there as well, as far as it rests
    on the host; without that they are left out, unless one is asked for of a single device.

    Args:
        kinds: frames
        domain_devices: devices joined by fast links, which make the smaller shard group of HSDP
        capability: what the software stack supports
        asked: values that are looked at instead of the usual ones

    Source: Rajbhandari et al. 2020, arXiv 1910.02054 (ZeRO); Zhao et al. 2023, arXiv 2304.11277 (HSDP); Ren et al.
        2021, arXiv 2101.06840, section 4 (ZeRO-Offload on one GPU is stage 2).
    """
    ranks, stages = np.asarray(kinds.dp * kinds.cp).astype(np.int64), np.asarray(kinds.pp)
    columns: Columns = {"devices": np.arange(ranks.size)}
    columns = cross(columns, "zero", capability.zero)
    frame, zero = columns["devices"], columns["zero"]
    stated = ("zero" in asked) & (np.asarray(kinds.devices)[frame] == 1)
    alone = (ranks[frame] == 1) & (zero > capability.zero[0]) & ~stated
    columns["alone"] = alone.astype(np.int64)
    columns["kept"] = ((ranks[frame] > 1) & (zero < capability.offload_from)).astype(np.int64)
    acts = ~alone | (capability.offload & (zero >= LETS_GO))
    columns = keep(columns, acts & ((stages[frame] == 1) | (zero <= capability.zero_most_with_pp)))
    if "shard_devices" in asked:
        columns = cross(columns, "shard", asked["shard_devices"])
        frame, zero, shard = columns["devices"], columns["zero"], columns["shard"]
        parts = (zero > 0) & (shard < ranks[frame]) & (ranks[frame] % shard == 0) & capability.hsdp
        kept = np.flatnonzero((shard == ranks[frame]) | parts)
        return _ways(columns, kept, shard[kept])
    columns = cross(columns, "hybrid", (0, 1) if capability.hsdp else (0,))
    frame, zero, hybrid = columns["devices"], columns["zero"], columns["hybrid"]
    inside = np.maximum(domain_devices // np.asarray(kinds.tp).astype(np.int64), 1)[frame]
    whole = ranks[frame]
    smaller = (zero > 0) & (inside > 1) & (inside < whole) & (whole % inside == 0)
    kept = np.flatnonzero((hybrid == 0) | smaller)
    shard = np.where(hybrid == 1, np.minimum(inside, whole), whole)
    return _ways(columns, kept, shard[kept])


def _ways(columns: Columns, kept: NDArray[np.intp], shard: NDArray[np.int64]) -> Shardings:
    frame, zero, alone, never = (columns[name][kept] for name in ("devices", "zero", "alone", "kept"))
    return Shardings(frame, zero.astype(np.float64), shard.astype(np.float64), alone.astype(bool), never.astype(bool))
