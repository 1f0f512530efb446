"""Tests run on the shipped catalog, whatever calibrations their user keeps."""

import os
from pathlib import Path

os.environ["STEELYARD_CATALOG"] = str(Path(__file__).parent / "no-calibrations")
