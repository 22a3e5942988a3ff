"""The version of the program; the lowest module, which everything may read."""

__all__ = ["__version__"]

__version__ = "0.2.0"
