"""What the student is unsure of: its reasoning as numbers, the pool ranked by them, the scores calibrated."""
