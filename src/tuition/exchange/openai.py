"""Read what OpenAI's endpoints keep in two files: fine-tuning with its provenance, a batch with its requests.

Any endpoint of that form writes the same: `vllm run-batch` is a batch.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError
from tuition.core.records import Json
from tuition.exchange.forms import READS, completion_row
from tuition.exchange.lines import found, numbered, read_each, sound
from tuition.exchange.rows import BadRow, Found, Row, is_carried, object_of, text_of

__all__ = ["provenance_path", "read_batch", "read_messages"]


def provenance_path(path: Path) -> Path:
    """Name the file beside a fine-tuning file, whose own rows may hold nothing but messages.

    It says line by line whose words the fine-tuning file holds.
    """
    return path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.jsonl')}.provenance.jsonl")


def read_messages(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read fine-tuning files; ids, labels and teachers are in the provenance, where our export left one."""
    for path in paths:
        beside = provenance_path(path)
        if beside.exists():
            yield from _with_provenance(path, beside, teacher=teacher)
        else:
            yield from read_each(READS["openai-messages"], [path], teacher)


def _with_provenance(path: Path, beside: Path, *, teacher: str) -> Iterator[Found]:
    for line, more in itertools.zip_longest(numbered(path), numbered(beside)):
        if line is None or more is None:
            raise DataError(
                f"{str(beside)!r} has other lines than {str(path)!r}, whose provenance it is; "
                "remove it to import the messages alone"
            )
        place, value = line
        yield found(place, value, partial(_with_more, more=more[1], teacher=teacher))


def _with_more(value: Json, *, more: Json | BadRow, teacher: str) -> Row:
    provenance = object_of(sound(more))
    if not is_carried(provenance):
        raise BadRow("has no whole provenance; remove its file to import the messages alone")
    return READS["openai-messages"]({**provenance, **object_of(value)}, teacher)


def read_batch(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read the outputs of a batch beside its requests, the files in any order.

    The `custom_id` is the id. A request that no output answers is a finding too.
    """
    # outputs come in another order than requests; an empty name makes SQLite use a temporary file
    with closing(sqlite3.connect("", isolation_level=None)) as index:
        index.execute(
            "CREATE TABLE requests (id BLOB PRIMARY KEY, place TEXT, body TEXT, "
            "is_answered INTEGER DEFAULT 0, has_reply INTEGER DEFAULT 0)"
        )
        index.execute("BEGIN")
        for place, value in _values(paths):
            if not _is_output(value):
                yield from _note(index, place, value)
        for place, value in _values(paths):
            if _is_output(value):
                yield _output(index, place, value, teacher=teacher)
        query = "SELECT place FROM requests WHERE NOT is_answered ORDER BY rowid"
        for (place,) in index.execute(query):
            yield Found(place=place, fault="has no reply in the outputs")


def _values(paths: Sequence[Path]) -> Iterator[tuple[str, Json | BadRow]]:
    for path in paths:
        yield from numbered(path)


def _is_output(value: Json | BadRow) -> bool:
    return isinstance(value, Mapping) and ("response" in value or "error" in value)


def _note(index: sqlite3.Connection, place: str, value: Json | BadRow) -> Iterator[Found]:
    """Remember a request; what is none is a finding."""
    try:
        row = object_of(sound(value))
        key = text_of(row.get("custom_id"), "custom_id").encode()
        body = json.dumps(object_of(row.get("body"), "body"))
        index.execute("INSERT INTO requests (id, place, body) VALUES (?, ?, ?)", (key, place, body))
    except sqlite3.IntegrityError:
        yield Found(place=place, fault="has the custom_id of an earlier request")
    except BadRow as bad:
        yield Found(place=place, fault=str(bad))


def _output(index: sqlite3.Connection, place: str, value: Any, *, teacher: str) -> Found:
    try:
        id = text_of(value.get("custom_id"), "custom_id")
        key = (id.encode(),)
        query = "SELECT body, has_reply FROM requests WHERE id = ?"
        found = index.execute(query, key).fetchone()
        if found is None:
            raise BadRow(f"answers {id!r}, which is no request of the files given; give the input file too")
        index.execute("UPDATE requests SET is_answered = 1 WHERE id = ?", key)
        row = completion_row(_body(value), json.loads(found[0]).get("messages"), teacher=teacher, id=id)
        if found[1]:
            raise BadRow(f"answers {id!r} a second time; give the outputs of one batch")
        index.execute("UPDATE requests SET has_reply = 1 WHERE id = ?", key)
        return Found(place=place, row=row)
    except BadRow as bad:
        return Found(place=place, fault=str(bad))


def _body(value: Mapping[str, Json]) -> Mapping[str, Json]:
    response, error = value.get("response"), value.get("error")
    if error or not isinstance(response, Mapping):
        raise BadRow(f"failed: {_said(error) or 'no response'}")
    body = object_of(response.get("body"), "body")
    status = response.get("status_code")
    if status is not None and not (isinstance(status, int) and 200 <= status < 300):
        raise BadRow(f"failed with status {status}: {_said(body.get('error')) or body}")
    return body


def _said(error: Json) -> str:
    if isinstance(error, Mapping):
        return " ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    return str(error or "")
