"""What a teacher says of a student's errors, and what it writes to mend them."""
