"""Read and write rows: JSON Lines and CSV, plain or gzip; read JSON arrays, tables and data sets too.

Knows no noun: a row is a dictionary. Of the files of a run it knows the numbers of their formats.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tuition.core.errors import DataError, nearest
from tuition.core.parse import array_rows, csv_rows, json_rows, opened
from tuition.core.records import Json, RevisionOutcome
from tuition.core.tables import HUB, read_dataset, read_parquet, read_workbook

__all__ = [
    "ENDINGS",
    "FORMATS",
    "JSON_ENDINGS",
    "check_format",
    "ending_of",
    "json_line",
    "numbered_rows",
    "part_of",
    "read_metrics",
    "read_own_rows",
    "read_rows",
    "readable",
    "resolve_data",
    "write_rows",
]

FORMATS = {"metrics.json": 1, "events.jsonl": 1, "annotations.jsonl": 2}
"""The `format` of what a run writes, by file: in the metrics, in the event that begins a run or goes on with
it, in each annotation. It grows where an older program would misread the file; 0.1.0 wrote none: it is 1."""

_SAID: Mapping[str, RevisionOutcome] = {
    "answer confirmed": "right",
    "kept all": "right",
    "answer corrected": "answer_wrong",
    "mended": "mended",
    "changed": "mended",
    "JSON unreadable": "unread",
    "answer unreadable": "unread",
}
"""How the sentences of `said_by` began, and what they came to."""

JSON_ENDINGS = (".jsonl", ".ndjson", ".json-lines")
"""Of files that hold one JSON value a line."""
_TEXT_ENDINGS = (*JSON_ENDINGS, ".csv")
_TABLES = {".parquet": "Parquet", ".xlsx": "a workbook"}
ENDINGS = (*_TEXT_ENDINGS, ".tsv", ".json", *_TABLES)
"""Of files that can be read; those with text in them also with .gz behind it."""
_DATA = "data:"
_DEFAULT_FOLDER = "data"
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
"""How a cell begins that spreadsheets may run."""
_SIGNED = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""A number, which they show."""
_LINE_ENDS = {0x85: r"\u0085", 0x2028: r"\u2028", 0x2029: r"\u2029"}
"""Characters that JSON leaves bare and at which some tools end a line."""


def resolve_data(path: str) -> Path:
    """Find a file that a configuration names."""
    if not path.startswith(_DATA):
        return Path(path)
    folder = Path(os.environ.get("TUITION_DATA") or _DEFAULT_FOLDER)
    if not folder.is_dir():
        raise DataError(
            f"no data folder {str(folder)!r}, where {path!r} should lie; "
            "set TUITION_DATA to the folder, or write a path without 'data:'"
        )
    return folder / path.removeprefix(_DATA)


def check_format(found: Mapping[str, Any], path: Path) -> None:
    """Refuse what a newer program wrote in a form that this one would misread."""
    known = FORMATS[path.name]
    if found.get("format", 1) > known:
        raise DataError(
            f"{str(path)!r} is of format {found['format']}, and this program reads up to {known}; use the "
            "version of tuition that wrote it."
        )


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read the figures of a run, whatever version wrote them."""
    path = folder / "metrics.json"
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    check_format(found, path)
    reader = f"{found.get('task', '')} {found.get('task_version', '')}".strip()
    shown = {split: {"reader": reader, **found[split]} for split in ("valid", "test") if found.get(split)}
    return {**found, **shown}


def read_own_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a file that a run wrote."""
    rows: Iterator[dict[str, Any]] = read_rows(path)
    for row in rows:
        check_format(row, path)
        if "said_by" in row:
            # An annotation of format 1 had sentences alone. A teacher's name may hold a colon; what was said
            # never did.
            said = [text.rpartition(": ")[2] for text in row["said_by"]]
            found = [outcome for what in said for begin, outcome in _SAID.items() if what.startswith(begin)]
            more = {"outcome": (found or [""])[-1], "is_repaired": "JSON repaired" in said}
            row |= {"history": row["said_by"], **more}
        yield row


def read_rows(path: Path, *, delimiter: str = "", sheet: str = "") -> Iterator[dict[str, Json]]:
    """Read the rows of a file, one at a time. Blank lines are passed over.

    `delimiter` parts the cells of a CSV, whose first lines show it else; `sheet` is one of a workbook.
    """
    return (row for _, row in numbered_rows(path, delimiter=delimiter, sheet=sheet))


