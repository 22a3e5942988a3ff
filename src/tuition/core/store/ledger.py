"""The acts of reserve, attempt, settle on the rows of the store, each inside one transaction of the writer.

Attempts are never deleted. A batch is many calls handed over at once, answered hours later, perhaps to
another process. Knows no thread, no teacher and no provider.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tuition.core.budget import Cost, Price
from tuition.core.errors import StoreError
from tuition.core.records import Failure, Record, Reply, Request, Usage, canonical_json
from tuition.core.store.leases import forget_dead, is_alive
from tuition.core.store.sums import (
    AlreadySettled,
    Busy,
    Kept,
    Left,
    Place,
    add_to_sums,
    place_of,
    recount_sums,
)

__all__ = [
    "Batch",
    "check_is_made",
    "close_attempt",
    "count_attempt",
    "earlier",
    "end_batch",
    "free_attempt",
    "insert_attempt",
    "lose_attempt",
    "note_use",
    "open_batch",
    "sent_batch",
    "take_kept",
]


_NOTE_USE = "INSERT OR IGNORE INTO uses VALUES (?, ?, ?, ?, ?)"


def earlier(
    connection: sqlite3.Connection, key: str, place: Place, *, asks_again: bool
) -> Kept | Busy | Left | None:
    """What earlier attempts at the same call mean for a new one; None: the call is free to be made.

    A final failure that was paid for holds for all runs; one that cost nothing holds for its own run alone:
    another run may try again.
    """
    row = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
    if row is not None:
        return Kept(reply=Reply.from_json(json.loads(row["reply"])))
    unknown: int | None = None
    query = "SELECT id, run, owner, batch, state, failure FROM attempts WHERE key = ? ORDER BY id"
    for attempt in connection.execute(query, (key,)).fetchall():
        if attempt["state"] == "open":
            if attempt["batch"] or is_alive(connection, attempt["owner"]):
                return Busy(owner=attempt["owner"], batch=attempt["batch"])
            forget_dead(connection)
            unknown = attempt["id"]
        elif attempt["state"] == "unknown":
            unknown = attempt["id"]
        elif attempt["state"] == "failed":
            failure = Failure.from_json(json.loads(attempt["failure"]))
            if not failure.is_retryable and (failure.is_paid or attempt["run"] == place.run):
                return Kept(reply=Reply(failure=failure))
    return Left(attempt_id=unknown) if unknown is not None and not asks_again else None


def take_kept(
    connection: sqlite3.Connection, requests: Sequence[Request], place: Place
) -> list[tuple[str, str]]:
    """Give keys and texts of the kept replies to some calls, and note that a run uses them."""
    query = f"SELECT key, reply FROM replies WHERE key IN ({', '.join('?' * len(requests))})"
    found = [(row["key"], row["reply"]) for row in connection.execute(query, [one.key for one in requests])]
    known = {key for key, _ in found}
    connection.executemany(
        _NOTE_USE,
        [(place.run, one.key, place.round, one.teacher, one.role) for one in requests if one.key in known],
    )
    return found


def insert_attempt(
    connection: sqlite3.Connection,
    request: Request,
    worst: Cost,
    *,
    place: Place,
    price: Price | None,
    owner: str,
    batch: str,
) -> int:
    """Reserve the worst cost, and take the lease on the call; give the attempt's id."""
    if batch:
        check_is_made(connection, batch)
    add_to_sums(connection, place.scopes(request.teacher), nano=worst.nano or 0, tokens=worst.tokens, calls=1)
    columns = ("sample", "teacher", "role", "prompt", "example_id", "endpoint", "model", "tag")
    values: dict[str, object] = {name: getattr(request, name) for name in columns} | {
        "key": request.key,
        "run": place.run,
        "round": place.round,
        "run_group": place.group,
        "request": canonical_json(request.to_json()),
        "owner": owner,
        "batch": batch,
        "state": "open",
        "price": None if price is None else canonical_json(price.to_json()),
        "worst_nano": worst.nano,
        "worst_tokens": worst.tokens,
        "started_at": time.time(),
    }
    marks = ", ".join(f":{name}" for name in values)
    row_id = connection.execute(
        f"INSERT INTO attempts ({', '.join(values)}) VALUES ({marks})", values
    ).lastrowid
    assert row_id is not None
    return row_id


def close_attempt(
    connection: sqlite3.Connection, attempt_id: int, reply: Reply, *, cost: Cost, is_paid: bool
) -> None:
    """Replace a reservation by the outcome of the call; refuse one that was settled before.

    Reconciling may have settled it meanwhile against a list of charges. Then only an answer or a charge
    replaces that; the list knows more than a failure that comes late.
    """
    row = connection.execute("SELECT * FROM attempts WHERE id = ?", (attempt_id,)).fetchone()
    is_free = row is not None and row["state"] == "failed" and not row["tokens"]
    if row is None or (row["state"] in ("kept", "failed") and not is_free):
        raise AlreadySettled(f"attempt {attempt_id} is not open; a reservation is settled once.")
    state, charged = _charge(reply, cost)
    if (is_free or row["state"] == "lost") and state != "kept" and (charged is None or not charged.tokens):
        return
    paid = charged if is_paid or charged is None else Cost(nano=0, tokens=charged.tokens)
    if is_paid and charged is not None and charged.tokens and reply.usage.is_estimated:
        # an estimate may lie below the bill, and a limit must hold for the bill
        paid = Cost(nano=row["worst_nano"], tokens=row["worst_tokens"])
    if paid is not None:
        recount_sums(connection, row, paid)
    _write_outcome(connection, attempt_id, reply, state=state, charged=charged, paid=paid)
    if state == "kept":
        # the body and the headers stand in the attempt
        kept = {name: value for name, value in reply.to_json().items() if name not in ("raw", "headers")}
        connection.execute(
            "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?)",
            (row["key"], row["sample"], attempt_id, canonical_json(kept)),
        )
        note_use(connection, row["key"], place_of(row), teacher=row["teacher"], role=row["role"])


