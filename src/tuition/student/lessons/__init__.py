"""What a student learns beside the tokens of its targets: from a mentor, by contrast, by preference."""
