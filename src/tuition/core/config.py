"""Configuration: TOML in, frozen sections out, and every fault of a file told at once.

Precedence: default, then file, then `key=value`. No class paths, no interpolation, no environment variables.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import json
import math
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError, to_jsonable_python

from tuition.core.errors import ConfigError, nearest

__all__ = [
    "Section",
    "TaskSection",
    "Words",
    "complete",
    "meanings",
    "override",
    "parse",
    "read_toml",
    "read_words",
    "unspoken",
]

_UNSPOKEN = "unspoken"
_MOST_LETTERS = 20_000
_MOST_BYTES = 4 * _MOST_LETTERS

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=_MOST_LETTERS)]
"""A user's own words for a prompt."""


class Section(BaseModel):
    """One table of a configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the keys; `use_attribute_docstrings` would read all the source at every start."""
        whole = handler.resolve_ref_schema(handler(schema))
        for name, line in meanings(cls).items():
            whole["properties"][name].setdefault("description", line)
        return whole


def meanings(section: type[Section]) -> dict[str, str]:
    """Read the line under each field out of the source of a section; one typed into a session has none."""
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__[: section.__mro__.index(Section)]):
        with contextlib.suppress(OSError, TypeError):
            [defined] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            found |= {
                field.target.id: inspect.cleandoc(under.value.value)
                for field, under in pairwise(getattr(defined, "body", ()))
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                if field.target.id in section.model_fields
                if isinstance(under, ast.Expr) and isinstance(under.value, ast.Constant)
                if isinstance(under.value.value, str)
            }
    return found


class TaskSection(Section):
    """What every table `[task]` has, whichever its source."""

    instruction: Words = ""
    """What the task is, in your own words: the beginning of every prompt to a teacher."""
    instruction_file: str = ""
    """The same from a text file, in the place of `instruction`; read once, relative to the configuration."""
    labels: Mapping[str, str] | None = None
    """Of `kind = "label"`: the labels, a list of names or a table of names with what each means; left out:
    those of the training examples, written into the run's own configuration."""
    json_schema: Mapping[str, Any] | None = None
    """Of `kind = "fields"`: the JSON Schema of an answer, an object of texts, numbers, booleans and lists of
    texts; or the name of a JSON file that holds it, which is read once."""

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, tables: Any) -> Any:
        if not isinstance(tables, Mapping) or not tables.get("instruction_file"):
            return tables
        if tables.get("instruction"):
            raise ValueError("instruction and instruction_file are both set; name one of the two")
        return {**tables, "instruction": read_words(tables["instruction_file"]), "instruction_file": ""}

    @field_validator("labels", mode="before")
    @classmethod
    def _name_each(cls, value: object) -> object:
        """Take a list of names for a table without meanings."""
        if not isinstance(value, list | tuple | Mapping):
            return value
        # names that differ by case alone could not be told apart in a reply
        names = [" ".join(str(name).casefold().split()) for name in value]
        if len(names) < 2 or len(set(names)) < len(names) or "" in names:
            raise ValueError(f"{list(value)!r} are no labels: give two or more, none empty and none twice")
        return value if isinstance(value, Mapping) else dict.fromkeys(value, "")

    @field_validator("json_schema", mode="before")
    @classmethod
    def _read_schema(cls, value: object) -> object:
        if not isinstance(value, str):
            return _without_null(value)
        try:
            return _without_null(json.loads(Path(value).read_text(encoding="utf-8-sig")))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{value!r} cannot be read: {error}; name a JSON file, or write a table"
            ) from None


def read_words(path: object) -> str:
    """Read a user's own words from a small text file."""
    try:
        with Path(str(path)).open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").strip() if len(raw) <= _MOST_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        raise ConfigError(f"{str(path)!r} cannot be read: {reason}; name a text file.") from None
    if not text or len(text) > _MOST_LETTERS:
        raise ConfigError(f"{str(path)!r} has no letter or too many; 1 to {_MOST_LETTERS:,} are taken.")
    return text


def _without_null(value: object) -> object:
    """Leave out entries that are null, which TOML cannot hold."""
    if isinstance(value, Mapping):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return value


def unspoken(message: str) -> PydanticCustomError:
    """Make the error of a value that no text may repeat, for it may be a secret in the wrong place."""
    return PydanticCustomError(_UNSPOKEN, "{message}", {"message": message})


SectionType = TypeVar("SectionType", bound=Section)

_DEEPEST = 20
_LARGEST = 2**53
"""Beyond it JSON's readers round, and libraries overflow."""
_TOO_DEEP = f"holds tables or lists more than {_DEEPEST} deep; no configuration needs that"


def read_toml(path: Path) -> dict[str, object]:
    """Read a configuration file."""
    try:
        # utf-8-sig forgives the mark that some editors put first
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"no configuration file {str(path)!r}; write one with: tuition init {path}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{str(path)!r} is not readable as TOML: {error}. Strings need quotes; see "
            "docs/how-to/configuration.md."
        ) from None
    except RecursionError:
        raise ConfigError(f"{str(path)!r} {_TOO_DEEP}") from None
    _refuse_odd(tables, where=str(path))
    is_resolved = path.name == "config.toml" and (path.parent / "run_id").exists()
    return {"config_version": 1, **tables} if is_resolved else tables


