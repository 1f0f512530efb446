"""What is said of a configuration that puts tensors on NVMe drives: too small, of unknown size, of unknown speed."""

import math

from steelyard.formatting.figures import number
from steelyard.job.kept.node_drives import RATES_FORM
from steelyard.units import GB_BYTES


def small_drives_text(nvme_bytes: float, limit_bytes: float) -> str:
    """Return that the drives of a node do not hold what is put there.

    >>> small_drives_text(14e12, 7.68e12)
    'NVMe: 14,000 GB are on the drives of a node that has 7,680; put less there, or take more nodes'
    >>> small_drives_text(14e12, 0.0).partition(";")[0]
    'NVMe: 14,000 GB are on the drives of a node that has none'
    """
    has = number(limit_bytes / GB_BYTES) if limit_bytes > 0 else "none"
    put = f"NVMe: {number(nvme_bytes / GB_BYTES)} GB are on the drives of a node that has {has}"
    return f"{put}; put less there, or take more nodes"


def empty_drives_text(nvme_bytes: float, asked: bool) -> str:
    """Return why nothing is on drives though a job asks for it; empty where something is, or it does not.

    >>> empty_drives_text(0.0, True).partition(":")[2], empty_drives_text(1e9, True), empty_drives_text(0.0, False)
    (' no rank has more parameters than DeepSpeed keeps in memory all the same (max_in_cpu, 1e9)', '', '')
    """
    if nvme_bytes > 0 or not asked:
        return ""
    return "nothing on NVMe: no rank has more parameters than DeepSpeed keeps in memory all the same (max_in_cpu, 1e9)"


def unknown_drives_text(nvme_bytes: float, limit_bytes: float, untimed: bool) -> str:
    """Return what nobody says of the drives of a node where something is put there; empty where all is known.

    Args:
        nvme_bytes: on the drives of a node.
        limit_bytes: that they hold; NaN: unknown.
        untimed: whether the time of a step is unknown.

    >>> unknown_drives_text(1.4e12, 30e12, True)[:72]
    'NVMe: no source says how fast these drives are; measure them (ds_io) and'
    >>> unknown_drives_text(1.4e12, math.nan, False)
    'NVMe: how much the drives of a node hold is unknown, and 1,400 GB are put there'
    >>> unknown_drives_text(0.0, math.nan, True), unknown_drives_text(1e12, 30e12, False)
    ('', '')
    """
    if not nvme_bytes > 0:
        return ""
    parts = []
    if untimed:
        parts.append(f"no source says how fast these drives are; measure them (ds_io) and write {RATES_FORM}")
    if math.isnan(limit_bytes):
        parts.append(
            f"how much the drives of a node hold is unknown, and {number(nvme_bytes / GB_BYTES)} GB are put there"
        )
    return f"NVMe: {'; '.join(parts)}" if parts else ""
