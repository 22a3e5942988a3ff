"""Look up columns by name, those inside others by dotted names."""

from __future__ import annotations

from collections.abc import Mapping

from tuition.core.records import Json

__all__ = ["nested_names", "nested_value"]


def nested_value(row: Mapping[str, Json], column: str) -> Json:
    """Look a column up, by its name or by a dotted name of what lies inside another."""
    if column in row or "." not in column:
        return row.get(column)
    value: Json = row
    for part in column.split("."):
        value = _inner(value, part)
    return value


def _inner(value: Json, part: str) -> Json:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        return [_inner(item, part) for item in value]
    return None


def nested_names(row: Mapping[str, Json]) -> list[str]:
    """List the columns of a row, those inside others by their dotted names."""
    names: list[str] = []
    for name, value in row.items():
        first = value[0] if isinstance(value, list) and value else value
        inner = nested_names(first) if isinstance(first, Mapping) else []
        names += [f"{name}.{part}" for part in inner] or [name]
    return names
