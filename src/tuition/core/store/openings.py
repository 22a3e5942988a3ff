"""How often runs that share a store opened a test set: choosing among many such runs selects on it."""

from __future__ import annotations

import contextlib
import sqlite3
from concurrent.futures import Future
from pathlib import Path

from tuition.core.store import Store

__all__ = ["note_opening", "times_opened"]

_COUNT = "SELECT test, COUNT(*) FROM openings WHERE test = (SELECT test FROM openings WHERE run = ?)"


def note_opening(store: Store, test: str, *, run: str) -> Future[int]:
    """Note that a run opens its test set; one that does so again after a kill counts once."""
    insert = "INSERT OR IGNORE INTO openings VALUES (?, ?)"
    return store.write(lambda connection: connection.execute(insert, (run, test)).rowcount)


def times_opened(path: Path, run: str) -> tuple[str, int] | None:
    """The test set that a run opened, and how many runs did; None: there is no store, or it does not know."""
    if not path.is_file():
        return None
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            test, n = connection.execute(_COUNT, (run,)).fetchone()
        except sqlite3.Error:
            return None
    return (test, n) if n else None
