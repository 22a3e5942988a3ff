"""The ledger and the replies: one SQLite file a workspace. Nothing paid is lost, nothing is paid twice.

Reserve, attempt, settle: a call starts only after its worst cost is on disk under every cap. The reservation
is also the lease on the call, so that a second process waits instead of buying. Knows no teacher, no network.
"""

from __future__ import annotations

import contextlib
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
from tuition.core.store import batches, leases, ledger
from tuition.core.store.batches import Batch
from tuition.core.store.outcomes import (
    AlreadySettled,
    Busy,
    Cap,
    Kept,
    Left,
    Outcome,
    Place,
    Refused,
    Reserved,
)
from tuition.core.store.schema import set_up
from tuition.core.store.spend import Spend, spend_of
from tuition.core.store.sums import refusal
from tuition.core.store.writer import Act, Result, Writer, Written, connect, remedy

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
]


class Store:
    """One SQLite file, open for any number of runs and processes at once."""

    def __init__(self, path: Path) -> None:
        """Open the store, or make it.

        Args:
            path: The file; its folder is made when absent.

        Raises:
            StoreError: The file is no store, or cannot be written.
        """
        self.path = path
        self._owner = f"{leases.here()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(connect(path)) as connection:
                set_up(connection)
        except (sqlite3.Error, OSError, StoreError) as error:
            text = f"the store {str(path)!r} cannot be opened: {error}"
            raise StoreError(f"{text}. {advice}" if (advice := remedy(error)) else text) from None
        self._writer = Writer(path, beat=self._beat, last=self._leave)

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
        """Reserve the worst cost of a call under every cap, or say why the call must not be made.

        Args:
            request: The call.
            worst: What it takes out of the caps until it is settled; a cost of None takes no money.
            place: Whose call it is.
            caps: The limits that hold for it.
            price: What it will be settled with; kept beside the attempt.
            asks_again: Whether a call with an unknown outcome may be made once more.
            batch: The batch it is part of, from `open_batch` and not yet handed over; empty: none.

        Returns:
            A future: Reserved, Kept, Busy, Left or Refused; on disk before the future is done.
        """
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

    def settle(self, attempt_id: int, reply: Reply, *, cost: Cost, is_paid: bool) -> Written[None]:
        """Replace a reservation by the outcome of the call.

        Args:
            attempt_id: From `Reserved`.
            reply: What came back, a failure included.
            cost: Of the usage the provider counted; not used where the outcome is unknown.
            is_paid: Whether the cost was newly paid, which a recorded reply's is not.

        Returns:
            A future that is done when it is on disk.
        """

        def act(connection: sqlite3.Connection) -> None:
            ledger.close_attempt(connection, attempt_id, reply, cost=cost, is_paid=is_paid)

        return self._writer.submit(act)

    def open_batch(self, name: str, *, place: Place, teacher: str, endpoint: str) -> Future[None]:
        """Make a batch, for which calls can then be reserved; they stay busy until it is over.

        Args:
            name: Ours, and new in this store; the provider keeps it beside the batch.
            place: Whose it is.
            teacher: Who is asked.
            endpoint: Where.

        Returns:
            A future that is done when it is on disk; a StoreError in it where the name is taken.
        """

        def act(connection: sqlite3.Connection) -> None:
            batches.open_batch(connection, name, place=place, teacher=teacher, endpoint=endpoint)

        return self._writer.submit(act)

    def sent_batch(self, name: str, remote: str) -> Future[None]:
        """Note that a provider took a batch; it takes no further call.

        Args:
            name: Ours.
            remote: The provider's id of it.

        Returns:
            A future that is done when it is on disk.
        """
        return self._writer.submit(lambda connection: batches.sent_batch(connection, name, remote))

    def end_batch(self, name: str) -> Future[None]:
        """Close a batch; its attempts still open become unknown outcomes.

        Args:
            name: Ours; ending one that is over changes nothing.

        Returns:
            A future that is done when it is on disk.
        """
        return self._writer.submit(lambda connection: batches.end_batch(connection, name))

    def batches(self, run: str | None = None) -> list[Batch]:
        """List batches in the order they were made.

        Args:
            run: Those of one run; None: all of them.

        Returns:
            Those that are over included.
        """
        with self.read() as connection:
            return batches.batches_of(connection, run)

    def waiting(self, batch: str) -> list[tuple[int, Request]]:
        """List the calls of a batch that are not settled.

        Args:
            batch: Its name.

        Returns:
            Attempt ids with their requests, tags included, in the order they were reserved.
        """
        with self.read() as connection:
            return batches.waiting_of(connection, batch)

    def write(self, act: Act[Result]) -> Future[Result]:
        """Run an act in a transaction of the writer, as the upkeep of a store does.

        Args:
            act: Done inside a transaction, all of it or nothing.

        Returns:
            A future of its result, done once that is on disk.
        """
        return self._writer.submit(act)

    @contextlib.contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """Lend a connection for questions.

        Yields:
            A connection whose rows have names; it cannot write.
        """
        with contextlib.closing(connect(self.path)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection

    def kept(self, keys: Sequence[str]) -> dict[str, Reply]:
        """Look calls up without making them.

        Args:
            keys: Keys of requests.

        Returns:
            The kept replies by key; keys without one are absent.
        """
        found: dict[str, Reply] = {}
        with self.read() as connection:
            for key in keys:
                row = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = Reply.from_json(json.loads(row["reply"]))
        return found

    def spend(self, run: str) -> Spend:
        """Count what a run used and paid so far.

        Args:
            run: The run's id.

        Returns:
            The two figures of money and what lies behind them.
        """
        with self.read() as connection:
            return spend_of(connection, run)

    def _beat(self, connection: sqlite3.Connection) -> None:
        leases.announce(connection, self._owner)
        leases.forget_dead(connection)

    def _leave(self, connection: sqlite3.Connection) -> None:
        leases.forget_dead(connection, self._owner)
