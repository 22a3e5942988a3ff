"""Check the promises of a store, and repair the one thing that can be counted anew: its sums."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuition.core.records import Record, Request
from tuition.core.store.sums import HELD_NANO, HELD_TOKENS, scopes_of
from tuition.upkeep.info import open_store
from tuition.upkeep.redact import REDACTED

__all__ = ["Fault", "Verdict", "verify_store"]

_SHOWN = 3
"""How many rows a fault names."""
_RESTORE = "Take the newest good copy, or save what can be read: tuition store export."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Record):
    """One thing that is not as it should be."""

    what: str
    count: int
    """In how many rows."""
    where: tuple[str, ...]
    """The first three of them."""
    remedy: str
    """What to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Record):
    """The result of checking a store."""

    path: str
    attempts: int | None
    """None: the file is too damaged to count them."""
    faults: tuple[Fault, ...]
    """What is wrong now; empty: all is well."""
    repaired: tuple[Fault, ...]
    """What was wrong and has been mended."""
    bought_twice: int
    """Keys with more than one kept attempt, which a late answer or the merging of two stores brings. It is
    no fault: the money was spent."""


def verify_store(path: Path, *, repair: bool = False) -> Verdict:
    """Check the promises of a store.

    Args:
        path: The file.
        repair: Recompute the sums that are wrong. Nothing else is altered.

    Returns:
        Every fault, with what to do.

    Raises:
        DataError: There is no store.
    """
    with open_store(path) as store:
        with store.read() as connection:
            connection.execute("BEGIN")
            try:
                faults = list(_faults(connection))
                noted = {row["scope"]: [*row][1:] for row in connection.execute("SELECT * FROM sums")}
                true, none = _true_sums(connection), [0, 0, 0]
                pairs = {scope: (noted.get(scope, none), true.get(scope, none)) for scope in noted | true}
                wrong = (
                    f"{scope}: {a} noted, {b} counted" for scope, (a, b) in sorted(pairs.items()) if a != b
                )
                wrong_sums = _fault(_SUMS, wrong, _REPAIR_SUMS)
                attempts, bought_twice = connection.execute(_COUNTS).fetchone()
            except sqlite3.DatabaseError as error:
                faults, wrong_sums = _fault("damage to the file", [str(error)], _RESTORE), []
                attempts, bought_twice, repair = None, 0, False
        repaired = wrong_sums if repair else []
        if repaired:
            store.write(_recompute_sums).result()
        return Verdict(
            path=str(path),
            attempts=attempts,
            faults=(*faults, *(() if repair else wrong_sums)),
            repaired=tuple(repaired),
            bought_twice=bought_twice,
        )


_REPAIR_SUMS = "Limits are compared with the sums: tuition store verify --repair recomputes them."
_SUMS = "sums that are not those of the attempts"
_COUNTS = (
    "SELECT (SELECT COUNT(*) FROM attempts), "
    "(SELECT COUNT(*) FROM (SELECT key FROM attempts WHERE state = 'kept' GROUP BY key HAVING COUNT(*) > 1))"
)

_QUERIES = (
    (
        "kept attempts without a reply under their key",
        "SELECT 'attempt ' || id FROM attempts WHERE state = 'kept' AND NOT EXISTS "
        "(SELECT 1 FROM replies WHERE replies.key = attempts.key)",
        "The answer is in the attempt's column `raw`; the call will be made once more when it is asked for.",
    ),
    (
        "replies whose attempt is not a kept one of the same key",
        "SELECT 'reply ' || r.key FROM replies r LEFT JOIN attempts a ON a.id = r.attempt_id "
        "WHERE a.id IS NULL OR a.key != r.key OR a.state != 'kept'",
        _RESTORE,
    ),
    (
        "uses of a reply that is not there",
        "SELECT 'run ' || run || ', key ' || key FROM uses WHERE key NOT IN (SELECT key FROM replies)",
        _RESTORE,
    ),
    (
        "settled attempts without a count of tokens",
        "SELECT 'attempt ' || id FROM attempts WHERE state IN ('kept', 'failed', 'lost') AND tokens IS NULL",
        _RESTORE,
    ),
    (
        "failed attempts that do not say why",
        "SELECT 'attempt ' || id FROM attempts WHERE state = 'failed' AND failure IS NULL",
        _RESTORE,
    ),
    (
        "open attempts of a batch that is over or was never made",
        "SELECT 'attempt ' || id FROM attempts WHERE state = 'open' AND batch != '' "
        "AND batch NOT IN (SELECT name FROM batches WHERE state != 'over')",
        "They stay busy for ever. Export the store and import it into a new one, where they are unknown.",
    ),
)


def _faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    """What SQLite itself finds, and which rows break a promise."""
    said = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    yield from _fault("damage to the file", (text for text in said if text != "ok"), _RESTORE)
    found = (f"{row['table']} row {row['rowid']}" for row in connection.execute("PRAGMA foreign_key_check"))
    yield from _fault("rows that refer to a row that is not there", found, _RESTORE)
    for what, query, remedy in _QUERIES:
        yield from _fault(what, (row[0] for row in connection.execute(query)), remedy)
    wrong = []
    for row in connection.execute("SELECT id, key, request FROM attempts"):
        is_right = False
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            asked = json.loads(row["request"])
            is_right = REDACTED in asked or Request.from_json(asked).key == row["key"]
        wrong += [] if is_right else [f"attempt {row['id']}"]
    yield from _fault("attempts whose key is not their request's", wrong, _RESTORE)


def _fault(what: str, rows: Iterable[str], remedy: str) -> list[Fault]:
    rows = iter(rows)
    first = tuple(itertools.islice(rows, _SHOWN))
    count = len(first) + sum(1 for _ in rows)
    return [Fault(what=what, count=count, where=first, remedy=remedy)] if count else []


def _true_sums(connection: sqlite3.Connection) -> dict[str, list[int]]:
    """Add the attempts up, for each scope they count in."""
    sums: dict[str, list[int]] = {}
    rows = connection.execute(
        "SELECT run, round, run_group, teacher, COUNT(*) AS calls, "
        f"coalesce(SUM({HELD_NANO}), 0) AS nano, coalesce(SUM({HELD_TOKENS}), 0) AS tokens "
        "FROM attempts GROUP BY run, round, run_group, teacher"
    )
    for row in rows:
        for scope in scopes_of(row):
            so_far = sums.setdefault(scope, [0, 0, 0])
            for i, name in enumerate(("nano", "tokens", "calls")):
                so_far[i] += row[name]
    return sums


def _recompute_sums(connection: sqlite3.Connection) -> None:
    rows = [(scope, *values) for scope, values in _true_sums(connection).items()]
    connection.execute("DELETE FROM sums")
    connection.executemany("INSERT INTO sums VALUES (?, ?, ?, ?)", rows)