def _charge(reply: Reply, cost: Cost) -> tuple[str, Cost | None]:
    """The state an attempt ends in and its charge; None: unknown, so its worst cost stays charged."""
    if reply.failure is None:
        return "kept", cost
    if reply.failure.is_paid is None:
        return "unknown", None
    return "failed", cost if reply.failure.is_paid else Cost(nano=0, tokens=0)


def _write_outcome(
    connection: sqlite3.Connection,
    attempt_id: int,
    reply: Reply,
    *,
    state: str,
    charged: Cost | None,
    paid: Cost | None,
) -> None:
    values: dict[str, object] = {
        "state": state,
        "cost_nano": None if charged is None else charged.nano,
        "paid_nano": None if paid is None else paid.nano,
        "tokens": None if paid is None else paid.tokens,
        "prompt_tokens": reply.usage.prompt_tokens,
        "cached_tokens": reply.usage.cached_tokens,
        "completion_tokens": reply.usage.completion_tokens,
        "reasoning_tokens": reply.usage.reasoning_tokens,
        "is_estimated": reply.usage.is_estimated,
        "failure": None if reply.failure is None else canonical_json(reply.failure.to_json()),
        "returned_model": reply.model,
        "latency_s": reply.latency_s,
        "headers": reply.headers,
        "raw": reply.raw,
        "ended_at": time.time(),
    }
    marks = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(f"UPDATE attempts SET {marks} WHERE id = :id", values | {"id": attempt_id})


def note_use(connection: sqlite3.Connection, key: str, place: Place, *, teacher: str, role: str) -> None:
    """Note that a run uses the answer to a call, which another run may have paid for."""
    connection.execute(_NOTE_USE, (place.run, key, place.round, teacher, role))


def lose_attempt(connection: sqlite3.Connection, attempt_id: int, usage: Usage) -> bool:
    """Turn an unknown outcome into a charged call whose answer is lost; False: it is none, and stays."""
    row = _unknown(connection, attempt_id)
    if row is None:
        return False
    _recount(connection, row, usage, state="lost")
    return True


def count_attempt(connection: sqlite3.Connection, attempt_id: int, usage: Usage) -> bool:
    """Replace an estimate, or a cost of nothing, by the provider's count; False: it is neither, and stays."""
    row = connection.execute(
        "SELECT * FROM attempts WHERE id = ? "
        "AND state IN ('kept', 'failed') AND (is_estimated OR tokens = 0)",
        (attempt_id,),
    ).fetchone()
    if row is None:
        return False
    _recount(connection, row, usage, state=row["state"])
    if row["failure"] is not None and usage != Usage():
        failure = canonical_json({**json.loads(row["failure"]), "is_paid": True})
        connection.execute("UPDATE attempts SET failure = ? WHERE id = ?", (failure, attempt_id))
    return True


def _recount(connection: sqlite3.Connection, row: sqlite3.Row, usage: Usage, *, state: str) -> None:
    """Charge an attempt what a list of charges says."""
    price = None if row["price"] is None else Price.from_json(json.loads(row["price"]))
    cost = Cost.of(usage, price)
    recount_sums(connection, row, cost)
    connection.execute(
        "UPDATE attempts SET state = ?, cost_nano = ?, paid_nano = ?, tokens = ?, prompt_tokens = ?, "
        "cached_tokens = ?, completion_tokens = ?, is_estimated = 0 WHERE id = ?",
        (
            *(state, cost.nano, cost.nano, cost.tokens),
            *(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, row["id"]),
        ),
    )


def free_attempt(connection: sqlite3.Connection, attempt_id: int) -> bool:
    """Turn an unknown outcome into a failure that cost nothing; False: it is none, and stays."""
    row = _unknown(connection, attempt_id)
    if row is None:
        return False
    message = "nobody saw the end of the call, and the provider's list of charges does not have it"
    failure = Failure(kind="unknown_outcome", message=message, is_retryable=True)
    if row["failure"] is not None:
        failure = Failure.from_json({**json.loads(row["failure"]), "is_retryable": True, "is_paid": False})
    recount_sums(connection, row, Cost(nano=0, tokens=0))
    connection.execute(
        "UPDATE attempts SET state = 'failed', cost_nano = 0, paid_nano = 0, tokens = 0, failure = ? "
        "WHERE id = ?",
        (canonical_json(failure.to_json()), attempt_id),
    )
    return True


def _unknown(connection: sqlite3.Connection, attempt_id: int) -> sqlite3.Row | None:
    return connection.execute(
        "SELECT * FROM attempts WHERE id = ? AND state = 'unknown'", (attempt_id,)
    ).fetchone()


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


def _state(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute("SELECT state FROM batches WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise StoreError(f"there is no batch {name!r}; open it before its calls are reserved.")
    return row["state"]
