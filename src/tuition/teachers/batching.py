"""Dynamic batching: a thread that owns a model and writes the replies to all queued requests at once.

Knows requests and replies; the function that writes is given to it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tuition.core.records import Failure, Reply, Request

__all__ = ["Worker", "Write"]

Write = Callable[[Sequence[Request]], list[Reply]]
"""Writes a reply to each request, in order."""

_LINGER_S = 0.02
"""How long a batch waits for one more request: those of a finished batch come back one by one."""


class Worker:
    """A thread that loads a model when the first request comes, and writes as many replies at once as fit."""

    def __init__(self, load: Callable[[threading.Event], Write], *, most: int) -> None:
        """Start the thread; nothing is loaded yet. `load` gets an event that is set to end the writing."""
        self._load, self._most = load, most
        self._queue: queue.SimpleQueue[tuple[Request, Future[Reply]] | None] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._writer: Write | None = None
        self._unusable: Failure | None = None
        """Why nothing can be loaded; None: it was not tried, or it can."""
        self._thread = threading.Thread(target=self._work, name="local teacher", daemon=True)
        self._thread.start()

    def put(self, request: Request) -> Future[Reply]:
        """Queue a request; the future gets the reply, and a fault stands in it as a failure."""
        future: Future[Reply] = Future()
        self._queue.put((request, future))
        return future

    def stop(self) -> None:
        """End at the next token, and let the model go; requests that still wait are not answered."""
        self._is_over.set()
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        # One thread loads and writes. Its exceptions come back as values, so that none has to be caught.
        with ThreadPoolExecutor(1) as pool:
            while batch := self._batch():
                job = pool.submit(self._write, [request for request, _ in batch])
                error = job.exception()
                replies = [Reply(failure=self._fault(error))] * len(batch) if error else job.result()
                for (_, future), reply in zip(batch, replies, strict=True):
                    future.set_result(reply)

    def _batch(self) -> list[tuple[Request, Future[Reply]]]:
        """Wait for a request, then a little for more; empty: it is over."""
        batch: list[tuple[Request, Future[Reply]]] = []
        while len(batch) < self._most:
            try:
                entry = self._queue.get(timeout=_LINGER_S if batch else None)
            except queue.Empty:
                break
            if entry is None:
                return []
            if entry[1].set_running_or_notify_cancel():
                batch.append(entry)
        return batch

    def _write(self, requests: Sequence[Request]) -> list[Reply]:
        if self._unusable is not None:
            return [Reply(failure=self._unusable)] * len(requests)
        self._writer = self._writer or self._load(self._is_over)
        return self._writer(requests)

    def _fault(self, error: BaseException) -> Failure:
        said = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
        if self._writer is not None:
            return Failure(kind="exception", message=f"writing failed with {said}")
        # Files can be mended, and the very same call then succeeds.
        message = f"its model cannot be loaded: {said}"
        self._unusable = Failure(kind="unusable", message=message, is_retryable=True)
        return self._unusable
