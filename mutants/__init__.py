"""Wrong formulas, one at a time: `python -m mutants` counts those that the tests of a room notice."""
