"""Several teachers, one small student, one budget."""

__version__ = "0.2.0"
