"""Carry the rows of a store out into a file, and from a file or another store in.

A row is one attempt, with its reply and the runs that used it.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuition.core.errors import DataError, MissingExtra, StoreError
from tuition.core.records import Record, Request, canonical_json
from tuition.core.rows import read_rows, write_rows
from tuition.core.store import Store
from tuition.core.store.leases import is_alive
from tuition.core.store.sums import add_to_sums, held_by, recount_sums, scopes_of
from tuition.upkeep.info import open_store
from tuition.upkeep.redact import REDACTED

__all__ = ["Carried", "Form", "adopt_rows", "export_store", "import_rows", "merge_stores"]

Form = Literal["jsonl", "parquet"]
"""How an exported file is written."""

_AT_ONCE = 500
_NESTED = ("request", "price", "failure", "reply", "uses")
"""Columns that hold JSON: values of their own in JSON Lines, texts in Parquet."""
_NUMBERS = (
    *("sample", "round", "worst_nano", "worst_tokens", "cost_nano", "paid_nano", "tokens", "prompt_tokens"),
    *("cached_tokens", "completion_tokens", "reasoning_tokens", "is_estimated", "id"),
)
_MOMENTS = ("latency_s", "started_at", "ended_at")
_OUTCOME = (
    *("state", "cost_nano", "paid_nano", "tokens", "prompt_tokens", "cached_tokens", "completion_tokens"),
    *("reasoning_tokens", "is_estimated", "returned_model", "latency_s", "ended_at", "failure", "headers"),
    "raw",
)
"""Columns of the outcome of a call."""
_NO_ROW = (
    *(KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError),
    sqlite3.IntegrityError,
)
"""Errors of a row that is no row of a store."""
_QUERY = """
  SELECT a.*, r.reply, iif(r.reply IS NULL, NULL, (
    SELECT json_group_array(json_object('run', run, 'round', round, 'teacher', teacher, 'role', role))
    FROM uses WHERE uses.key = a.key)) AS uses
  FROM attempts a LEFT JOIN replies r ON r.key = a.key AND r.attempt_id = a.id ORDER BY a.id
"""
"""Every attempt: the columns of `attempts`, with `reply` and `uses`; JSON as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried(Record):
    """The result of carrying rows into a store."""

    attempts: int
    """Rows that were added."""
    replies: int
    """Answers that were added."""
    known: int
    """Rows that were there already."""
    updated: int
    """Those of them whose end was not known here as it is there; they have it now."""
    unknown: int
    """Rows that were open and are unknown outcomes now, because no process here will see their end."""


def export_store(path: Path, out: Path, *, form: Form = "jsonl") -> int:
    """Write every attempt, with its reply and its uses, into one file.

    Args:
        path: The store.
        out: The file, which is there whole or not at all; one of that name is not replaced.
        form: jsonl or parquet.

    Returns:
        How many rows were written.

    Raises:
        DataError: There is no store; or the file exists, its name does not fit the form, or it cannot be
            written.
        MissingExtra: Parquet is asked for and its library is not installed.
    """
    if out.exists():
        raise DataError(f"{str(out)!r} exists already; name a file that does not, or remove it")
    if out.name.removesuffix(".gz").lower().endswith(".csv"):
        raise DataError(f"{str(out)!r}: a CSV cannot be imported again; end the name in .jsonl")
    if form == "parquet" and out.suffix != ".parquet":
        raise DataError(f"{str(out)!r} should hold Parquet; end its name in .parquet, or drop --form parquet")
    with open_store(path) as store, store.read() as connection:
        rows = map(dict, connection.execute(_QUERY))
        if form == "parquet":
            return _write_parquet(out, rows)
        return write_rows(
            out, ({**row, **{name: json.loads(row[name] or "null") for name in _NESTED}} for row in rows)
        )


def import_rows(path: Path, source: Path) -> Carried:
    """Add the rows of an exported file to a store; ids are given anew, what is there already is not doubled.

    Args:
        path: The store; made when absent.
        source: From `export_store`.

    Returns:
        What was added.

    Raises:
        StoreError: The store cannot be opened or written.
        DataError: The file is not of that form; the rows before the fault have been added.
    """
    rows = (
        row | {name: canonical_json(row[name]) for name in _NESTED if isinstance(row.get(name), dict | list)}
        for row in read_rows(source)
    )
    with Store(path) as store:
        return adopt_rows(store, rows, place=str(source))


