"""Commented configurations that `tuition init` writes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["STARTERS"]

STARTERS: dict[str, str] = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.toml"))
}
"""Text of each starter by name."""
