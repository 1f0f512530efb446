"""What no constant mends of peak memory: the scatter of runs of one source about the model, in the logarithm.

Of step times it is `catalog.local.step_shift.RUN_LOG_SD`.
"""

MEMORY_NOISE = 0.13
"""Of peak memory. Source: left-out predictions of the shipped runs about their group's median, median over groups of
at least six runs."""
