"""Every teacher tried on a few training examples, and what its figures speak for."""
