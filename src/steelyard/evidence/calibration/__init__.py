"""A user's own runs as a local layer of the catalog, shrunk towards the shipped fit.

calibrate_constants(runs, load(), "ours", "runs.csv", today)   runs → what moved, how far, and the rows of the layer
"""

from steelyard.evidence.calibration.calibrate import CalibratedRun, Calibration, ConstantShift, calibrate_constants

__all__ = ["CalibratedRun", "Calibration", "ConstantShift", "calibrate_constants"]
