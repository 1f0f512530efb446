"""Fit what software stacks and whole chips make of the step model, from published step times."""
