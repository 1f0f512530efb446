"""From what people write of a run, in claim files, model cards, logs and prose, to a claim in SI with its rounding."""
