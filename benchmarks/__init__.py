"""How fast the house is: `python -m benchmarks`. Nothing timed is a test; CI only sees that it runs."""

import os

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # before NumPy is imported: one core is what is measured
