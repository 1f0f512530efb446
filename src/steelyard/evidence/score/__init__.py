"""How right the predictions are: outcomes, scores by group, stored figures and their fingerprints."""
