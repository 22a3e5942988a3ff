"""Make a store smaller: give back free pages, and drop raw bodies where that is wanted."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tuition.core.errors import StoreError
from tuition.core.records import Record
from tuition.core.store.writer import connect
from tuition.upkeep.info import open_store, size_of

__all__ = ["Compacted", "compact_store"]

_AT_ONCE = 5000
_EMPTY = (
    "UPDATE attempts SET raw = '', headers = '' WHERE id > ? AND id <= ? "
    "AND state IN ('kept', 'failed', 'lost') AND (raw != '' OR headers != '')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted(Record):
    """The result of making a store smaller."""

    bytes_before: int
    """On disk, the journal included."""
    bytes_after: int
    emptied: int
    """Attempts whose raw body and headers were dropped."""


def compact_store(path: Path, *, drop_raw: bool = False) -> Compacted:
    """Write a store anew without its gaps; for a while this takes as much room again.

    Args:
        path: The file.
        drop_raw: Also empty the raw bodies and headers of settled attempts; no row goes, and no reply.

    Returns:
        Bytes before and after.

    Raises:
        DataError: There is no store.
        StoreError: Another process is writing to it, or the disk is full.
    """
    before = size_of(path) if path.is_file() else 0
    emptied = 0
    with open_store(path) as store:
        with store.read() as connection:
            last = connection.execute("SELECT coalesce(MAX(id), 0) FROM attempts").fetchone()[0]
        for start in range(0, last if drop_raw else 0, _AT_ONCE):
            part = (start, start + _AT_ONCE)
            emptied += store.write(lambda to, part=part: to.execute(_EMPTY, part).rowcount).result()
    try:
        with contextlib.closing(connect(path)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StoreError(
            f"the store {str(path)!r} cannot be written anew: {error}. Nothing in it is lost; end the other "
            "process or make room for a second copy, then start again."
        ) from None
    return Compacted(bytes_before=before, bytes_after=size_of(path), emptied=emptied)
