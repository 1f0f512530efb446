"""The optimizer's update: bytes of its states where they lie."""

import pytest
from tests.shapes import layout
from tests.step.neutral import MEMORY, MIXED, MIXED_PARAMS, ROUTED, step

from steelyard.tables import Job

ROUTED_PARAMS = 2 * ROUTED  # two of four blocks of MIXED
GRADIENT_AND_WEIGHT = 2 + 2


def states(job: Job) -> float:
    return 2 * (float(job.master_bytes) + float(job.moment_bytes)) + GRADIENT_AND_WEIGHT


@pytest.mark.parametrize(
    ("degrees", "dense", "routed"),
    [  # ranks that a parameter of either kind is shared out over
        ({"dp": 8.0, "zero": 0.0}, 1, 1),
        ({"dp": 8.0, "zero": 1.0}, 8, 8),
        ({"dp": 8.0, "ep": 4.0, "zero": 0.0}, 1, 4),
        ({"dp": 8.0, "ep": 4.0, "zero": 1.0}, 8, 8),
        ({"dp": 4.0, "tp": 2.0, "ep": 4.0, "zero": 3.0}, 8, 8),
        ({"dp": 4.0, "tp": 2.0, "zero": 1.0}, 8, 8),
        ({"dp": 8.0, "ep": 4.0, "zero": 1.0, "shard_devices": 2.0}, 2, 4),
    ],
)
def test_every_parameter_is_updated_once_where_its_states_are(
    degrees: dict[str, float], dense: float, routed: float
) -> None:
    """Rajbhandari et al. 2020, arXiv 1910.02054, section 5; experts as many ranks share as hold the same part."""
    taken = step(MIXED, layout(MIXED, **degrees), memory_bytes_per_s=MEMORY).optimizer_s
    updated = (MIXED_PARAMS - ROUTED_PARAMS) / dense + ROUTED_PARAMS / routed
    assert taken == pytest.approx(updated * states(MIXED) / MEMORY)
