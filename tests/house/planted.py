"""Formulas with one planted bug each: what the house tests are for."""

import numpy as np

from steelyard.units import Bytes, BytesPerSecond, Count, Seconds


def multiplies(payload_bytes: Bytes, link_bytes_per_s: BytesPerSecond, hop_s: Seconds) -> Seconds:
    return payload_bytes * link_bytes_per_s + hop_s


def forgets(payload_bytes: Bytes, hop_s: Seconds) -> Seconds:
    return payload_bytes + hop_s


def is_not_vectorised(payload_bytes: Bytes, link_bytes_per_s: BytesPerSecond, ranks: Count) -> Seconds:
    return payload_bytes / link_bytes_per_s * float(np.max(ranks))


def is_right(payload_bytes: Bytes, link_bytes_per_s: BytesPerSecond, hop_s: Seconds, ranks: Count) -> Seconds:
    return payload_bytes / link_bytes_per_s + np.maximum(ranks - 1, 0) * hop_s
