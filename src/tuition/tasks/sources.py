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
    """List the kinds of sources.

    Returns:
        The class of each by name; its `config_type` is the table it reads.
    """
    return {name: source_type(name) for name in (*_OWN, *plugged(SOURCE))}


def source_type(name: str) -> Any:
    """Find a kind of source.

    Args:
        name: `files`, an entry point, or `package.module:Name`.

    Returns:
        Its class.

    Raises:
        ConfigError: There is none, or it lacks a method.
    """
    found = find(SOURCE, name, _OWN)
    check_whole(SOURCE, found, name)
    return found
