"""One thread that writes to the file, by group commit: acts submitted during one commit form the next.

With `synchronous = FULL` each commit waits for the disk once, however many acts it has. Knows SQLite,
and nothing of what the acts mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tuition.core.errors import StoreError

__all__ = ["Act", "Result", "Writer", "Written", "connect", "connect_to_read", "remedy"]

_GROUP_SIZE = 512
_HEARTBEAT_S = 5.0
_LOCK_S = 45.0
"""How long to wait for another process's transaction; this and a heartbeat are less than a lease."""

_REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
"""Errors of SQLite about one act; any other is about the file, and fails the whole group."""

Result = TypeVar("Result")
"""The result of an act."""
Act = Callable[[sqlite3.Connection], Result]
"""Changes rows inside a transaction that the writer begins and commits."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection whose rows have names and whose transactions are explicit."""
    connection = sqlite3.connect(path, timeout=_LOCK_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a connection that changes nothing: neither a row nor the schema, and no file beside the store."""
    # Without a WAL nobody has the file open, and SQLite would make one even for a reader.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=_LOCK_S)
    connection.row_factory = sqlite3.Row
    return connection


def remedy(error: BaseException) -> str:
    """What helps against an error of the file; empty where nothing in particular does."""
    said = str(error)
    if "locked" in said or "busy" in said:
        return "Another process is writing to it: wait until that ends, or end it, then start again."
    if "full" in said or "I/O" in said or "No space" in said:
        return "Make room on its disk, then start again."
    return ""


class Written(Future[Result]):
    """The result of a write, set after its commit; it can be awaited too, in any event loop.

    `asyncio.wrap_future` would call into the loop from the writer thread once for each write. Here the writer
    calls once for each loop and group.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiters: list[asyncio.Future[None]] = []
        """Futures of event loops, completed after this one is."""

    def __await__(self) -> Generator[asyncio.Future[None], None, Result]:
        # Against a lost wakeup: this side adds its waiter, then looks for the result; the writer thread sets
        # the result, then looks for waiters. The second of the two sees what the first did.
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        if not self.done():
            yield from waiter
        return self.result()


@dataclass(frozen=True, slots=True)
class _Write(Generic[Result]):
    act: Act[Result]
    future: Written[Result]


class Writer:
    """The only thread of this process that writes to the file."""

    def __init__(self, path: Path, *, beat: Act[None], last: Act[None]) -> None:
        """Start the thread; it runs `beat` now and every few seconds, and `last` when it is closed."""
        self._path = path
        self._beat = beat
        self._last = last
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._is_closed = False
        self._lock = threading.Lock()
        try:
            self._connection = connect(path)
        except sqlite3.Error as error:
            raise StoreError(f"the store {str(path)!r} cannot be written: {error}.") from None
        self._thread = threading.Thread(target=self._write_all, name="tuition-store", daemon=True)
        self._thread.start()
        try:
            self.submit(beat).result()
        except StoreError:
            self.close()
            raise

    def submit(self, act: Act[Result]) -> Written[Result]:
        """Queue an act, which is done whole or not at all; the result is set once it is on disk."""
        future: Written[Result] = Written()
        # Cancelling the wait must not cancel the write: a running future cannot be cancelled.
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._is_closed:
                raise StoreError(f"the store {str(self._path)!r} is closed.")
            self._writes.put(_Write(act, future))
        return future

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._writes.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        with contextlib.closing(self._connection) as connection:
            beat_at = time.monotonic()
            is_open = True
            while is_open:
                group, is_open = self._gather()
                if time.monotonic() - beat_at > _HEARTBEAT_S:
                    group.append(_Write(self._beat, Written()))
                    beat_at = time.monotonic()
                if group:
                    _commit(connection, group)
            _commit(connection, [_Write(self._last, Written())])

    def _gather(self) -> tuple[list[_Write], bool]:
        """Wait for a write, and take all that are queued with it; False when the writer is closed.

        No delay lets a group grow: it grows while the group before it is being committed.
        """
        group: list[_Write] = []
        with contextlib.suppress(queue.Empty):
            write = self._writes.get(timeout=_HEARTBEAT_S)
            while write is not None:
                group.append(write)
                if len(group) == _GROUP_SIZE:
                    return group, True
                write = self._writes.get_nowait()
            return group, False
        return group, True


def _commit(connection: sqlite3.Connection, group: list[_Write]) -> None:
    """Do a group in one transaction, then set each result; an act that fails alone is rolled back alone."""
    answers: list[Callable[[], None]] = []

    def transaction(connection: sqlite3.Connection) -> None:
        # IMMEDIATE takes the lock at once: a transaction that reads first and is then refused the lock would
        # have to be begun again.
        connection.execute("BEGIN IMMEDIATE")
        answers.extend(_one(connection, write) for write in group)
        connection.execute("COMMIT")

    _, error = _try(transaction, connection)
    if error is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        said = str(error) or type(error).__name__
        text = f"the store could not be written: {said}. What was settled before is safe. {remedy(error)}"
        failure = StoreError(text.strip())
        answers = [lambda write=write: write.future.set_exception(failure) for write in group]
    for answer in answers:
        answer()
    _wake_all(group)


def _wake_all(group: list[_Write]) -> None:
    """Call into each event loop once, for all in it that wait."""
    waiters: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for write in group:
        for waiter in write.future.waiters:
            waiters.setdefault(waiter.get_loop(), []).append(waiter)
    for loop, those in waiters.items():
        # a closed loop raises, and nothing waits in it
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_complete, those)


def _complete(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _one(connection: sqlite3.Connection, write: _Write) -> Callable[[], None]:
    """Do one act at a savepoint of the group's transaction; give what sets its result after the commit."""
    connection.execute("SAVEPOINT one")
    result, error = _try(write.act, connection)
    if isinstance(error, sqlite3.Error) and not isinstance(error, _REFUSALS):
        raise error
    if error is not None:
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")
    if error is not None:
        return lambda: write.future.set_exception(error)
    return lambda: write.future.set_result(result)


def _try(act: Act[Result], connection: sqlite3.Connection) -> tuple[Result | None, BaseException | None]:
    try:
        return act(connection), None
    # Every error goes to the futures: if it ended this thread, the waits would never end.
    except BaseException as error:
        return None, error
