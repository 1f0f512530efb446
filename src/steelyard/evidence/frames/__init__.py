"""From rows of measured runs to the tables of the rooms: what is stated, what follows from it, what is imputed."""
