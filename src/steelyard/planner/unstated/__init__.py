"""What a planner makes of settings that nobody states: usual ones to start from, and mixtures of all there are."""
