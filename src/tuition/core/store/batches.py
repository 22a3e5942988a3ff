"""The batches of the store: many calls handed over at once, answered hours later, perhaps to another process.

Each act is done inside one transaction of the writer. Knows no provider.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass

from tuition.core.errors import StoreError
from tuition.core.records import Record, Request
from tuition.core.store.outcomes import Place

__all__ = ["Batch", "batches_of", "check_is_made", "end_batch", "open_batch", "sent_batch", "waiting_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Record):
    """Many calls handed over at once."""

    name: str
    run: str
    teacher: str
    endpoint: str
    state: str
    """made (its calls are being reserved, or it is not known whether it was handed over), sent, over."""
    remote: str | None
    """The provider's id; None: not known."""
    made_at: float
    """Seconds since 1970."""
    ended_at: float | None
    """Seconds since 1970; None: not over."""


def open_batch(
    connection: sqlite3.Connection, name: str, *, place: Place, teacher: str, endpoint: str
) -> None:
    """Make a batch that calls can be reserved for; its name must be new."""
    if not name:
        raise StoreError("a batch needs a name.")
    if connection.execute("SELECT 1 FROM batches WHERE name = ?", (name,)).fetchone():
        raise StoreError(f"there is a batch {name!r} already; each has a name of its own.")
    connection.execute(
        "INSERT INTO batches (name, run, teacher, endpoint, state, made_at) VALUES (?, ?, ?, ?, 'made', ?)",
        (name, place.run, teacher, endpoint, time.time()),
    )


def check_is_made(connection: sqlite3.Connection, name: str) -> None:
    """Refuse to add a call to a batch that was handed over, is over, or was never made."""
    state = _state(connection, name)
    if state != "made":
        raise StoreError(f"batch {name!r} is {state} and takes no further call; open another.")


def sent_batch(connection: sqlite3.Connection, name: str, remote: str) -> None:
    """Note under which id the provider has a batch."""
    if _state(connection, name) == "over":
        raise StoreError(f"batch {name!r} is over and cannot be handed over again; open another.")
    connection.execute("UPDATE batches SET state = 'sent', remote = ? WHERE name = ?", (remote, name))


def end_batch(connection: sqlite3.Connection, name: str) -> None:
    """Close a batch; its attempts still open become unknown outcomes."""
    if _state(connection, name) == "over":
        return
    connection.execute("UPDATE batches SET state = 'over', ended_at = ? WHERE name = ?", (time.time(), name))
    connection.execute("UPDATE attempts SET state = 'unknown' WHERE state = 'open' AND batch = ?", (name,))


def batches_of(connection: sqlite3.Connection, run: str | None) -> list[Batch]:
    """List the batches of one run, or of all runs, in the order they were made."""
    rows = connection.execute("SELECT * FROM batches WHERE run = coalesce(?, run) ORDER BY rowid", (run,))
    return [Batch(**dict(row)) for row in rows]


def waiting_of(connection: sqlite3.Connection, name: str) -> list[tuple[int, Request]]:
    """List the ids and requests of the calls of a batch that are not settled, as they were reserved."""
    rows = connection.execute(
        "SELECT id, request FROM attempts WHERE state = 'open' AND batch = ? ORDER BY id", (name,)
    )
    return [(row["id"], Request.from_json(json.loads(row["request"]))) for row in rows]


def _state(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute("SELECT state FROM batches WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise StoreError(f"there is no batch {name!r}; open it before its calls are reserved.")
    return row["state"]
