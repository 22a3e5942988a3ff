"""What the student learns: targets, objectives and their weights."""
