"""The sums that are compared with limits: what each attempt adds to them, and whether another one fits.

Knows no reply and no thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tuition.core.budget import Cost
from tuition.core.store.leases import forget_dead
from tuition.core.store.outcomes import Cap, Place, Refused

__all__ = [
    "HELD_NANO",
    "HELD_TOKENS",
    "add_to_sums",
    "held_by",
    "place_of",
    "recount_sums",
    "refusal",
    "scopes_of",
]

HELD_NANO: Final = "iif(state IN ('open', 'unknown'), worst_nano, paid_nano)"
"""What an attempt adds to the sums, in nano-dollars, as SQL: its worst cost until its end is known, then what
was paid; NULL: its price is unknown."""
HELD_TOKENS: Final = "iif(state IN ('open', 'unknown'), worst_tokens, tokens)"
"""The same in tokens."""


def held_by(row: Mapping[str, Any] | sqlite3.Row) -> Cost:
    """What an attempt adds to the sums as it stands."""
    if row["state"] in ("open", "unknown"):
        return Cost(nano=row["worst_nano"], tokens=row["worst_tokens"])
    return Cost(nano=row["paid_nano"], tokens=row["tokens"])


def place_of(row: Mapping[str, Any] | sqlite3.Row) -> Place:
    """The run, round and group of an attempt."""
    return Place(run=row["run"], round=row["round"], group=row["run_group"])


def scopes_of(row: Mapping[str, Any] | sqlite3.Row) -> tuple[str, ...]:
    """The names of the sums that an attempt adds to."""
    return place_of(row).scopes(row["teacher"])


def add_to_sums(
    connection: sqlite3.Connection, scopes: Sequence[str], *, nano: int, tokens: int, calls: int = 0
) -> None:
    """Change sums; negative numbers take away."""
    connection.executemany(
        "INSERT INTO sums VALUES (?, ?, ?, ?) ON CONFLICT (scope) DO UPDATE SET nano = nano + excluded.nano, "
        "tokens = tokens + excluded.tokens, calls = calls + excluded.calls",
        [(scope, nano, tokens, calls) for scope in scopes],
    )


def recount_sums(connection: sqlite3.Connection, row: Mapping[str, Any] | sqlite3.Row, cost: Cost) -> None:
    """Change the sums of an attempt from what it adds now to another cost."""
    held = held_by(row)
    more = (cost.nano or 0) - (held.nano or 0)
    add_to_sums(connection, scopes_of(row), nano=more, tokens=cost.tokens - held.tokens)


def refusal(connection: sqlite3.Connection, worst: Cost, caps: Sequence[Cap]) -> Refused | None:
    """Compare a call's worst cost with the caps; None where each allows it."""
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
    """Whether a call in flight adds to this scope; calls of a batch do not count, because they take hours."""
    forget_dead(connection)
    rows = connection.execute(
        "SELECT DISTINCT run, round, run_group, teacher FROM attempts WHERE state = 'open' AND batch = ''"
    ).fetchall()
    return any(scope in scopes_of(row) for row in rows)
