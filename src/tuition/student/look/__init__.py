"""What can be known of a student without loading it: whether it can be had, and how much it reads."""
