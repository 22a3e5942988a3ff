"""Several teachers, one small student, one budget."""

__version__ = "0.1.0"
