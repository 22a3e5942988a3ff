"""How often a test set was opened by runs that share a store: whoever looks at many has selected on it."""

from __future__ import annotations

import contextlib
import sqlite3
from concurrent.futures import Future
from pathlib import Path

from tuition.core.store import Store

__all__ = ["note_opening", "times_opened"]

_COUNT = "SELECT test, COUNT(*) FROM openings WHERE test = (SELECT test FROM openings WHERE run = ?)"


def note_opening(store: Store, test: str, *, run: str) -> Future[int]:
    """Remember that a run opens its test set; one that does so again after a kill counts once.

    Args:
        store: Of the run.
        test: `SealedTest.content`.
        run: Its id.

    Returns:
        A future that is done when it is on disk.
    """
    insert = "INSERT OR IGNORE INTO openings VALUES (?, ?)"
    return store.write(lambda connection: connection.execute(insert, (run, test)).rowcount)


def times_opened(path: Path, run: str) -> tuple[str, int] | None:
    """Count the runs that opened the same test set as a run; reads alone.

    Args:
        path: The store.
        run: A run's id.

    Returns:
        The test set and the number of runs, this one included; None: the store is not there, or knows nothing
        of it, as where an older version of the program made the run.
    """
    if not path.is_file():
        return None
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            test, n = connection.execute(_COUNT, (run,)).fetchone()
        except sqlite3.Error:
            return None
    return (test, n) if n else None
