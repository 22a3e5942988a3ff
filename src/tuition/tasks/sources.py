"""The kinds of sources by name: files, and those that users bring."""

from __future__ import annotations

from typing import Any

from tuition.core.plugins import Kind, check_whole, find, plugged
from tuition.tasks.load import FileSource

__all__ = ["SOURCE", "source_type", "source_types"]

SOURCE = Kind(name="source", group="tuition.sources", needs=("config_type", "load"))
"""What a user's own source must have; it is a class that takes its table."""
_OWN = {"files": FileSource}


def source_types() -> dict[str, Any]:
    """List the kinds of sources."""
    return {name: source_type(name) for name in (*_OWN, *plugged(SOURCE))}


def source_type(name: str) -> Any:
    """Find a kind of source."""
    found = find(SOURCE, name, _OWN)
    check_whole(SOURCE, found, name)
    return found
