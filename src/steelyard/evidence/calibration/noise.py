"""What no constant mends of peak memory: the scatter of runs of one source about the model, in the logarithm.

Of step times it is `catalog.local.step_shift.RUN_LOG_SD`.
"""

MEMORY_NOISE = 0.13
"""Of peak memory. Source: left-out predictions of the shipped runs about their group's median, median over groups of
at least six runs."""

GUESS_LOG_SD = 0.07
"""Added where a row leaves open what its prediction needs. Source: within their groups, residuals of such shipped rows
spread by 0.200 in the logarithm, those of complete rows by 0.189 (90th percentile over 1.645, mean over groups)."""
