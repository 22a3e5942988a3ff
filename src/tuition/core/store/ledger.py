"""The tables of the store and the acts on them, each done inside one transaction of the writer.

Rows are never deleted. Knows no thread and no teacher; docs/store.md describes the tables.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Sequence

from tuition.core.budget import Cost, Price
from tuition.core.errors import StoreError, some_of
from tuition.core.records import Failure, Reply, Request, canonical_json
from tuition.core.store.outcomes import Busy, Cap, Kept, Left, Place, Refused

__all__ = [
    "SCHEMA_VERSION",
    "announce",
    "close_attempt",
    "earlier",
    "forget_dead",
    "insert_attempt",
    "note_use",
    "refusal",
    "set_up",
]

SCHEMA_VERSION = 1
_LEASE_S = 60.0
"""An owner silent for this long is taken for dead; one whose process is gone from this host, at once."""
_OPENING_S = 20.0
"""How long to try to open a file that other processes open at the same moment."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS owners (
  owner TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, heartbeat REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, sample INTEGER NOT NULL,
  run TEXT NOT NULL, round INTEGER NOT NULL, run_group TEXT NOT NULL,
  teacher TEXT NOT NULL, role TEXT NOT NULL,
  prompt TEXT NOT NULL, example_id TEXT NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL,
  request TEXT NOT NULL, owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'kept', 'failed', 'unknown')),
  price TEXT, worst_nano INTEGER, worst_tokens INTEGER NOT NULL,
  cost_nano INTEGER, paid_nano INTEGER, tokens INTEGER,
  prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER, reasoning_tokens INTEGER,
  is_estimated INTEGER,
  failure TEXT, returned_model TEXT, latency_s REAL, headers TEXT, raw TEXT,
  started_at REAL NOT NULL, ended_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_key ON attempts (key);
