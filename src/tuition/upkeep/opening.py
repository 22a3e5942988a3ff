"""Open a store that is there, to look after it; the money in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tuition.core.budget import to_usd
from tuition.core.errors import DataError, nearest, some_of
from tuition.core.store import Store
from tuition.core.store.sums import HELD_NANO

__all__ = ["money_of", "open_store", "size_of"]


def open_store(path: Path) -> Store:
    """Open a store, and make none where there is none.

    Args:
        path: The file.

    Returns:
        The store; the caller closes it.

    Raises:
        DataError: There is no such file.
        StoreError: It is no store.
    """
    if path.is_dir():
        stores = sorted(item.name for item in path.glob("*.db")) or ["tuition.db"]
        raise DataError(f"{str(path)!r} is a folder; name the store in it, such as {some_of(stores)}")
    if not path.is_file():
        known = [item.name for item in path.parent.glob("*.db")] if path.parent.is_dir() else []
        raise DataError(f"there is no store {str(path)!r}{nearest(path.name, known) or '; correct the path'}")
    return Store(path)


def money_of(connection: sqlite3.Connection) -> float | None:
    """Add up what all attempts of a store took from budgets.

    Args:
        connection: To the store.

    Returns:
        Dollars, unknown outcomes and open attempts at their worst; None: a part of it is at an unknown price.
    """
    row = connection.execute(
        f"SELECT SUM(nano), TOTAL(nano IS NULL) FROM (SELECT {HELD_NANO} AS nano FROM attempts)"
    ).fetchone()
    return None if row[1] else to_usd(row[0] or 0)


def size_of(path: Path) -> int:
    """Measure a store.

    Args:
        path: The file.

    Returns:
        Bytes on disk, its journal included.
    """
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
