"""A step of one's own: what it shifts, how far it narrows the interval; where there is none, what one would."""
