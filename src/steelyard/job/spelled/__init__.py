"""How people spell what a job says: names of fields in configurations of other tools, lengths of sequences."""
