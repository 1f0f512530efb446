"""Published and own measured runs: read in one way, scored, fitted to, calibrated on.

runs → frames → readings, score → calibration, each made of those before it; the fits (`make fit`) stand on all but the
last.
"""
