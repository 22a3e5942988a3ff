"""Open a store that exists, and count what it holds."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tuition.core.budget import to_usd
from tuition.core.errors import DataError, nearest, some_of
from tuition.core.records import Json, Record
from tuition.core.store import Store
from tuition.core.store.schema import SCHEMA_VERSION
from tuition.core.store.sums import HELD_NANO

__all__ = ["StoreInfo", "TeacherInfo", "money_of", "open_store", "size_of", "store_info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherInfo(Record):
    """What a store holds of one teacher."""

    teacher: str
    calls: int
    """Attempts, the failed ones included."""
    kept: int
    failed: int
    unknown: int
    """Calls with an unknown outcome."""
    lost: int
    """Calls that were charged and whose answer never came, as the provider's list says."""
    open: int
    """Calls under way."""
    used_usd: float | None
    """Cost of its kept answers, each once; None: a price is unknown."""
    paid_usd: float | None
    """What was newly paid, unknown outcomes at their worst; None: a price is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo(Record):
    """What a store holds."""

    path: str
    schema: int
    bytes: int
    """On disk, the journal included."""
    attempts: int
    replies: int
    runs: tuple[str, ...]
    used_usd: float | None
    """Cost of all kept answers, each once; None: a price is unknown."""
    paid_usd: float | None
    """What was newly paid, unknown outcomes at their worst; None: a price is unknown."""
    teachers: tuple[TeacherInfo, ...]
    batches: tuple[dict[str, Json], ...]
    """Those that are not over."""


def open_store(path: Path) -> Store:
    """Open a store that exists, and make none; the caller closes it.

    Args:
        path: The file.

    Returns:
        The store.

    Raises:
        DataError: There is no such file.
    """
    if path.is_dir():
        stores = sorted(item.name for item in path.glob("*.db")) or ["tuition.db"]
        raise DataError(f"{str(path)!r} is a folder; name the store in it, such as {some_of(stores)}")
    if not path.is_file():
        known = [item.name for item in path.parent.glob("*.db")] if path.parent.is_dir() else []
        raise DataError(f"there is no store {str(path)!r}{nearest(path.name, known) or '; correct the path'}")
    return Store(path)


def money_of(connection: sqlite3.Connection) -> float | None:
    """Dollars of all attempts, open and unknown ones at their worst; None: a price is unknown."""
    row = connection.execute(
        f"SELECT SUM(nano), TOTAL(nano IS NULL) FROM (SELECT {HELD_NANO} AS nano FROM attempts)"
    ).fetchone()
    return None if row[1] else to_usd(row[0] or 0)


def size_of(path: Path) -> int:
    """Bytes of a store on disk, with its journal."""
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def store_info(path: Path) -> StoreInfo:
    """Count what a store holds.

    Args:
        path: The file; one of an older version is brought up to this one, as by every opening.

    Returns:
        The counts.

    Raises:
        DataError: There is no store.
    """
    with open_store(path) as store, store.read() as connection:
        connection.execute("BEGIN")
        used, unpriced = connection.execute(
            "SELECT SUM(cost_nano), TOTAL(cost_nano IS NULL) FROM attempts WHERE state = 'kept'"
        ).fetchone()
        tables = ("attempts", "uses")
        runs = {row[0] for table in tables for row in connection.execute(_RUNS.format(table=table))}
        teachers = _teachers(connection)
        return StoreInfo(
            path=str(path),
            schema=SCHEMA_VERSION,
            bytes=size_of(path),
            attempts=sum(teacher.calls for teacher in teachers),
            replies=connection.execute("SELECT COUNT(*) FROM replies").fetchone()[0],
            runs=tuple(sorted(runs)),
            used_usd=None if unpriced else to_usd(used or 0),
            paid_usd=money_of(connection),
            teachers=teachers,
            batches=tuple(batch.to_json() for batch in store.batches() if batch.state != "over"),
        )


_RUNS = """
    WITH RECURSIVE found (run) AS (
      SELECT min(run) FROM {table}
      UNION ALL
      SELECT (SELECT min(run) FROM {table} WHERE run > found.run) FROM found WHERE run IS NOT NULL
    ) SELECT run FROM found WHERE run IS NOT NULL
"""
"""Each run by one step along an index."""


def _teachers(connection: sqlite3.Connection) -> tuple[TeacherInfo, ...]:
    rows = connection.execute(
        "SELECT teacher, COUNT(*) AS calls, SUM(state = 'kept') AS kept, SUM(state = 'failed') AS failed, "
        "SUM(state = 'unknown') AS unknown, SUM(state = 'lost') AS lost, SUM(state = 'open') AS open, "
        "SUM(iif(state = 'kept', cost_nano, 0)) AS used, "
        "SUM(state = 'kept' AND cost_nano IS NULL) AS unpriced, "
        "SUM(held) AS paid, SUM(held IS NULL) AS unpaid "
        f"FROM (SELECT teacher, state, cost_nano, {HELD_NANO} AS held FROM attempts) "
        "GROUP BY teacher ORDER BY teacher"
    )
    counts = ("teacher", "calls", "kept", "failed", "unknown", "lost", "open")
    return tuple(
        TeacherInfo(
            **{name: row[name] for name in counts},
            used_usd=None if row["unpriced"] else to_usd(row["used"]),
            paid_usd=None if row["unpaid"] else to_usd(row["paid"]),
        )
        for row in rows
    )
