"""Make the base student that the playground holds ready made: its text, tokens, start and training."""
