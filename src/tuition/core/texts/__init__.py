"""Plain texts: where they end, and what they claim. Knows no task and no model."""
