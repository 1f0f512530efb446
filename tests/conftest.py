"""Tests run on the shipped catalog, whatever calibrations their user keeps, and look for new examples but in CI.

A property may be slow once, when the first example reads the catalog; that is not a failure. CI tries the same examples
for the same code, so that it judges the change and not the day; a run by hand draws new ones. Ctrl-C is heard even
where the tests run in the background of a shell, which ignores it there.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["STEELYARD_CATALOG"] = str(Path(__file__).parent / "no-calibrations")
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("by-hand", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "by-hand")


OWN_ROWS = """name: our-net
sample: volume
batch: 64
source: made up
blocks:
  - {name: body, count: 1, input: 4096}
rows:
  - {block: body, name: product, m: 4096, k: 64, n: 32, params: 2048, kept: 4096, moved: 8192}
  - {block: head, name: classes, m: 1, k: 32, n: 10, params: 330}
"""
"""A model by rows: the FLOPs of its body are 2 x 4096 x 64 x 32 forward, of its head 2 x 32 x 10."""


@pytest.fixture
def own_rows(tmp_path: Path) -> Path:
    """Return the file of a model that the catalog does not have."""
    path = tmp_path / "our-net.yaml"
    path.write_text(OWN_ROWS)
    return path
