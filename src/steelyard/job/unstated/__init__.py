"""What nobody states of a training: which settings those are, what is taken of each, and what else it may be."""
