"""How the tensors of a training are kept, as its words say: one reader for job files and rows of measured runs."""
