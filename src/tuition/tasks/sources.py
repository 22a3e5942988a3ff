"""The kinds of sources by name: files, and those plugged in by installed packages."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from tuition.tasks.load import FileSource

__all__ = ["source_types"]


def source_types() -> dict[str, Any]:
    """List the kinds of sources."""
    entry_points = metadata.entry_points(group="tuition.sources")
    return {"files": FileSource} | {point.name: point.load() for point in entry_points}
