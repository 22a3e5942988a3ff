"""Many outputs of one question that begin alike: written, scored, and their common beginnings read once."""
