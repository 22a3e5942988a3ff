"""Bring two stores together: every attempt, reply and use of both, each once."""

from __future__ import annotations

import os
from pathlib import Path

from tuition.core.errors import DataError, StoreError
from tuition.core.store import Store
from tuition.upkeep.info import open_store
from tuition.upkeep.transfer import Carried, adopt_rows, stored_rows

__all__ = ["merge_stores"]

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
        carried = adopt_rows(store, stored_rows(connection), place=str(path))
        beside = {
            table: [tuple(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]
            for table in _MARKS
        }
    for table, rows in beside.items():
        insert = f"INSERT OR IGNORE INTO {table} VALUES ({_MARKS[table]})"
        store.write(lambda to, insert=insert, rows=rows: to.executemany(insert, rows).rowcount).result()
    return carried
