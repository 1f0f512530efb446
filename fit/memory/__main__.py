"""`python -m fit.memory`."""

from fit.memory.fitting import main

main()
