"""The ledger and the replies: one SQLite file a workspace. Nothing paid is lost, nothing is paid twice.

Reserve, attempt, settle: a call starts only after its worst cost is on disk under every cap. The reservation
is also the lease on the call, so that a second process waits instead of buying. Knows no teacher, no network.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sqlite3
import uuid
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from pathlib import Path

from tuition.core.budget import Cost, Price
from tuition.core.errors import StoreError
from tuition.core.records import Reply, Request
from tuition.core.store import leases, ledger
from tuition.core.store.ledger import Batch
from tuition.core.store.schema import set_up, version_of
from tuition.core.store.sums import (
    AlreadySettled,
    Busy,
    Cap,
    Kept,
    Left,
    Outcome,
    Place,
    Refused,
    Reserved,
    Spend,
    refusal,
    spend_of,
)
from tuition.core.store.writer import Act, Result, Writer, Written, connect, connect_to_read, remedy

__all__ = [
    "AlreadySettled",
    "Batch",
    "Busy",
    "Cap",
    "Kept",
    "Left",
    "Outcome",
    "Place",
    "Refused",
    "Reserved",
    "Spend",
    "Store",
    "Written",
    "kept_of",
    "reading",
    "spend_of",
    "times_opened",
]

_OPENED = "SELECT test, COUNT(*) FROM openings WHERE test = (SELECT test FROM openings WHERE run = ?)"


class Store:
    """One SQLite file, open for any number of runs and processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._owner = f"{leases.here()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(connect(path)) as connection:
                set_up(connection)
        except (sqlite3.Error, OSError, StoreError) as error:
            raise _no_store(path, error) from None
        self._writer = Writer(
            path, beat=self._beat, last=functools.partial(leases.forget_dead, owner=self._owner)
        )

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the writes under way; attempts still open become unknown outcomes."""
        self._writer.close()

    def reserve(
        self,
        request: Request,
        worst: Cost,
        *,
        place: Place,
        caps: Sequence[Cap] = (),
        price: Price | None = None,
        asks_again: bool = True,
        batch: str = "",
    ) -> Written[Outcome]:
        """Reserve the worst cost of a call under every cap, or say why the call must not be made."""
        key = request.key

        def act(connection: sqlite3.Connection) -> Outcome:
            found = ledger.earlier(connection, key, place, asks_again=asks_again)
            if isinstance(found, Kept) and found.reply.failure is None:
                ledger.note_use(connection, key, place, teacher=request.teacher, role=request.role)
            if found is not None:
                return found
            refused = refusal(connection, worst, caps)
            if refused is not None:
                return refused
            attempt_id = ledger.insert_attempt(
                connection, request, worst, place=place, price=price, owner=self._owner, batch=batch
            )
            return Reserved(attempt_id=attempt_id)

        return self._writer.submit(act)

    def take_kept(self, requests: Sequence[Request], *, place: Place) -> Written[list[tuple[str, str]]]:
        """Give keys and texts of the kept replies to a few hundred calls at most, and note their use."""
        return self._writer.submit(lambda connection: ledger.take_kept(connection, requests, place))

    def settle(self, attempt_id: int, reply: Reply, *, cost: Cost, is_paid: bool) -> Written[None]:
        """Replace a reservation by the outcome of the call."""
        return self._writer.submit(
            lambda connection: ledger.close_attempt(connection, attempt_id, reply, cost=cost, is_paid=is_paid)
        )

    def open_batch(self, name: str, *, place: Place, teacher: str, endpoint: str) -> Future[None]:
        """Make a batch, for which calls can then be reserved; they stay busy until it is over."""
        return self._writer.submit(
            lambda to: ledger.open_batch(to, name, place=place, teacher=teacher, endpoint=endpoint)
        )

    def sent_batch(self, name: str, remote: str) -> Future[None]:
        """Note that a provider took a batch; it takes no further call."""
        return self._writer.submit(lambda connection: ledger.sent_batch(connection, name, remote))

    def end_batch(self, name: str) -> Future[None]:
        """Close a batch; its attempts still open become unknown outcomes."""
        return self._writer.submit(lambda connection: ledger.end_batch(connection, name))

    def batches(self, run: str | None = None) -> list[Batch]:
        """List the batches of one run, or of all runs, in the order they were made."""
        query = "SELECT * FROM batches WHERE run = coalesce(?, run) ORDER BY rowid"
        with self.read() as connection:
            return [Batch(**dict(row)) for row in connection.execute(query, (run,))]

    def waiting(self, batch: str) -> list[tuple[int, Request]]:
        """List the ids and requests of the calls of a batch that are not settled, as they were reserved."""
        query = "SELECT id, request FROM attempts WHERE state = 'open' AND batch = ? ORDER BY id"
        with self.read() as connection:
            rows = connection.execute(query, (batch,)).fetchall()
        return [(row["id"], Request.from_json(json.loads(row["request"]))) for row in rows]

    def write(self, act: Act[Result]) -> Future[Result]:
        """Run an act in a transaction of the writer, as the upkeep of a store does."""
        return self._writer.submit(act)

    @contextlib.contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """Lend a connection for questions."""
        with contextlib.closing(connect(self.path)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection

    def kept(self, keys: Sequence[str]) -> dict[str, Reply]:
        """Look calls up without making them."""
        with self.read() as connection:
            return kept_of(connection, keys)

    def spend(self, run: str) -> Spend:
        """Count what a run used and paid so far."""
        with self.read() as connection:
            return spend_of(connection, run)

    def note_opening(self, test: str, *, run: str) -> Future[int]:
        """Note that a run opens its test set; one that does so again after a kill counts once."""
        insert = "INSERT OR IGNORE INTO openings VALUES (?, ?)"
        return self._writer.submit(lambda connection: connection.execute(insert, (run, test)).rowcount)

    def _beat(self, connection: sqlite3.Connection) -> None:
        leases.announce(connection, self._owner)
        leases.forget_dead(connection)


@contextlib.contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection]:
    """Lend a connection to a store that stays as it is, an older one too; an absent one reads as empty."""
    is_there = path.is_file() and path.stat().st_size > 0
    try:
        with contextlib.closing(
            connect_to_read(path) if is_there else connect(Path(":memory:"))
        ) as connection:
            version_of(connection) if is_there else set_up(connection)
            yield connection
    except (sqlite3.Error, StoreError) as error:
        raise _no_store(path, error) from None


def kept_of(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Reply]:
    """Look up the kept replies of some calls; keys without one are absent."""
    query = "SELECT reply FROM replies WHERE key = ?"
    rows = {key: connection.execute(query, (key,)).fetchone() for key in keys}
    return {key: Reply.from_json(json.loads(row["reply"])) for key, row in rows.items() if row is not None}


def times_opened(path: Path, run: str) -> tuple[str, int] | None:
    """The test set that a run opened, and how many runs did; None: there is no store, or it does not know."""
    try:
        with reading(path) as connection:
            test, n = connection.execute(_OPENED, (run,)).fetchone()
    except StoreError:  # a file of a version that did not count, or none of ours
        return None
    return (test, n) if n else None


def _no_store(path: Path, error: Exception) -> StoreError:
    text = f"the store {str(path)!r} cannot be opened: {error}"
    return StoreError(f"{text}. {advice}" if (advice := remedy(error)) else text)
