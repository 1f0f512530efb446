"""Which share of the blocks recomputes under which policy, and the seconds of what runs again."""

import numpy as np

from steelyard.step.kernels.forward import Forward
from steelyard.step.sums import added
from steelyard.strategies.recompute import POLICIES, RecomputePolicy
from steelyard.tables import Layout
from steelyard.units import Seconds, Share

Recomputed = tuple[tuple[RecomputePolicy, Share], ...]
"""Policies that some layout has, and the share of its blocks under each; the others recompute nothing."""


def recomputed(layout: Layout) -> Recomputed:
    """Return the policies of the layouts with the share of the blocks under each: all, or what a fraction says."""
    number = np.asarray(layout.recompute)
    found = []
    for last, policy in enumerate(POLICIES[1:]):
        share = np.where((number > last) & (number <= last + 1), number - last, 0.0)
        if np.any(share):
            found.append((policy, share))
    return tuple(found)


def recompute_s(policies: Recomputed, layout: Layout, once: Forward) -> Seconds:
    """Return the seconds of what runs again of a forward pass before the backward pass.

    Args:
        policies: the share of the blocks under each [-]
        layout: fused attention [-]
        once: one forward pass [s]
    """
    found: Seconds = 0.0
    for policy, share in policies:
        core = np.where(layout.flash, policy.fused_core, policy.unfused_core)
        again = once.attention_s * core + policy.pointwise * once.pointwise_s
        if policy.products:
            again = again + policy.products * once.gemm_s
        found = found + share * again
    return found


def repeated_share(policies: Recomputed, part: str) -> Share:
    """Return the share of a forward pass's products or exchanges that run again.

    Args:
        policies: the share of the blocks under each [-]
        part: the field of a policy that says how much of it
    """
    shares = ((getattr(policy, part), share) for policy, share in policies)
    return added(much * share for much, share in shares if much)
