"""Parse rows from the text of a file: JSON by line or as a whole, CSV. Knows no noun: a row is a dictionary.

What a file holds counts, not its name alone: an array may be named .jsonl, and lines may be named .json.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn, TextIO, cast

from tuition.core.errors import DataError
from tuition.core.records import Json

__all__ = ["DECODER", "array_rows", "csv_rows", "has_half", "has_lines", "json_rows", "opened"]

_DELIMITERS = (",", ";", "\t")
_HEAD, _SHOWING = 1 << 16, 20
"""Letters at the beginning of a CSV, and records among them, that show what parts its cells."""
# A context may be a whole book; the library's own limit, which the process shares, is 131,072 letters.
csv.field_size_limit(2**31 - 1)
_BLANKS = re.compile(r"\s*")


def opened(path: Path, *, newline: str = "") -> TextIO:
    """Open a text, packed or not, in the Unicode form that its first bytes tell, with or without a mark."""
    way = gzip.open if path.name.endswith(".gz") else open
    with way(path, "rb") as file:
        encoding = json.detect_encoding(file.read(4))
    return cast("TextIO", way(path, "rt", encoding=encoding, newline=newline))


def has_lines(lines: IO[str]) -> bool:
    """Say whether the first line that is not blank is a whole JSON object; reads from the beginning."""
    lines.seek(0)
    first = next(filter(str.strip, lines), "{}")
    lines.seek(0)
    try:
        return isinstance(DECODER.decode(first), dict)
    except (ValueError, RecursionError):
        return False


def _whole(text: str) -> list[dict[str, Json]] | None:
    """Parse the objects of a text: an array, the only one within an object, or objects in a row."""
    found: list[Any] = []
    place = _blanks_end(text, 0)
    try:
        while place < len(text):
            value, end = DECODER.raw_decode(text, place)
            found.append(value)
            place = _blanks_end(text, end)
    except (ValueError, RecursionError):
        return None
    if len(found) == 1 and isinstance(found[0], dict) and (rows := _turned(found[0])):
        return rows
    if len(found) == 1:
        inner = found[0].values() if isinstance(found[0], dict) else found
        lists = [one for one in inner if isinstance(one, list) and (one or inner is found)]
        lists = [one for one in lists if all(isinstance(row, dict) for row in one)]
        found = lists[0] if len(lists) == 1 else [None]
    return found if all(isinstance(row, dict) for row in found) else None


def _turned(table: dict[str, Any]) -> list[dict[str, Json]]:
    """Give the rows of a table of columns or of rows by their ids; none where it is neither."""
    columns = list(table.values())
    if all(isinstance(one, dict) and one and all(key.isdecimal() for key in one) for one in columns):
        # numbers of rows within each column
        columns = [list(one.values()) for one in columns]
    elif len(columns) > 1 and all(isinstance(one, dict) for one in columns):
        return [{"id": id, **row} for id, row in table.items()]
    is_even = len(columns) > 1 and all(isinstance(one, list) for one in columns)
    if (
        not is_even
        or len(set(map(len, columns))) > 1
        or dict in {type(cell) for one in columns for cell in one}
    ):
        return []
    return [dict(zip(table, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _blanks_end(text: str, start: int) -> int:
    blanks = _BLANKS.match(text, start)
    return blanks.end() if blanks else start


def json_rows(lines: IO[str], path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Parse a row a line, each with its line; a text that is not written so is parsed as a whole."""
    if not has_lines(lines):
        text = lines.read()
        lines.seek(0)
        if (rows := _whole(text)) is not None:
            yield from _sound(rows, text, path)
            return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{str(path)!r} line {number} is no JSON: {error}; mend or remove it") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{str(path)!r} line {number} is a JSON {type(row).__name__}, not an object; "
                'expected one line a row, such as {"question": "…", "answer": "…"}'
            )
        if has_half(row, line):
            raise DataError(
                f"{str(path)!r} line {number} holds half of a two-part Unicode escape (\\ud…); mend or "
                "remove it"
            )
        yield number, row


def has_half(value: object, text: str) -> bool:
    """Say whether a text's value holds half of a surrogate pair, which fails when it is written or hashed."""
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return True
    return False


