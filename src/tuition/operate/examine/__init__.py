"""What a finished run's student gets wrong, and where it goes wrong."""
