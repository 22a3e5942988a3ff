"""Plain texts: where they end, what they claim, what is thought, what must be made visible. Knows no task."""
