"""Teachers behind HTTP endpoints: one call an attempt, read with care, whatever comes back."""
