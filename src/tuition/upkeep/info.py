"""Open a store that exists, count what it holds, and make it smaller."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tuition.core.budget import to_usd
from tuition.core.errors import DataError, StoreError, nearest, some_of
from tuition.core.records import Json, Record
from tuition.core.store import Store
from tuition.core.store.schema import SCHEMA_VERSION
from tuition.core.store.sums import HELD_NANO
from tuition.core.store.writer import connect

__all__ = [
    "Compacted",
    "StoreInfo",
    "TeacherInfo",
    "compact_store",
    "money_of",
    "open_store",
    "size_of",
    "store_info",
    "write_anew",
]


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
    """Open a store that exists, and make none; the caller closes it."""
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
    write_anew(path)
    return Compacted(bytes_before=before, bytes_after=size_of(path), emptied=emptied)


def write_anew(path: Path) -> bool:
    """Write a store without its gaps and empty its journal; False: another process still reads that."""
    try:
        with contextlib.closing(connect(path)) as connection:
            connection.execute("VACUUM")
            is_held = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(
            f"the store {str(path)!r} cannot be written anew: {error}. Nothing in it is lost; end the other "
            "process or make room for a second copy, then run 'tuition store compact'."
        ) from None
    return not is_held