def adopt_rows(store: Store, rows: Iterable[Mapping[str, Any]], *, place: str) -> Carried:
    """Add rows of `_QUERY` to a store, some hundreds in a transaction; the sums grow with them.

    A row is there already where an attempt has its tag, or, of rows without one, its key and its beginning.
    Such an attempt takes over an outcome that says more than its own. `place` is for errors.
    """
    counts = dict.fromkeys(Carried.__dataclass_fields__, 0)
    waiting = enumerate(rows, start=1)
    while part := list(itertools.islice(waiting, _AT_ONCE)):

        def adopt(
            connection: sqlite3.Connection, part: list[tuple[int, Mapping[str, Any]]] = part
        ) -> dict[str, int]:
            added = dict.fromkeys(counts, 0)
            for number, row in part:
                try:
                    _adopt(connection, row, added)
                except _NO_ROW as error:
                    raise DataError(
                        f"{place!r} row {number} is no row of a store ({type(error).__name__}: {error}); "
                        "expected what 'tuition store export' writes"
                    ) from None
            return added

        for name, n in store.write(adopt).result().items():
            counts[name] += n
    return Carried(**counts)


def _adopt(connection: sqlite3.Connection, row: Mapping[str, Any], added: dict[str, int]) -> None:
    asked = json.loads(row["request"])
    request = Request.from_json(asked)
    if request.key != row["key"] and REDACTED not in asked:
        raise ValueError(f"key {row['key']!r} is not its request's")
    query, values = "key = ? AND tag = '' AND started_at = ?", (row["key"], row["started_at"])
    if row.get("tag"):
        query, values = "tag = ? AND tag != '' AND key = ?", (row["tag"], row["key"])
    known = connection.execute(f"SELECT * FROM attempts WHERE {query}", values).fetchone()
    if known is None:
        attempt_id, state = _insert(connection, row, added)
    else:
        is_newer = _update(connection, known, row)
        attempt_id, state = known["id"], row["state"] if is_newer else known["state"]
        added["known"] += 1
        added["updated"] += is_newer
    # An answer belongs to a kept attempt; one that is under way here brings its own.
    if row.get("reply") is None or state != "kept":
        return
    made = connection.execute(
        "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?)",
        (row["key"], row["sample"], attempt_id, row["reply"]),
    )
    added["replies"] += made.rowcount
    connection.executemany(
        "INSERT OR IGNORE INTO uses VALUES (?, ?, ?, ?, ?)",
        [
            (use["run"], row["key"], use["round"], use["teacher"], use["role"])
            for use in json.loads(row.get("uses") or "[]")
        ],
    )


def _insert(connection: sqlite3.Connection, row: Mapping[str, Any], added: dict[str, int]) -> tuple[int, str]:
    """Add an attempt; give its id and its state."""
    columns = [info["name"] for info in connection.execute("PRAGMA table_info(attempts)")]
    values = {name: row.get(name) for name in columns if name != "id"}
    if values["state"] == "open":
        values["state"] = "unknown"
        added["unknown"] += 1
    marks = ", ".join(f":{name}" for name in values)
    cursor = connection.execute(f"INSERT INTO attempts ({', '.join(values)}) VALUES ({marks})", values)
    held = held_by(row)
    add_to_sums(connection, scopes_of(row), nano=held.nano or 0, tokens=held.tokens, calls=1)
    added["attempts"] += 1
    assert cursor.lastrowid is not None
    return cursor.lastrowid, str(values["state"])


def _update(connection: sqlite3.Connection, known: sqlite3.Row, row: Mapping[str, Any]) -> bool:
    """Take over an outcome that says more than the one that is here."""
    is_under_way = known["state"] == "open" and (known["batch"] or is_alive(connection, known["owner"]))
    if is_under_way or _knowledge(row) <= _knowledge(known):
        return False
    recount_sums(connection, known, held_by(row))
    marks = ", ".join(f"{name} = :{name}" for name in _OUTCOME)
    values = {name: row.get(name) for name in _OUTCOME}
    connection.execute(f"UPDATE attempts SET {marks} WHERE id = :id", values | {"id": known["id"]})
    return True


