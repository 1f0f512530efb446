"""`python -m fit.kernels`."""

from fit.kernels.fitting import main

main()