def override(tables: Mapping[str, object], settings: Iterable[str]) -> dict[str, object]:
    """Lay `key=value` settings over the tables of a file.

    A dot goes one table down, a number picks an entry of a list: `training.steps=50`, `teacher.0.weight=2`.
    Values are TOML; what is no TOML is a string.
    """
    result: dict[str, object] = copy.deepcopy(dict(tables))
    for setting in (settings := list(settings)):
        key, sign, text = setting.partition("=")
        if not sign or not key:
            raise ConfigError(f"setting {setting!r} is not of the form key=value, such as training.steps=50")
        try:
            value: object = tomllib.loads(f"value = {text}")["value"]
        except RecursionError:
            raise ConfigError(f"the setting {text[:40]!r}… {_TOO_DEEP}") from None
        except tomllib.TOMLDecodeError:
            value = text
        _set(result, key.strip().split("."), value, setting=key.strip())
    _refuse_odd(result, where="the command line")
    return result


def _refuse_odd(tables: Mapping[str, object], *, where: str) -> None:
    """Refuse values that no key can have, before something far away fails on them."""
    faults: list[str] = []
    left: list[tuple[str, object, int]] = [("", tables, 0)]
    while left:
        place, value, depth = left.pop()
        if depth > _DEEPEST:
            raise ConfigError(f"{where} {_TOO_DEEP}")
        if isinstance(value, Mapping | list):
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            left += [(f"{place}.{key}".lstrip("."), inner, depth + 1) for key, inner in pairs]
        elif isinstance(value, float) and not math.isfinite(value):
            faults.append(f"{place!r} is {value}; expected a finite number: leave the key out for no limit")
        elif isinstance(value, int) and abs(value) > _LARGEST:
            faults.append(f"{place!r} is beyond {_LARGEST}, either side of 0; expected a smaller number")
    if faults:
        raise ConfigError(f"{where}: {'; '.join(sorted(faults))}")


def _set(tables: Any, path: list[str], value: object, *, setting: str) -> None:
    for name in path[:-1]:
        tables = _entry(tables, name, setting) if isinstance(tables, list) else tables.setdefault(name, {})
        if not isinstance(tables, dict | list):
            raise ConfigError(f"setting {setting!r}: {name!r} is a value, not a table")
    if isinstance(tables, list):
        _entry(tables, path[-1], setting)
        tables[int(path[-1])] = value
    else:
        tables[path[-1]] = value


def _entry(entries: list[Any], name: str, setting: str) -> Any:
    if not name.isdigit() or int(name) >= len(entries):
        raise ConfigError(
            f"setting {setting!r}: there is no entry {name!r}; the list has {len(entries)}, counted from 0"
        )
    return entries[int(name)]


def parse(section: type[SectionType], tables: Mapping[str, object], *, where: str) -> SectionType:
    """Check tables whole and make the section of them."""
    try:
        return section.model_validate(tables)
    except ValidationError as error:
        faults = [_fault(section, found) for found in error.errors()]
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise ConfigError(
            f"{where}: {count} in the configuration\n" + "\n".join(f"  {fault}" for fault in faults)
        ) from None


def complete(
    section: type[Section], tables: Mapping[str, Any], defaults: Mapping[str, Any], *, place: str = ""
) -> dict[str, Any]:
    """Write a default wherever tables leave a key open. Nothing is checked, and no given value changes."""
    result = dict(tables)
    for name, field in section.model_fields.items():
        here, inner = f"{place}{name}", _inner_section(field.annotation)
        if name not in result:
            own = None if field.is_required() else field.get_default(call_default_factory=True)
            value = defaults.get(here, to_jsonable_python(own, exclude_none=True))
            inside = {key: default for key, default in defaults.items() if key.startswith(f"{here}.")}
            for key, default in inside.items() if isinstance(value, dict) else ():
                _set(value, key.removeprefix(f"{here}.").split("."), default, setting=key)
            if value is not None or here in defaults:
                result[name] = value
        elif inner is not None:
            result[name] = _complete_each(inner, result[name], defaults, place=f"{here}.")
    return result


def _complete_each(section: type[Section], value: Any, defaults: Mapping[str, Any], *, place: str) -> Any:
    if isinstance(value, list):
        return [_complete_each(section, entry, defaults, place=place) for entry in value]
    return complete(section, value, defaults, place=place) if isinstance(value, Mapping) else value


def _fault(section: type[Section], found: ErrorDetails) -> str:
    loc, kind, value = found["loc"], found["type"], found["input"]
    place = ".".join(str(part) for part in loc)
    if kind == "extra_forbidden":
        for part in loc[:-1]:
            if part in section.model_fields:
                section = _inner_section(section.model_fields[str(part)].annotation) or section
        known = sorted(section.model_fields)
        hint = nearest(str(loc[-1]), known) or "."
        return f"unknown key {place!r}{hint} Known here: {', '.join(known)}."
    if kind == "missing":
        return f"{place!r} is missing"
    if not place:
        return found["msg"].removeprefix("Value error, ")
    if kind == _UNSPOKEN:
        return f"{place!r}: {found['msg']}"
    if kind == "tuple_type" and isinstance(value, Mapping):
        return f"[{place}] is a table of its own; write [[{place}]], for there may be several"
    shown = repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__
    return f"{place!r} is {shown}: {found['msg'].removeprefix('Value error, ')}"


def _inner_section(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    inner = (_inner_section(part) for part in getattr(annotation, "__args__", ()))
    return next((part for part in inner if part), None)
