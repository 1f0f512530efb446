"""What every test and doctest shares: numbers print as plain Python numbers."""

import numpy as np

np.set_printoptions(legacy="1.25")
