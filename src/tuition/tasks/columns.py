"""Look up columns by name, those inside others by dotted names; read options and conversations."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping

from tuition.core.records import Json, Message
from tuition.tasks.config import TaskConfig
from tuition.tasks.labels import BadRow

__all__ = ["nested_names", "nested_value", "read_options", "read_text", "read_turns"]

_PYTHON = re.compile(r"(?s)\[\s*['\"].*['\"]\s*\]")


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


def read_text(row: Mapping[str, Json], column: str) -> str:
    """Read a column that holds a text; empty where it holds nothing."""
    value = nested_value(row, column)
    if isinstance(value, list | dict):
        raise BadRow(
            f"has a {type(value).__name__} in column {column!r}; expected a text{_inside(value, column)}"
        )
    return "" if value is None else str(value)


def _inside(value: Json, column: str) -> str:
    """Offer the names of what lies inside a column."""
    names = nested_names({column: value})
    return f", such as {names[0]!r}" if names != [column] else ""


def read_options(row: Mapping[str, Json], config: TaskConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the options of a row, and what the file calls them, wherever its table says that they are."""
    columns = config.choices_column
    if config.choices:
        return config.choices, ()
    if isinstance(columns, tuple):
        # questions with fewer options leave the last columns empty
        named = {column: text for column in columns if (text := read_text(row, column)).strip()}
        return tuple(named.values()), () if named.keys() & set(named.values()) else tuple(named)
    value, marks = nested_value(row, columns) if columns else None, None
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, str) and _PYTHON.fullmatch(value.strip()):
        raise BadRow(
            f"has its options in column {columns!r} as Python writes a list; write them as JSON, such as "
            '["one", "two"], or as a text split at \'|\''
        )
    if columns not in row:
        marks = nested_value(row, f"{columns.rpartition('.')[0]}.label")
    found = value
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        value = {name: [_inner(one, name) for one in value] for name in ("text", "label")}
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        value, marks = value["text"], value.get("label")
    elif isinstance(value, dict):
        value = {name: text for name, text in value.items() if text is not None}
        value, marks = list(value.values()), list(value)
    if isinstance(value, str):
        value = [part.strip() for part in value.split("|")] if value.strip() else []
    if (value is not None and not isinstance(value, list)) or {list, dict} & set(map(type, value or ())):
        kind = f"list of {type(found[0]).__name__}" if isinstance(found, list) else type(found).__name__
        raise BadRow(
            f"has a {kind} in column {columns!r}; expected a list or object of texts, or a text split at '|'"
            f"{_inside(found, columns)}"
        )
    names = tuple(map(str, marks)) if isinstance(marks, list) else ()
    choices = tuple("" if item is None else str(item) for item in value or ())
    return choices, names if len(set(names)) == len(choices) else ()
