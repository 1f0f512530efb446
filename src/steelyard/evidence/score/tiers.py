"""The kinds of sources that bars are set for, by the names of their groups."""

import re
from typing import Final

TIERS: Final = {
    "papers": r"megatron-(2104\.04473(-t2)?|2205\.05198)",
    "vtrain-multi": r"vtrain-multi",
    "vtrain-single": r"vtrain-single",
    "tuned": r"nemo-(?!automodel).*|megatron-(bridge|readme|2104|2205|h100).*|dgxc-.*",
    "nanotron": r"nanotron-ultrascale-sweep",
    "simumax": r"simumax-b200",
    "memory-megatron": r"simumax-b200|mcore-golden",
    "memory-bigscience": r"bigscience-a100",
    "memory-tuning": r"prime-rl-ci|ms-swift.*|litgpt-.*|llamafactory.*|torchtitan.*|aws-torchtitan.*|xtuner.*",
}
"""Tier → pattern of whole group names. NVIDIA publishes the tuned stacks; fine-tuning and FSDP stacks are PyTorch's."""


def in_tier(tier: str, group: str) -> bool:
    """Tell whether a source group belongs to a tier.

    >>> in_tier("tuned", "nemo-24.05"), in_tier("tuned", "nemo-automodel"), in_tier("papers", "megatron-2205.05198")
    (True, False, True)
    """
    return re.fullmatch(TIERS[tier], group) is not None
