"""Read foreign files line by line, so that a broken line is a finding and does not end the import.

Knows JSON Lines, JSON arrays, and through `core` the tables; nothing of what a row means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tuition.core.errors import DataError
from tuition.core.parse import DECODER, has_lines, opened
from tuition.core.records import Json
from tuition.core.rows import JSON_ENDINGS, read_rows, readable
from tuition.exchange.rows import BadRow, Found, Row, object_of

__all__ = ["found", "numbered", "read_each", "sound"]

_CHUNK = 1 << 20
"""Characters of a JSON array that are read at once."""
_TOKEN = 16
"""Characters that a word of JSON, cut by the end of a chunk, can have at most."""
_BETWEEN = re.compile(r"[\s,]*")


def numbered(path: Path) -> Iterator[tuple[str, Json | BadRow]]:
    """Read the values of a file, each with its place, or why a line has none. Blank lines are passed over.

    JSON Lines or a JSON array, plain or gzip; CSV; Parquet; a folder that `save_to_disk` of the library
    `datasets` wrote; or `hub:NAME:SPLIT`, a data set.
    """
    if path.is_dir():
        path = Path(f"hub:{path.resolve()}:train")
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if ending not in (*JSON_ENDINGS, ".json"):
        for n, row in enumerate(read_rows(path), start=1):
            yield f"{str(path)!r} row {n}", row
        return
    # lines end in \n alone, as JSON Lines has it
    with readable(path), opened(path, newline="\n") as file:
        if _is_one(file, is_named=ending == ".json"):
            yield from _items(file, path)
            return
        for n, line in enumerate(file, start=1):
            if line.strip():
                yield f"{str(path)!r} line {n}", _value(line)


def _is_one(file: IO[str], *, is_named: bool) -> bool:
    """Say whether a file holds one array or object: arrays may be named as lines, and lines as an array."""
    lines = filter(str.strip, file)
    first, is_alone = next(lines, "").strip(), next(lines, None) is None
    file.seek(0)
    if is_named:
        return is_alone or not has_lines(file)
    is_begun = first[:1] == "[" and first[1:].lstrip()[:1] in ("", "{")
    return is_begun and (is_alone or isinstance(_value(first), BadRow))


def read_each(
    read: Callable[[Mapping[str, Json], str], Row], paths: Sequence[Path], teacher: str = ""
) -> Iterator[Found]:
    """Read every row of some files, one at a time; a BadRow that `read` raises is a finding."""
    for path in paths:
        for place, value in numbered(path):
            yield found(place, value, lambda value: read(object_of(value), teacher))


def found(place: str, value: Json | BadRow, read: Callable[[Json], Row]) -> Found:
    """Read one value from `numbered`; a BadRow that `read` raises is a finding."""
    try:
        return Found(place=place, row=read(sound(value)))
    except BadRow as fault:
        return Found(place=place, fault=str(fault))


def sound(value: Json | BadRow) -> Json:
    """Give a value from `numbered`, or raise why there is none."""
    if isinstance(value, BadRow):
        raise value
    return value


def _value(line: str) -> Json | BadRow:
    try:
        value = DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        return BadRow(f"is no JSON: {error}")
    return _whole(value, line)


def _whole(value: Json, source: str) -> Json | BadRow:
    """Refuse half of a surrogate pair, which parses, and fails when something is to be written."""
    if "\\ud" in source.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return BadRow("holds half of a two-part Unicode escape (\\ud…)")
    return value


def _items(file: IO[str], path: Path) -> Iterator[tuple[str, Json | BadRow]]:
    """Read the items of an array as they come; an object is one item, a page of a list its data."""
    text = file.read(_CHUNK)
    start = _behind(text, 0)
    if text[start : start + 1] != "[":
        value: Any = _value(text + file.read())
        is_page = isinstance(value, dict) and isinstance(value.get("data"), list)
        for n, item in enumerate(value["data"] if is_page else [value], start=1):
            yield f"{str(path)!r} item {n}", item
        return
    n, start = 0, start + 1
    while True:
        start = _behind(text, start)
        if text[start : start + 1] == "]":
            behind = text[start + 1 :]
            while behind and not behind.strip():
                behind = file.read(_CHUNK)
            if behind:
                # silently left out, it would not be missed
                raise DataError(
                    f"{str(path)!r} goes on behind the end of its array: {behind.strip()[:_TOKEN]!r}; a "
                    ".json file holds one array, so cut it in two"
                )
            return
        item, end = _next(text, start)
        if end is None or end == len(text):
            more = file.read(_CHUNK)
            if not more:
                raise DataError(
                    f"{str(path)!r} is no whole JSON array: it breaks off in item {n + 1}; fetch it again"
                )
            text, start = text[start:] + more, 0
            continue
        n += 1
        yield f"{str(path)!r} item {n}", item if isinstance(item, BadRow) else _whole(item, text[start:end])
        if isinstance(item, BadRow):
            raise DataError(f"{str(path)!r} item {n} {item}; nothing behind it can be read, so mend it first")
        start = end


def _behind(text: str, start: int) -> int:
    """Where blanks and commas end."""
    blanks = _BETWEEN.match(text, start)
    return blanks.end() if blanks else start


def _next(text: str, start: int) -> tuple[Json | BadRow, int | None]:
    """The item that begins here and where it ends; no end: more must be read to tell."""
    try:
        return DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        is_cut = error.msg.startswith("Unterminated") or error.pos >= len(text) - _TOKEN
        return (None, None) if is_cut else (BadRow(f"is no JSON: {error.msg}"), start)
    except (ValueError, RecursionError) as error:
        return BadRow(f"is no JSON: {error}"), start
