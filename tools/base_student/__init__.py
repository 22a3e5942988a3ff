"""What a student needs that begins with no weights of anyone's: tokens, a start, and its first batches."""