CREATE INDEX IF NOT EXISTS attempts_run ON attempts (run);
CREATE INDEX IF NOT EXISTS attempts_open ON attempts (run, owner) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS replies (
  key TEXT PRIMARY KEY, sample INTEGER NOT NULL,
  attempt_id INTEGER NOT NULL REFERENCES attempts (id), reply TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS uses (
  run TEXT NOT NULL, key TEXT NOT NULL, round INTEGER NOT NULL, teacher TEXT NOT NULL, role TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT;
CREATE TABLE IF NOT EXISTS sums (
  scope TEXT PRIMARY KEY, nano INTEGER NOT NULL, tokens INTEGER NOT NULL, calls INTEGER NOT NULL
) STRICT
"""


def set_up(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none, and check that they are ours.

    A file of another program, or of another version of the schema, is a StoreError.

    Args:
        connection: Outside any transaction.
    """
    _check_owner(connection)
    _use_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
    connection.execute("COMMIT")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the journal; SQLite does not wait by itself where several processes open a new file at once."""
    deadline = time.monotonic() + _OPENING_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _check_owner(connection: sqlite3.Connection) -> None:
    """Look before touching: a stranger's file must not gain our tables."""
    tables = {
        row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    if not tables:
        return
    if not {"meta", "attempts", "replies"} <= tables:
        raise StoreError(
            f"it is an SQLite file of another program, with the tables {some_of(sorted(tables))}; "
            "name a file that does not exist yet."
        )
    row = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    found = None if row is None else row["value"]
    if found != str(SCHEMA_VERSION):
        raise StoreError(
            f"schema version {found} found, this program reads {SCHEMA_VERSION}; "
            "use the version of tuition that made it, or begin a new store."
        )


def announce(connection: sqlite3.Connection, owner: str) -> None:
    """Say that an owner is alive.

    Args:
        connection: In a transaction.
        owner: Names one open store of one process.
    """
    connection.execute(
        "INSERT INTO owners VALUES (?, ?, ?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET heartbeat = excluded.heartbeat",
        (owner, socket.gethostname(), os.getpid(), time.time()),
    )


def forget_dead(connection: sqlite3.Connection, owner: str | None = None) -> None:
    """Turn the open attempts of the dead into unknown outcomes, charged at their worst.

    Args:
        connection: In a transaction.
        owner: This owner is leaving, whether alive or not; None: look at all of them.
    """
    rows = connection.execute("SELECT DISTINCT owner FROM attempts WHERE state = 'open'").fetchall()
    dead = [row["owner"] for row in rows if row["owner"] == owner or not _is_alive(connection, row["owner"])]
    connection.executemany(
        "UPDATE attempts SET state = 'unknown' WHERE state = 'open' AND owner = ?", [(name,) for name in dead]
    )


def _is_alive(connection: sqlite3.Connection, owner: str) -> bool:
    row = connection.execute("SELECT * FROM owners WHERE owner = ?", (owner,)).fetchone()
    if row is None or time.time() - row["heartbeat"] > _LEASE_S:
        return False
    if row["host"] != socket.gethostname():
        return True
    try:
        os.kill(row["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def earlier(
    connection: sqlite3.Connection, key: str, place: Place, *, asks_again: bool
) -> Kept | Busy | Left | None:
    """Say what earlier attempts at the same call mean for a new one.

    Args:
        connection: In a transaction.
        key: The request's key.
        place: A final failure that cost nothing is remembered within its own run alone; another run may try
            again. One that was paid for is remembered by all of them.
        asks_again: Whether a call whose end nobody saw may be made once more.

    Returns:
        None where the call is free to be made.
    """
    row = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
    if row is not None:
        return Kept(reply=Reply.from_json(json.loads(row["reply"])))
    unknown: int | None = None
    query = "SELECT id, run, owner, state, failure FROM attempts WHERE key = ? ORDER BY id"
    for attempt in connection.execute(query, (key,)).fetchall():
        if attempt["state"] == "open":
            if _is_alive(connection, attempt["owner"]):
                return Busy(owner=attempt["owner"])
            forget_dead(connection)
            unknown = attempt["id"]
        elif attempt["state"] == "unknown":
            unknown = attempt["id"]
        else:
            failure = Failure.from_json(json.loads(attempt["failure"]))
            if not failure.is_retryable and (failure.is_paid or attempt["run"] == place.run):
                return Kept(reply=Reply(failure=failure))
    return Left(attempt_id=unknown) if unknown is not None and not asks_again else None


def refusal(connection: sqlite3.Connection, worst: Cost, caps: Sequence[Cap]) -> Refused | None:
    """Hold a call's worst cost against the caps.

    Args:
        connection: In a transaction.
        worst: What would be set aside.
        caps: All that hold for the call.

    Returns:
        None where every cap allows it.
    """
    for cap in caps:
        row = connection.execute(
            "SELECT nano, tokens, calls FROM sums WHERE scope = ?", (cap.scope,)
        ).fetchone()
        spent = tuple(row) if row else (0, 0, 0)
        limits = (cap.nano, cap.tokens, cap.calls)
        for what, limit, used, more in zip(
            ("usd", "tokens", "calls"), limits, spent, (worst.nano or 0, worst.tokens, 1), strict=True
        ):
            if limit is not None and used + more > limit:
                may_free = what != "calls" and more <= limit and _has_open(connection, cap.scope)
                return Refused(scope=cap.scope, what=what, limit=limit, spent=used, may_free=may_free)
    return None


def _has_open(connection: sqlite3.Connection, scope: str) -> bool:
    """Whether a call in flight counts in this very scope."""
    forget_dead(connection)
    rows = connection.execute(
        "SELECT DISTINCT run, round, run_group, teacher FROM attempts WHERE state = 'open'"
    ).fetchall()
    return any(scope in _place(row).scopes(row["teacher"]) for row in rows)


def _place(attempt: sqlite3.Row) -> Place:
    return Place(run=attempt["run"], round=attempt["round"], group=attempt["run_group"])


def insert_attempt(
    connection: sqlite3.Connection,
    request: Request,
    worst: Cost,
    *,
    place: Place,
    price: Price | None,
    owner: str,
) -> int:
    """Set the worst cost aside and take the lease on the call.

    Args:
        connection: In a transaction.
        request: The call.
        worst: What is set aside.
        place: Whose call it is.
        price: What it will be settled with.
        owner: Who makes it.

    Returns:
        The attempt's id.
    """
    _add(connection, place.scopes(request.teacher), nano=worst.nano or 0, tokens=worst.tokens, calls=1)
    columns = ("sample", "teacher", "role", "prompt", "example_id", "endpoint", "model")
    values: dict[str, object] = {name: getattr(request, name) for name in columns} | {
        "key": request.key,
        "run": place.run,
        "round": place.round,
        "run_group": place.group,
        "request": canonical_json(request.to_json()),
        "owner": owner,
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
    """Replace a reservation by what the call came to.

    Args:
        connection: In a transaction.
        attempt_id: From `insert_attempt`.
        reply: What came back.
        cost: Of the usage the provider counted.
        is_paid: Whether the cost was newly paid, which a recorded reply's is not.

    Raises:
        StoreError: The attempt was settled before.
    """
    row = connection.execute("SELECT * FROM attempts WHERE id = ?", (attempt_id,)).fetchone()
    if row is None or row["state"] in ("kept", "failed"):
        raise StoreError(f"attempt {attempt_id} is not open; a reservation is settled once.")
    state, charged = _charge(reply, cost)
    paid = charged if is_paid or charged is None else Cost(nano=0, tokens=charged.tokens)
    place = _place(row)
    if paid is not None:
        more = (paid.nano or 0) - (row["worst_nano"] or 0)
        _add(connection, place.scopes(row["teacher"]), nano=more, tokens=paid.tokens - row["worst_tokens"])
    _write_outcome(connection, attempt_id, reply, state=state, charged=charged, paid=paid)
    if state == "kept":
        connection.execute(
            "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?)",
            (row["key"], row["sample"], attempt_id, _reply_text(reply)),
        )
        note_use(connection, Request.from_json(json.loads(row["request"])), place)


def _charge(reply: Reply, cost: Cost) -> tuple[str, Cost | None]:
    """The state an attempt ends in and what is charged for it; None: its worst, for nobody can tell."""
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
        "tokens": None if charged is None else charged.tokens,
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


def _reply_text(reply: Reply) -> str:
    """The kept reply, without the body and headers that stand in its attempt."""
    row = reply.to_json()
    return canonical_json({name: value for name, value in row.items() if name not in ("raw", "headers")})


def _add(
    connection: sqlite3.Connection, scopes: Sequence[str], *, nano: int, tokens: int, calls: int = 0
) -> None:
    connection.executemany(
        "INSERT INTO sums VALUES (?, ?, ?, ?) ON CONFLICT (scope) DO UPDATE SET nano = nano + excluded.nano, "
        "tokens = tokens + excluded.tokens, calls = calls + excluded.calls",
        [(scope, nano, tokens, calls) for scope in scopes],
    )


def note_use(connection: sqlite3.Connection, request: Request, place: Place) -> None:
    """Remember that a run uses the answer to a call, whoever paid for it.

    Args:
        connection: In a transaction.
        request: The call.
        place: Who uses it.
    """
    connection.execute(
        "INSERT OR IGNORE INTO uses VALUES (?, ?, ?, ?, ?)",
        (place.run, request.key, place.round, request.teacher, request.role),
    )
