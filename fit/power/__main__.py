"""`python -m fit.power`."""

from fit.power.fitting import main

main()
