"""Batches without a provider: written to a file, answered elsewhere, brought in. Knows no form of lines."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tuition.annotation.ask.account import Account, check_price
from tuition.annotation.batches.lines import (
    is_written,
    not_handed_over,
    refuse_written,
    reserve_all,
    settle_lines,
    tagged,
    written_as,
)
from tuition.core.errors import DataError, near_name
from tuition.core.protocols import Teacher
from tuition.core.records import Json, Record, Reply, Request
from tuition.core.store import Busy, Refused, Reserved, Store

__all__ = ["BatchAnswers", "BatchFile", "drop_batch", "import_batch", "write_batch"]

Given = ParamSpec("Given")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFile(Record):
    """A batch that was written to a file, and how many calls are in it or left out."""

    name: str
    """The batch's, with which every `custom_id` of the file begins; empty: there was nothing to write."""
    calls: int
    kept: int
    """Calls that need no answer any more, and are not in the file."""
    busy: int
    """Calls that somebody else is making, and that are not in the file."""
    refused: int
    """Calls that the budget does not allow, and that are not in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAnswers(Record):
    """How many calls a file of answers settled."""

    answered: int
    failed: dict[str, int] = field(default_factory=dict)
    """Lines that hold a failure, by its kind."""
    strangers: int
    """Lines of no call in this store."""
    known: int
    """Lines of calls that were settled before, and are left as they are."""
    waiting: dict[str, int] = field(default_factory=dict)
    """By batch: how many of its calls have no line yet."""


def _in_thread(work: Callable[Given, Coroutine[Any, Any, Value]]) -> Callable[Given, Value]:
    """Make a function that waits for what it starts."""

    @wraps(work)
    def wait(*args: Given.args, **more: Given.kwargs) -> Value:
        # A notebook has a loop of its own running, and a second one needs a thread of its own.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(work(*args, **more))).result()

    return wait


@_in_thread
async def write_batch(
    requests: Sequence[Request],
    teacher: Teacher,
    path: Path,
    *,
    account: Account,
    line: Callable[[Request], Mapping[str, object]],
) -> BatchFile:
    """Write what is still to be asked to a file, and reserve it, so that nobody else buys it meanwhile.

    `line` writes a request, with its tag, as a line of the JSONL file. The file is not made where there is
    nothing to ask; where it cannot be written, nothing is reserved.
    """
    check_price(teacher, account)
    if path.exists():
        raise DataError(f"{str(path)!r} exists, and may be a batch that is waited for; name another file.")
    asked = list({request.key: request for request in requests}.values())
    first = await reserve_all(asked, teacher, account=account, buys=False)
    busy = [outcome for outcome in first if isinstance(outcome, Busy)]
    refuse_written(busy, account.store)
    todo = [request for request, outcome in zip(asked, first, strict=True) if isinstance(outcome, Refused)]
    kept = len(asked) - len(busy) - len(todo)
    if not todo:
        return BatchFile(name="", calls=0, kept=kept, busy=len(busy), refused=0)
    draft = path.with_name(f".{path.name}.draft")
    try:
        file = draft.open("w", encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error
    name = uuid.uuid4().hex
    store = account.store
    opened = store.open_batch(name, place=account.place, teacher=teacher.name, endpoint=teacher.endpoint)
    await asyncio.wrap_future(opened)
    named = tagged(todo, name)
    outcomes = await reserve_all(named, teacher, account=account, batch=name)
    reserved = [
        (outcome.attempt_id, request)
        for request, outcome in zip(named, outcomes, strict=True)
        if isinstance(outcome, Reserved)
    ]
    is_there = False
    try:
        with file:
            file.writelines(json.dumps(line(request)) + "\n" for _, request in reserved)
        if reserved:
            # A file that is there is always one the store knows of.
            await asyncio.wrap_future(store.sent_batch(name, written_as(str(path))))
            draft.rename(path)
            is_there = True
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if not is_there:
            # Nobody has the file, so nothing of it may stay reserved.
            reply = not_handed_over("the file of the batch could not be written")
            await settle_lines(store, [(*call, reply) for call in reserved])
            await asyncio.wrap_future(store.end_batch(name))
            draft.unlink(missing_ok=True)
    return BatchFile(
        name=name if reserved else "",
        calls=len(reserved),
        kept=kept,
        busy=len(busy),
        refused=len(todo) - len(reserved),
    )


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{str(path)!r} cannot be written: {error.strerror}. Name another file; nothing is reserved."
    )


@_in_thread
async def import_batch(
    lines: Mapping[str, tuple[Mapping[str, Json], str]],
    store: Store,
    *,
    read: Callable[[Mapping[str, Json], str, Request], Reply],
) -> BatchAnswers:
    """Bring answers in: the same rows as if they had been asked for call by call.

    `lines` are by `custom_id` each line and its text; `read` makes a reply of them and the request. A batch
    is over when each of its calls has its line; until then the rest is waited for.
    """
    open_: dict[str, list[tuple[int, Request]]] = {}
    known = 0
    with store.read() as connection:
        for tag in lines:
            row = connection.execute(
                "SELECT id, batch, state, request FROM attempts WHERE tag = ? AND batch != ''", (tag,)
            ).fetchone()
            if row is not None and row["state"] in ("open", "unknown"):
                request = Request.from_json(json.loads(row["request"]))
                open_.setdefault(row["batch"], []).append((row["id"], request))
            elif row is not None:
                known += 1
    came = {
        batch: [(id_, request, read(*lines[request.tag], request)) for id_, request in calls]
        for batch, calls in open_.items()
    }

    # A store that was imported has the calls of its batches alone.
    batches = {batch.name for batch in store.batches()}
    for batch, answered in came.items():
        await settle_lines(store, answered)
        if batch in batches and not store.waiting(batch):
            await asyncio.wrap_future(store.end_batch(batch))
    replies = [reply for answered in came.values() for _, _, reply in answered]
    failed = Counter(reply.failure.kind for reply in replies if reply.failure is not None)
    return BatchAnswers(
        answered=len(replies) - failed.total(),
        failed=dict(failed),
        strangers=len(lines) - len(replies) - known,
        known=known,
        waiting={batch: n for batch in open_ if (n := len(store.waiting(batch)))},
    )


@_in_thread
async def drop_batch(store: Store, name: str) -> tuple[int, bool]:
    """Give a batch up: one that was written to a file as never run, any other as of unknown outcome.

    Gives how many calls of it were open, and whether they count as charged, each at its worst.
    """
    batches = {batch.name: batch for batch in store.batches()}
    if name not in batches:
        raise DataError(near_name(name, batches, kind="batch"))
    if batches[name].state == "over":
        raise DataError(f"batch {name!r} is over; there is nothing to give up.")
    calls = store.waiting(name)
    # What a provider may have is charged at its worst; what stood in a file was asked of nobody.
    reply = not_handed_over("the batch was written to a file and given up")
    is_charged = not is_written(batches[name])
    await settle_lines(store, [] if is_charged else [(*call, reply) for call in calls])
    await asyncio.wrap_future(store.end_batch(name))
    return len(calls), is_charged