def numbered_rows(
    path: Path, *, delimiter: str = "", sheet: str = ""
) -> Iterator[tuple[int, dict[str, Json]]]:
    """Read the rows of a file, each with the line it begins at; without lines, with its number."""
    if str(path).startswith(HUB):
        yield from enumerate(read_dataset(str(path)), start=1)
        return
    ending = ending_of(path, known=ENDINGS)
    with readable(path):
        if ending in _TABLES:
            table = read_parquet(path) if ending == ".parquet" else read_workbook(path, sheet=sheet)
            yield from enumerate(table, start=1)
            return
        # newline="" leaves line ends in quoted CSV cells alone
        with opened(path) as lines:
            if ending in (".csv", ".tsv"):
                yield from csv_rows(lines, path, "\t" if ending == ".tsv" else delimiter)
            else:
                yield from (array_rows if ending == ".json" else json_rows)(lines, path)


@contextlib.contextmanager
def readable(path: Path) -> Generator[None]:
    """Turn what goes wrong while a file is read into an error that says what to do."""
    try:
        yield
    except FileNotFoundError:
        folder = path.parent
        if not folder.is_dir():
            raise DataError(
                f"no file {str(path)!r}: its folder does not exist either; correct the path"
            ) from None
        known = [item.name for item in folder.iterdir() if item.is_file()]
        hint = nearest(path.name, known) or "; correct the path"
        raise DataError(f"no file {path.name!r} in {str(folder)!r}{hint}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{str(path)!r} is not UTF-8 ({error.reason}); save it as UTF-8, such as with: iconv -t utf-8"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{str(path)!r} is no whole gzip file: {error}; fetch it again, or drop .gz from its name"
        ) from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}") from None


def ending_of(path: Path, *, known: Sequence[str] = _TEXT_ENDINGS) -> str:
    """Find out from its name how a file is written, packed or not."""
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    if ending not in known or (ending in _TABLES and path.name.endswith(".gz")):
        texts, tables = ([one for one in known if (one in _TABLES) == which] for which in (False, True))
        more = f", or in {' or '.join(tables)}" if tables else ""
        raise DataError(
            f"{str(path)!r} is of no known form; expected a name ending in "
            f"{', '.join(texts)}, with or without .gz{more}"
        )
    return ending


def write_rows(path: Path, rows: Iterable[Mapping[str, Json]]) -> int:
    """Write rows to a file so that it is there whole or not at all."""
    ending = ending_of(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as raw:
            n = _write(raw, rows, is_csv=ending == ".csv", is_packed=path.name.endswith(".gz"))
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return n


def part_of(
    path: Path, rows: Iterable[Mapping[str, Json]], *, columns: Sequence[str], is_first: bool
) -> bytes:
    """Write rows as the next bytes of a file, packed or not, so that it can grow part by part.

    In CSV, the first part has the header, and no cell is a formula to a spreadsheet.
    """
    raw, is_packed = io.BytesIO(), path.name.endswith(".gz")
    if ending_of(path) != ".csv":
        _write(raw, rows, is_csv=False, is_packed=is_packed)
        return raw.getvalue()
    table = [[_cell(row.get(column)) for column in columns] for row in rows]
    lines = _csv_lines([[_cell(column) for column in columns], *table] if is_first else table)
    whole = "".join(lines).encode()
    return gzip.compress(whole, mtime=0) if is_packed else whole


def _csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Write rows of cells as lines."""
    for row in rows:
        line = io.StringIO(newline="")
        # Asked for lines that end in \n alone, it leaves a lone \r in a cell without quotes.
        csv.writer(line).writerow(row)
        yield line.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Json) -> str:
    """Put a value into a cell: a list of texts as it is read again, any other value but a text as JSON."""
    if isinstance(value, list) and all(isinstance(part, str) and "|" not in part for part in value):
        text = " | ".join(map(str, value))
    elif value is None or isinstance(value, str):
        text = value or ""
    else:
        text = json.dumps(value, ensure_ascii=False)
    return f"'{text}" if _FORMULA.match(text) and not _SIGNED.fullmatch(text) else text


def _write(
    raw: IO[bytes] | gzip.GzipFile, rows: Iterable[Mapping[str, Json]], *, is_csv: bool, is_packed: bool
) -> int:
    if is_packed:
        # no name and no time inside, so that equal rows make equal files
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            return _write(packed, rows, is_csv=is_csv, is_packed=False)
    text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    n = 0
    if is_csv:
        table = list(rows)
        columns, n = list(dict.fromkeys(key for row in table for key in row)), len(table)
        cells = ([row.get(column) for column in columns] for row in table)
        text.writelines(_csv_lines([columns, *cells] if columns else []))
    else:
        for row in rows:
            n += 1
            text.write(json_line(row) + "\n")
    text.detach()
    return n


def json_line(row: Mapping[str, Json]) -> str:
    """Write a row as one line of JSON, without the end of the line."""
    line = json.dumps(dict(row), ensure_ascii=False, allow_nan=False)
    return line if line.isascii() else line.translate(_LINE_ENDS)
