"""Parse rows from the text of a file: JSON Lines, JSON arrays, CSV. Knows no noun: a row is a dictionary."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from tuition.core.errors import DataError
from tuition.core.records import Json

__all__ = ["array_rows", "csv_rows", "json_rows"]

_DELIMITERS = (",", ";", "\t")
_HEAD, _SHOWING = 1 << 16, 20
"""Letters at the beginning of a CSV, and records among them, that show what parts its cells."""


def json_rows(lines: IO[str], path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Parse a row a line, each with its line."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = _decode(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{str(path)!r} line {number} is no JSON: {error}; mend or remove it") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{str(path)!r} line {number} is a JSON {type(row).__name__}, not an object; "
                'expected one line a row, such as {"question": "…", "answer": "…"}'
            )
        if "\\ud" in line.lower():
            _refuse_half(row, f"{str(path)!r} line {number}")
        yield number, row


def _refuse_half(row: Json, place: str) -> None:
    """Refuse half of a surrogate pair: it parses, and fails much later, when it is written or hashed."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{place} holds half of a two-part Unicode escape (\\ud…); mend or remove it"
        ) from None


def array_rows(lines: IO[str], path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Parse one array of rows, each with its number."""
    text = lines.read()
    try:
        rows = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{str(path)!r} is no JSON: {error}; mend it, or name it .jsonl where each "
            "line is a value of its own"
        ) from None
    odd = next((row for row in rows if not isinstance(row, dict)), None) if isinstance(rows, list) else rows
    if odd is not None or not isinstance(rows, list):
        found = (
            f"holds a JSON {type(odd).__name__}"
            if isinstance(rows, list)
            else f"is a JSON {type(rows).__name__}"
        )
        raise DataError(
            f"{str(path)!r} {found}, not an array of objects; expected a row an entry, such as "
            '[{"question": "…", "answer": "…"}, …]'
        )
    if "\\ud" in text.lower():
        _refuse_half(rows, str(path))
    yield from enumerate(rows, start=1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
"""Made once: `json.loads` makes a decoder for each text, and takes four times as long."""


def _delimiter_of(head: str, path: Path) -> str:
    """Find what parts the cells of a CSV: it stands in the header, and divides the first records alike."""
    found: dict[str, list[int]] = {}
    for mark in _DELIMITERS:
        try:
            rows = list(csv.reader(io.StringIO(head, newline=""), delimiter=mark))
        except csv.Error:
            continue
        # the last record may be cut
        found[mark] = [
            len(row) for row in rows[: _SHOWING if len(head) < _HEAD else max(1, len(rows) - 1)] if row
        ]
    fits = [mark for mark, cells in found.items() if len(set(cells)) == 1 and cells[0] > 1]
    if len(fits) > 1:
        raise DataError(
            f"{str(path)!r} can be read with {' or '.join(map(repr, fits))} between its cells; set "
            f"delimiter = {fits[0]!r} in [task.file]"
        )
    return fits[0] if fits else max(found, key=lambda mark: found[mark][:1], default=",")


def csv_rows(lines: IO[str], path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, Json]]]:
    """Parse a row a record of a CSV, each with the line it begins at."""
    if not delimiter:
        head = lines.read(_HEAD)
        lines.seek(0)
        if head.startswith("sep=") and len(head.splitlines()[0]) == 5:
            # Excel writes so what parts the cells
            delimiter = lines.readline()[4]
        else:
            delimiter = _delimiter_of(head, path)
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        header = next(reader, [])
        is_header = all(name.strip() for name in header) and 0 < len(header) == len(set(header))
        if not is_header:
            raise DataError(
                f"{str(path)!r} line 1 is no CSV header: {header!r}; "
                "expected the names of the columns, each once and none empty, such as: id,question,answer"
            )
        end = reader.line_num
        for cells in reader:
            start, end = end + 1, reader.line_num
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{str(path)!r} line {reader.line_num} has {len(cells)} cells, its header {len(header)}; "
                    f"put quotes around cells that hold {'commas' if delimiter == ',' else repr(delimiter)}"
                )
            yield start, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{str(path)!r} line {reader.line_num} is no CSV: {error}; mend or remove it"
        ) from None