def _sound(rows: list[dict[str, Json]], text: str, path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    if has_half(rows, text):
        raise DataError(f"{path} holds half of a two-part Unicode escape (\\ud…); mend or remove it")
    yield from enumerate(rows, start=1)


def array_rows(lines: IO[str], path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Parse the rows of a JSON text, each with its number."""
    text = lines.read()
    found = _whole(text)
    if found is not None:
        yield from _sound(found, text, path)
        return
    try:
        rows = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{str(path)!r} is no JSON: {error}; mend it, or name it .jsonl where each "
            "line is a value of its own"
        ) from None
    odd = next((row for row in rows if not isinstance(row, dict)), None) if isinstance(rows, list) else rows
    what = "holds" if isinstance(rows, list) else "is"
    raise DataError(
        f"{str(path)!r} {what} a JSON {type(odd).__name__}, not an array of objects; expected a row an "
        'entry, such as [{"question": "…", "answer": "…"}, …]'
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Made once: `json.loads` makes a decoder for each text, and takes four times as long."""


def _delimiter_of(head: str, path: Path) -> str:
    """Find what parts the cells of a CSV: it stands in the header, and divides the first records alike."""
    found: dict[str, list[int]] = {}
    for mark in _DELIMITERS:
        try:
            rows = list(csv.reader(io.StringIO(head, newline=""), delimiter=mark, skipinitialspace=True))
        except csv.Error:
            continue
        # the last record may be cut
        found[mark] = [
            len(_cells(row))
            for row in rows[: _SHOWING if len(head) < _HEAD else max(1, len(rows) - 1)]
            if row
        ]
    fits = [mark for mark, cells in found.items() if len(set(cells)) == 1 and cells[0] > 1]
    if len(fits) > 1:
        raise DataError(
            f"{str(path)!r} can be read with {' or '.join(map(repr, fits))} between its cells; set "
            f"delimiter = {fits[0]!r} in [task.file]"
        )
    return fits[0] if fits else max(found, key=lambda mark: found[mark][:1], default=",")


def _is_bare(head: str) -> bool:
    """Say whether quotation marks between tabs are letters: every line is a row, and some not well quoted."""
    rows = [line for line in io.StringIO(head) if line.strip()]
    rows = rows if len(head) < _HEAD else rows[:-1]
    try:
        for row in rows:
            next(csv.reader([row], strict=True, delimiter="\t"))
    except csv.Error:
        return len({row.count("\t") for row in rows}) == 1
    return False


def csv_rows(lines: IO[str], path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, Json]]]:
    """Parse a row a record of a CSV, each with the line it begins at."""
    head = lines.read(_HEAD)
    lines.seek(0)
    if not delimiter and head.startswith("sep=") and len(head.splitlines()[0]) == 5:
        # Excel writes so what parts the cells
        delimiter = lines.readline()[4]
    delimiter = delimiter or _delimiter_of(head, path)
    # some write a blank behind each comma, the header's too
    is_spaced = f"{delimiter} " in head.partition("\n")[0]
    is_bare = delimiter == "\t" and _is_bare(head)
    quoting = csv.QUOTE_NONE if is_bare else csv.QUOTE_MINIMAL
    reader = csv.reader(lines, strict=True, delimiter=delimiter, skipinitialspace=is_spaced, quoting=quoting)
    try:
        header = _cells([name.strip() for name in next(filter(any, reader), [])])
        # a table that was written with its row numbers has no name above them
        if not all(header[1:]) or not any(header) or len(header) != len(set(header)):
            raise DataError(
                f"{str(path)!r} line 1 is no CSV header: {header!r}; "
                "expected the names of the columns, each once and none empty, such as: id,question,answer"
            )
        end = reader.line_num
        for cells in reader:
            start, end = end + 1, reader.line_num
            if not cells:
                continue
            cells = [*cells[: len(header)], *_cells(cells[len(header) :])]
            if len(cells) != len(header):
                raise DataError(
                    f"{str(path)!r} line {reader.line_num} has {len(cells)} cells, its header {len(header)}; "
                    f"put quotes around cells that hold {'commas' if delimiter == ',' else repr(delimiter)}"
                )
            yield start, {name: cell for name, cell in zip(header, cells, strict=True) if name}
    except csv.Error as error:
        raise DataError(
            f"{str(path)!r} line {reader.line_num} is no CSV: {error}; mend or remove it"
        ) from None


def _cells(cells: list[str]) -> list[str]:
    """Leave out the empty cells at the end."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells
