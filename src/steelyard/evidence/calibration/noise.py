"""What no constant mends: the scatter of runs of one source about the model, in the logarithm."""

TIME_NOISE = 0.15
"""Of step times. Source: left-out predictions of the shipped runs about their group's median, median over the groups of
at least six runs (`python -m fit.anchors`). Measurements of one configuration alone differ by 5 % within a source."""

MEMORY_NOISE = 0.13
"""Of peak memory. Source: as for time (`python -m fit.anchors`)."""
