"""Take a person's text out of a store: of prompts, answers and what came over the wire.

Keys, money and counts of tokens stay, so that what was paid is known and nothing is bought twice. Knows no
run but by the file that has its id.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuition.core.errors import DataError, StoreError
from tuition.core.records import Failure, Record, Reply, canonical_json
from tuition.upkeep.info import open_store, write_anew

__all__ = ["REDACTED", "Holding", "holding", "redact_store"]

REDACTED = "redacted"
"""Kind of the failure in the place of an answer, and the entry of a request that says when."""
_AT_ONCE = 500
_QUERY = """
  SELECT a.id, a.key, a.run, a.example_id, a.state, a.request, a.failure, a.headers, a.raw, r.reply
  FROM attempts a LEFT JOIN replies r ON r.key = a.key AND r.attempt_id = a.id
"""
_RUN_IDS = tuple(f"{'*/' * depth}run_id" for depth in (1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding(Record):
    """What of a store holds a text."""

    keys: tuple[str, ...]
    """Of the calls, in order."""
    calls: int
    """Attempts at them."""
    answers: int
    """Kept ones."""
    runs: tuple[str, ...]
    """Ids of the runs that made or used them."""
    folders: tuple[str, ...]
    """Run folders beside the store whose files may hold the text too."""
    copies: tuple[str, ...]
    """Copies of the store from before its schema was brought up."""


def holding(path: Path, where: str) -> Holding:
    """Find the calls that hold a text; what was redacted before is left out.

    Args:
        path: The store.
        where: A part of a prompt or of what came back, in capitals or not; or a call's key, or an example's
            id.

    Returns:
        The calls, and where else the text may stand.

    Raises:
        DataError: There is no store, or the text is empty.
        StoreError: Such a call is under way.
    """
    needle = where.strip().casefold()
    if not needle:
        raise DataError("--where is empty; give a text, a call's key or an example's id")
    keys: dict[str, None] = {}
    with open_store(path) as store, store.read() as connection:
        connection.execute("BEGIN")
        for row in connection.execute(_QUERY):
            is_named = where in (row["key"], row["example_id"])
            if is_named or any(needle in text.casefold() for text in _texts(_said(row))):
                keys[row["key"]] = None
        found = [row for key in keys for row in connection.execute(f"{_QUERY} WHERE a.key = ?", (key,))]
        found = [row for row in found if REDACTED not in json.loads(row["request"])]
        used = [row for key in keys for row in connection.execute("SELECT * FROM uses WHERE key = ?", (key,))]
    under_way = [row["id"] for row in found if row["state"] == "open"]
    if under_way:
        raise StoreError(
            f"{len(under_way)} of these calls are under way in {str(path)!r}, and their answers would bring "
            "the text again; let the run or the batch end, or drop the batch, then start again."
        )
    redactable = {row["key"]: None for row in found}
    runs = {row["run"] for row in (*found, *used) if row["key"] in redactable}
    folders = [file.parent for pattern in _RUN_IDS for file in path.parent.glob(pattern)]
    return Holding(
        keys=tuple(redactable),
        calls=len(found),
        answers=sum(row["state"] == "kept" for row in found),
        runs=tuple(sorted(runs)),
        folders=tuple(sorted(str(f) for f in folders if (f / "run_id").read_text().strip() in runs)),
        copies=tuple(sorted(str(one) for one in path.parent.glob(f"{path.stem}.schema-*{path.suffix}"))),
    )


def _said(row: sqlite3.Row) -> list[Any]:
    """What was asked and answered, without the names that stand beside it."""
    request, reply, failure = (json.loads(row[name] or "{}") for name in ("request", "reply", "failure"))
    turns = [turn["content"] for turn in request["messages"]]
    answer = [reply.get(name) for name in ("text", "reasoning", "answer")]
    return [*turns, request["parameters"], *answer, failure.get("message"), row["raw"], row["headers"]]


def _texts(value: Any) -> Iterator[str]:
    """Every text within a value, and within the JSON that a text is."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
        with contextlib.suppress(ValueError, RecursionError):
            yield from _texts(json.loads(value) if value[:1] in ("{", "[") else None)


def redact_store(path: Path, keys: Iterable[str]) -> str:
    """Put a mark in the place of all texts of some calls, and write the file anew without them.

    Args:
        path: The store.
        keys: Of the calls, from `holding`.

    Returns:
        The moment that the mark names.

    Raises:
        DataError: There is no store.
        StoreError: Another process has the file open, so that old pages of it stay.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    waiting = list(keys)
    with open_store(path) as store:
        while part := waiting[:_AT_ONCE]:
            del waiting[:_AT_ONCE]

            def act(connection: sqlite3.Connection, part: list[str] = part) -> None:
                connection.execute("PRAGMA secure_delete = ON")
                for key in part:
                    _redact(connection, key, now=now)

            store.write(act).result()
    if not write_anew(path):
        raise StoreError(
            f"the texts are redacted, but another process that has {str(path)!r} open keeps old pages in the "
            "journal; end that process, then run 'tuition store compact'."
        )
    return now


def _redact(connection: sqlite3.Connection, key: str, *, now: str) -> None:
    mark = f"[{REDACTED} {now}]"
    for row in connection.execute(
        "SELECT id, request, failure FROM attempts WHERE key = ?", (key,)
    ).fetchall():
        request, failure = json.loads(row["request"]), json.loads(row["failure"] or "null")
        request["messages"] = [{**turn, "content": mark} for turn in request["messages"]]
        # Numbers say how a call was made; a text among its parameters may be anything.
        kept = {k: v for k, v in request["parameters"].items() if isinstance(v, int | float)}
        request |= {"parameters": kept, REDACTED: now}
        connection.execute(
            "UPDATE attempts SET request = ?, failure = ?, headers = '', raw = '' WHERE id = ?",
            (canonical_json(request), failure and canonical_json({**failure, "message": mark}), row["id"]),
        )
    row = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
    if row is None:
        return
    old = Reply.from_json(json.loads(row["reply"]))
    message = (
        f"the answer was redacted from the store at {now}; it was paid, and is not bought again. Leave the "
        "example out, or ask with another prompt or another store"
    )
    failure = Failure(kind=REDACTED, message=message, is_paid=True)
    reply = Reply(usage=old.usage, model=old.model, latency_s=old.latency_s, failure=failure)
    kept = {name: value for name, value in reply.to_json().items() if name not in ("raw", "headers")}
    connection.execute("UPDATE replies SET reply = ? WHERE key = ?", (canonical_json(kept), key))
