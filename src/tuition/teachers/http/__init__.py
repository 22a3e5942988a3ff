"""Teachers behind HTTP endpoints: one call an attempt; every reply becomes a record."""
