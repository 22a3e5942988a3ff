"""Give a record: one JSON object of the fields of a schema, read, graded and counted field by field.

A field whose value has the wrong type is left out of what was read, and counts as wrong. Knows no teacher.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Grade, Json
from tuition.core.texts.claims import turn
from tuition.core.texts.steps import own_words
from tuition.tasks.answers import normalise
from tuition.tasks.conclusion import marks
from tuition.tasks.numbers import parse_bare_number

__all__ = ["Field", "Fields", "fields_of", "record_of_row"]

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list of texts",
}
_WORDY = ("string", "array")
_NEAR = 1e-6
_BEFORE = re.compile(r"[\s`*_:(\[\"'=]*(?:json)?[\s`]*")
_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a record."""

    name: str
    type: str
    """string, number, integer, boolean or array (of texts, compared as a set)."""
    options: tuple[str, ...] = ()
    """The texts that there are, of a text or of what a list holds; empty: any."""
    told: str = ""
    """What it means."""
    is_required: bool = True
    tolerance: float | None = None
    """How far a number may be off; None: by one millionth of itself."""

    def value(self, given: Any) -> Any:
        """Read a value of this type; `_ABSENT`: it is none."""
        match self.type, given:
            case "string", str() if given.strip():
                return self._option(given)
            case "boolean", bool():
                return given
            case (("number" | "integer"), bool()):
                return _ABSENT
            case "integer", int() | float() if math.isfinite(given) and given == int(given):
                return int(given)
            case "number", int() | float() if math.isfinite(given):
                return given
            case "array", list() if all(isinstance(item, str) and item.strip() for item in given):
                items = [self._option(item) for item in given]
                return _ABSENT if _ABSENT in items else list(dict.fromkeys(items))
        return None if given is None and not self.is_required else _ABSENT

    def cell(self, text: Any) -> Any:
        """Read a cell of a table, which knows texts alone: numbers, yes and no, lists split at `|`."""
        if not isinstance(text, str) or self.type == "string" or not text.strip():
            return text or None if isinstance(text, str) else text
        number = parse_bare_number(text)
        match self.type:
            case "number" | "integer" if number is not None:
                return int(number) if number.denominator == 1 else float(number)
            case "boolean":
                said = normalise(text)
                words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
                return words.get(said, text)
            case "array" if not text.lstrip().startswith("["):
                return [part.strip() for part in text.split("|") if part.strip()]
            case "array":
                with contextlib.suppress(ValueError):
                    return json.loads(text)
        return text

    def is_same(self, left: Any, right: Any) -> bool:
        """Compare two values of this type."""
        if left is None or right is None or self.type == "boolean":
            return left is right
        if self.type in ("number", "integer"):
            near = _NEAR * abs(right) if self.tolerance is None else self.tolerance
            return abs(left - right) <= (0 if self.type == "integer" and self.tolerance is None else near)
        if self.type == "array":
            return set(map(normalise, left)) == set(map(normalise, right))
        return normalise(left) == normalise(right)

    def counts(self, said: Any, label: Any) -> tuple[int, int, int]:
        """Count what was said rightly, what was said, and what was to be said."""
        if self.type != "array":
            is_right = said is not None and label is not None and self.is_same(said, label)
            return int(is_right), int(said is not None), int(label is not None)
        left, right = (set(map(normalise, items or ())) for items in (said, label))
        return len(left & right), len(left), len(right)

    def _option(self, text: str) -> Any:
        if not self.options or text in self.options:
            return text.strip() if not self.options else text
        found = [option for option in self.options if normalise(option) == normalise(text)]
        return found[0] if len(found) == 1 else _ABSENT