def _knowledge(row: Mapping[str, Any] | sqlite3.Row) -> tuple[int, bool]:
    """Order the outcomes of one attempt by what they say: nothing, free, charged, answered; then a count."""
    state = row["state"]
    if state in ("open", "unknown"):
        return 0, False
    rank = 3 if state == "kept" else 2 if row["tokens"] else 1
    return rank, rank > 1 and not row["is_estimated"]


def _write_parquet(out: Path, rows: Iterator[dict[str, Any]]) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data") from None
    first = next(rows, None)
    names = [] if first is None else list(first)
    kinds = {
        **dict.fromkeys(names, pyarrow.string()),
        **dict.fromkeys(_NUMBERS, pyarrow.int64()),
        **dict.fromkeys(_MOMENTS, pyarrow.float64()),
    }
    schema = pyarrow.schema([(name, kinds[name]) for name in names])
    waiting = itertools.chain(() if first is None else (first,), rows)
    draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
    n = 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with parquet.ParquetWriter(draft, schema) as writer:
            while part := list(itertools.islice(waiting, _AT_ONCE)):
                writer.write_table(pyarrow.Table.from_pylist(part, schema=schema))
                n += len(part)
        os.replace(draft, out)
    except OSError as error:
        raise DataError(f"{str(out)!r} cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return n


_MARKS = {"batches": "?, ?, ?, ?, ?, ?, ?, ?", "openings": "?, ?"}
"""Tables that stand beside the attempts, with a mark for each of their columns."""


def merge_stores(left: Path, right: Path, *, out: Path | None = None) -> Carried:
    """Bring two stores together.

    Breaking off does no harm: what is there already is not doubled by the next attempt, and `out` is there
    whole or not at all.

    Args:
        left: A store.
        right: Another; it stays as it is.
        out: A new file that gets both; None: `left` takes what `right` has.

    Returns:
        What was added.

    Raises:
        DataError: One is absent, `out` exists, or both are the same.
        StoreError: Calls are under way in a store that is read.
    """
    if left.resolve() == right.resolve():
        raise DataError(f"{str(left)!r} is both of the two stores; name another one.")
    if out is None:
        with open_store(left) as store:
            return _bring(store, right)
    if out.exists():
        raise DataError(f"{str(out)!r} exists already; name a file that does not.")
    for path in (left, right):
        _check_is_quiet(path)
    draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
    try:
        with Store(draft) as store:
            both = [_bring(store, path) for path in (left, right)]
        # the last connection that closes a store writes its WAL into the file
        os.replace(draft, out)
    finally:
        for ending in ("", "-wal", "-shm"):
            draft.with_name(f"{draft.name}{ending}").unlink(missing_ok=True)
    names = Carried.__dataclass_fields__
    return Carried(**{name: sum(getattr(one, name) for one in both) for name in names})


def _check_is_quiet(path: Path) -> None:
    """Refuse to read a store whose calls are under way: their ends would be missed."""
    with open_store(path) as store:
        with store.read() as connection:
            row = connection.execute(
                "SELECT owner, COUNT(*) AS n FROM attempts WHERE state = 'open' AND batch = '' GROUP BY owner"
            ).fetchone()
        if row is not None:
            raise StoreError(
                f"{row['n']} calls are under way in {str(path)!r}, of {row['owner']!r}; "
                "let that run end first."
            )
        batches = [batch.name for batch in store.batches() if batch.state != "over"]
        if batches:
            raise StoreError(f"batch {batches[0]!r} is under way in {str(path)!r}; let it end first.")


def _bring(store: Store, path: Path) -> Carried:
    _check_is_quiet(path)
    with open_store(path) as source, source.read() as connection:
        connection.execute("BEGIN")
        carried = adopt_rows(store, map(dict, connection.execute(_QUERY)), place=str(path))
        beside = {
            table: [tuple(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]
            for table in _MARKS
        }
    for table, rows in beside.items():
        insert = f"INSERT OR IGNORE INTO {table} VALUES ({_MARKS[table]})"
        store.write(lambda to, insert=insert, rows=rows: to.executemany(insert, rows).rowcount).result()
    return carried
