"""One account made complete, and two accounts as an exact product of factors."""