def fields_of(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """Read the fields of a JSON Schema; one of another form is a ConfigError."""
    properties, required = schema.get("properties"), schema.get("required")
    if schema.get("type", "object") != "object" or not isinstance(properties, Mapping) or not properties:
        raise ConfigError("json_schema is no object with properties; give type = 'object' and properties.")
    required = list(properties) if required is None else required
    faults = [f"required names {name!r}, which is no property" for name in required if name not in properties]
    fields: list[Field] = []
    for name, about in properties.items():
        try:
            fields.append(_field(name, about, is_required=name in required))
        except ValueError as fault:
            faults.append(f"{name!r} {fault}")
    if faults:
        raise ConfigError(f"json_schema: {'; '.join(faults)}.")
    return tuple(fields)


def _field(name: str, about: Any, *, is_required: bool) -> Field:
    about = about if isinstance(about, Mapping) else {}
    kind = about.get("type", "string" if "enum" in about else None)
    if isinstance(kind, list) and len(kind) == 2 and "null" in kind:
        [kind], is_required = [one for one in kind if one != "null"], False
    items = about.get("items", {}) if kind == "array" else about
    options, tolerance = items.get("enum", ()), about.get("tolerance")
    if kind not in tuple(_TYPES) or (kind == "array" and items.get("type", "string") != "string"):
        raise ValueError(f"is of type {kind!r}; there are {', '.join(_TYPES)} (of texts)")
    if not all(isinstance(option, str) for option in options) or (options and kind not in _WORDY):
        raise ValueError("has an enum of something else than texts")
    if tolerance is not None and not (isinstance(tolerance, int | float) and tolerance >= 0):
        raise ValueError(f"has the tolerance {tolerance!r}; give a number from 0 on")
    told = str(about.get("description", ""))
    return Field(
        name=name,
        type=kind,
        options=tuple(options),
        told=told,
        is_required=is_required,
        tolerance=tolerance,
    )


def record_of_row(value: Json, row: Mapping[str, Json], fields: Sequence[Field]) -> str | None:
    """Write the label of a row: its object, or its columns named as the fields. None: there is none."""
    if isinstance(value, str) and value.strip():
        return value
    if not isinstance(value, Mapping):
        found = {field.name: field.cell(row.get(field.name)) for field in fields}
        if all(item is None for item in found.values()):
            return None
        value = found
    return json.dumps(dict(value), ensure_ascii=False)


class Fields:
    """Give one object of fields."""

    name = "fields"
    version = "1"
    made_of = "json_schema"

    def __init__(self, schema: Mapping[str, Any] | None = None) -> None:
        """Take the JSON Schema of the object; None: the fields are those of each example's label."""
        self._fields = fields_of(schema) if schema else ()

    @property
    def schema(self) -> Mapping[str, Json]:
        """The schema that a teacher is held to, in which every field stands."""
        properties = {field.name: _schema_of(field) for field in self._fields}
        closed: dict[str, Json] = {"required": list(properties), "additionalProperties": False}
        return {"type": "object", "properties": properties, **closed} if properties else {}

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """Two records that could be answers."""
        return tuple(
            json.dumps({field.name: _made_up(field, i) for field in self._fields}, ensure_ascii=False)
            for i in range(2 if self._fields else 0)
        )

    @property
    def told(self) -> str:
        """What a teacher is told of the answers."""
        lines = [
            f"- {field.name} ({_words(field)})" + (f": {field.told}" if field.told else "")
            for field in self._fields
        ]
        return "\n".join(["The answer is one JSON object with these fields:", *lines]) if lines else ""

    def prepared(self, example: Example) -> Example:
        """Write the label in the form that is learnt; one that is no such record stays."""
        fields = self._of(example)
        if example.answer is None or not fields:
            return replace(example, choices=())
        record = _record(_parsed(example.answer), fields)
        is_whole = len(record) == len(fields)
        return replace(example, choices=(), answer=_written(record) if is_whole else example.answer)

    def read(self, text: str, example: Example) -> str | None:
        """Read the object that a text concludes, with its readable fields. None: there is none."""
        found = _object(own_words(text))
        if found is None:
            return None
        fields = self._of(example)
        inner = found.get("answer")
        if isinstance(inner, dict) and not any(field.name in found for field in fields):
            found = inner
        if not fields:
            return _written(found) if found else None
        record = _record(found, fields)
        return _written(record) if any(name in found for name in record) else None

    def grade(self, answer: str | None, example: Example) -> Grade:
        """Compare field by field; right is a record whose fields all are."""
        fields, label = self._label(example)
        said = None if answer is None else _parsed(answer)
        if said is None or not (record := _record(said, fields, is_all=False)):
            return Grade.UNREADABLE
        is_right = all(
            field.name in record and field.is_same(record[field.name], label[field.name]) for field in fields
        )
        return Grade.RIGHT if is_right else Grade.WRONG

    def figures(self, answers: Sequence[str | None], examples: Sequence[Example]) -> dict[str, Json]:
        """Count by field: how often it was right, unreadable, and its F1 over what was said and wanted.

        Of a list each text counts; of the others, the value where there is one.
        """
        sums: dict[str, list[int]] = {}
        for answer, example in zip(answers, examples, strict=True):
            fields, label = self._label(example)
            record = _record((None if answer is None else _parsed(answer)) or {}, fields, is_all=False)
            for field in fields:
                said, wanted = record.get(field.name, _ABSENT), label[field.name]
                is_read = said is not _ABSENT
                is_right = is_read and field.is_same(said, wanted)
                counted = field.counts(said if is_read else None, wanted)
                so_far = sums.setdefault(field.name, [0] * 6)
                for i, one in enumerate((1, is_right, not is_read, *counted)):
                    so_far[i] += one
        return {
            "by_field": {
                name: {
                    "n": n,
                    "right": right,
                    "accuracy": right / n,
                    "unreadable": unread / n,
                    "f1": 2 * hits / (said + wanted) if said + wanted else None,
                }
                for name, (n, right, unread, hits, said, wanted) in sums.items()
            }
        }

    def _of(self, example: Example) -> tuple[Field, ...]:
        if self._fields or example.answer is None:
            return self._fields
        found = _parsed(example.answer) or {}
        kinds = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
        return tuple(Field(name=name, type=kinds.get(type(value), "string")) for name, value in found.items())

    def _label(self, example: Example) -> tuple[tuple[Field, ...], dict[str, Any]]:
        if example.answer is None:
            raise DataError(f"example {example.id!r} has no label, so nothing can be graded against it")
        fields = self._of(example)
        record = _record(_parsed(example.answer), fields)
        bad = [field.name for field in fields if field.name not in record]
        if bad or not fields:
            raise DataError(
                f"example {example.id!r} has the label {example.answer!r}, which is no object of the fields "
                f"of task.json_schema (look at {', '.join(bad) or 'the whole'}); mend it, or the schema"
            )
        return fields, record


def _words(field: Field) -> str:
    of = " of: " if field.type == "array" else "one of: "
    said = _TYPES[field.type] if not field.options or field.type == "array" else ""
    options = of + ", ".join(field.options) if field.options else ""
    return f"{said}{options}" + ("" if field.is_required else "; null where there is none")


def _schema_of(field: Field) -> dict[str, Json]:
    kind: Json = field.type if field.is_required else [field.type, "null"]
    told: dict[str, Json] = {"description": field.told} if field.told else {}
    options: Json = [*field.options, *([] if field.is_required else [None])]
    if field.type == "array":
        items: dict[str, Json] = {"enum": list(field.options)} if field.options else {}
        return {"type": kind, "items": {"type": "string", **items}, **told}
    return {"type": kind, **({"enum": options} if field.options else {}), **told}


def _made_up(field: Field, i: int) -> Json:
    text = field.options[i % len(field.options)] if field.options else f"text {i}"
    return {"string": text, "array": [text], "boolean": bool(i)}.get(field.type, i)


def _record(found: object, fields: Iterable[Field], *, is_all: bool = True) -> dict[str, Any]:
    """Take the readable fields of an object, in the order of the schema; a field may be null or left out."""
    given = found if isinstance(found, Mapping) else {}
    read = {
        field.name: field.value(given.get(field.name)) for field in fields if is_all or field.name in given
    }
    return {name: value for name, value in read.items() if value is not _ABSENT}


def _written(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


def _parsed(text: str) -> dict[str, Any] | None:
    """Parse one object; what is broken within its braces is repaired."""
    try:
        found = json.loads(text, parse_constant=float)
    except (ValueError, RecursionError):
        import json_repair

        try:
            found = json_repair.loads(text) if text.strip().startswith("{") else None
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Find where objects begin and end, the outermost ones, each with all its braces."""
    depth, start, is_text = 0, 0, False
    place = 0
    while place < len(text):
        letter = text[place]
        if depth and letter == '"':
            is_text = not is_text
        elif is_text and letter == "\\":
            place += 1
        elif not is_text and letter in "{}":
            start = place if letter == "{" and not depth else start
            depth = max(0, depth + (1 if letter == "{" else -1))
            if letter == "}" and not depth and text[start] == "{":
                yield start, place + 1
        place += 1


def _object(body: str) -> dict[str, Any] | None:
    """Find the object that a text concludes: the one behind its last mark, else the only one."""
    spans = list(_spans(body))
    outside = [mark for mark in marks(body) if not any(start <= mark.place < end for start, end in spans)]
    if outside:
        mark = outside[0]
        found = _BEFORE.match(body, mark.start)
        at = found.end() if found else mark.start
        spans = [span for span in spans if span[0] == at] if mark.is_claimed else []
    read = [_parsed(body[start:end]) for start, end in spans]
    if not read or any(one != read[0] for one in read):
        return None
    rest = body[spans[-1][1] :].lstrip("`* \t")
    is_asked = rest.startswith("?")
    return None if is_asked or turn(rest) is not None else read[0]
