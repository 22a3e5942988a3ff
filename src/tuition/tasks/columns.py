"""Look up columns by name, those inside others by dotted names; read a column of conversations."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

from tuition.core.records import Json, Message
from tuition.tasks.labels import BadRow

__all__ = ["nested_names", "nested_value", "read_turns"]


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


def read_turns(value: Json, column: str) -> tuple[Message, ...]:
    """Read a conversation that ends with the user's turn."""
    if isinstance(value, str) and value.strip():
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    turns = value if isinstance(value, list) else [value] if value else []
    found: list[Message] = []
    for turn in turns:
        match turn:
            case {"role": "system" | "user" | "assistant" as role, "content": str(content)} if (
                content.strip()
            ):
                found.append(Message(role=str(role), content=content))
            case _:
                raise BadRow(
                    f"has {str(turn)[:60]!r} in column {column!r}; expected a list of "
                    '{"role": "user", "content": "…"}, with the roles system, user and assistant'
                )
    if any(turn.role == "system" for turn in found[1:]) or (found and found[-1].role != "user"):
        raise BadRow(
            f"has a conversation of {', '.join(turn.role for turn in found)} in column {column!r}; a system "
            "turn comes first, and the user's last: what is answered to it has a column of its own"
        )
    return tuple(found)
