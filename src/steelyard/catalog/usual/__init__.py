"""How often published runs have each value of a setting: what one that nobody states is drawn from."""
