"""The calls of a batch in the store: reserve them, list those that wait, settle what came."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator, Sequence

from tuition.annotation.ask.account import Account
from tuition.annotation.ask.failures import advised, mendable, storable
from tuition.core.budget import Cost, Price
from tuition.core.errors import TeacherError
from tuition.core.protocols import Teacher
from tuition.core.records import Failure, Reply, Request, canonical_json
from tuition.core.store import AlreadySettled, Batch, Busy, Outcome, Store

__all__ = [
    "is_refused_whole",
    "is_written",
    "not_handed_over",
    "owner_of",
    "parts_of",
    "refuse_batched",
    "refuse_written",
    "reserve_all",
    "settle_lines",
    "tagged",
    "written_as",
]

_FILE = "file:"
"""Begins the remote name of a batch that was written to a file, to be answered elsewhere."""
_MOST_BYTES = 190_000_000
"""What providers take in one batch: a file of 200 MB."""
_ENVELOPE_BYTES = 200
"""What a line holds beside its request."""


def owner_of(store: Store, name: str) -> str:
    """Name the open store that reserved what of a batch is not settled; empty: nothing is left of it."""
    with store.read() as connection:
        row = connection.execute(
            "SELECT owner FROM attempts WHERE batch = ? AND state = 'open' LIMIT 1", (name,)
        ).fetchone()
    return "" if row is None else row["owner"]


def tagged(requests: Sequence[Request], name: str) -> list[Request]:
    """Name the attempts of a batch."""
    return [dataclasses.replace(request, tag=f"{name}-{i}") for i, request in enumerate(requests)]


async def reserve_all(
    requests: Sequence[Request], teacher: Teacher, *, account: Account, buys: bool = True, batch: str = ""
) -> list[Outcome]:
    """Reserve many calls, in order; see `Account.reserve`."""
    futures = [account.reserve(request, teacher, buys=buys, batch=batch) for request in requests]
    return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))


async def settle_lines(
    store: Store, came: Sequence[tuple[int, Request, Reply]], *, is_paid: bool = True
) -> list[tuple[Request, Reply]]:
    """Settle calls of one batch with their replies, at the price they were reserved at.

    A call that another process settled meanwhile is left as it is: both fetched the same answer.
    """
    if not came:
        return []
    with store.read() as connection:
        row = connection.execute("SELECT price FROM attempts WHERE id = ?", (came[0][0],)).fetchone()
    price = None if row["price"] is None else Price.from_json(json.loads(row["price"]))
    stored = [(attempt_id, request, advised(storable(reply))) for attempt_id, request, reply in came]
    futures = [
        store.settle(attempt_id, mendable(reply), cost=Cost.of(reply.usage, price), is_paid=is_paid)
        for attempt_id, _, reply in stored
    ]
    outcomes = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, AlreadySettled):
            raise outcome
    return [(request, reply) for _, request, reply in stored]


def not_handed_over(why: str) -> Reply:
    """Give the reply to every call of a batch that was never handed over."""
    return Reply(failure=Failure(kind="unpaid", message=why, is_retryable=True))


def written_as(path: str) -> str:
    """Give the remote name of a batch that was written to a file."""
    return _FILE + path


def is_written(batch: Batch) -> bool:
    """Say whether a batch was written to a file, to be answered elsewhere."""
    return (batch.remote or "").startswith(_FILE)


def refuse_written(busy: Sequence[Busy], store: Store) -> None:
    """End an asking that would wait for a file nobody may ever read."""
    named = {call.batch for call in busy}
    for batch in store.batches() if any(named) else ():
        if batch.name in named and is_written(batch):
            raise TeacherError(_told(batch, store, sum(call.batch == batch.name for call in busy)))


def refuse_batched(requests: Sequence[Request], store: Store) -> None:
    """End an asking call by call that would wait for a batch, which may take hours or for ever."""
    endpoints = {request.endpoint for request in requests}
    found = [batch for batch in store.batches() if batch.state != "over" and batch.endpoint in endpoints]
    keys = {request.key for request in requests} if found else set()
    for batch in found:
        n = sum(request.key in keys for _, request in store.waiting(batch.name))
        if n:
            raise TeacherError(_told(batch, store, n))


def _told(batch: Batch, store: Store, n: int) -> str:
    """What keeps calls from being asked, and what to do."""
    stand = f"{n} of the calls stand{'s' if n == 1 else ''} in batch {batch.name!r}"
    give_up = f"give it up with: tuition batch drop {store.path} {batch.name}"
    if is_written(batch):
        path = (batch.remote or "").removeprefix(_FILE)
        return (
            f"{stand}, which was written to {path!r} to be answered elsewhere. Bring its answers in with: "
            f"tuition batch import {store.path} RESULTS, or {give_up}"
        )
    return (
        f"{stand} of run {batch.run!r} with teacher {batch.teacher!r}, which is not over. Go on with that "
        f"run, with wire.in_batches = true, or {give_up}"
    )


def is_refused_whole(reply: Reply) -> bool:
    """Whether a call failed with its batch: there is too much in line, and no line of its own says so."""
    return reply.failure is not None and reply.failure.kind == "rate_limit" and not reply.raw


def parts_of(requests: Sequence[Request], *, most: int) -> Iterator[list[Request]]:
    """Cut a list into what one batch may hold."""
    part: list[Request] = []
    size = 0
    for request in requests:
        line = len(canonical_json(request.to_json()).encode("utf-8", "replace")) + _ENVELOPE_BYTES
        if part and (len(part) >= most or size + line > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(request)
        size += line
    if part:
        yield part
