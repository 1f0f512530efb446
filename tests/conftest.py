"""Tests run on the shipped catalog, whatever calibrations their user keeps, and look for new examples but in CI.

A property may be slow once, when the first example reads the catalog; that is not a failure. CI tries the same examples
for the same code, so that it judges the change and not the day; a run by hand draws new ones. Ctrl-C is heard even
where the tests run in the background of a shell, which ignores it there.
"""

import os
import signal
from pathlib import Path

from hypothesis import settings

os.environ["STEELYARD_CATALOG"] = str(Path(__file__).parent / "no-calibrations")
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("by-hand", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "by-hand")
