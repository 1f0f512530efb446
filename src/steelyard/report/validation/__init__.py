"""How right the predictions are, on paper: of published runs by group, of one's own row by row."""
