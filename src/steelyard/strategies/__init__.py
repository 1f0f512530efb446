"""Ways to do a thing that a layout chooses between: one file, or one row, each."""
