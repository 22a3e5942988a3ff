"""The offline world: questions made from a seed, and teachers that are programs, not language models."""

from __future__ import annotations

from pathlib import Path

__all__ = ["BASE_FOLDER"]

BASE_FOLDER = Path(__file__).parent / "base"
"""Where the base student lies: weights, configuration, tokenizer and card."""
