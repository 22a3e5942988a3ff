"""What a reservation asks for, its outcomes, and the sums that are compared with limits.

Knows no reply's content and no thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tuition.core.budget import Cost
from tuition.core.records import Reply
from tuition.core.store.leases import forget_dead

__all__ = [
    "HELD_NANO",
    "HELD_TOKENS",
    "Busy",
    "Cap",
    "Kept",
    "Left",
    "Outcome",
    "Place",
    "Refused",
    "Reserved",
    "add_to_sums",
    "held_by",
    "place_of",
    "recount_sums",
    "refusal",
    "scopes_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose call it is: the run, the round within it, and the group of runs that shares its limits."""

    run: str
    round: int = 0
    group: str = ""
    """Name under which several runs share their limits; empty: the run does not share."""

    def scopes(self, teacher: str) -> tuple[str, ...]:
        """Name every sum that a call adds to: the run, its teacher, its round, and the group."""
        own = (self.run, f"{self.run}/teacher/{teacher}", f"{self.run}/round/{self.round}")
        return (*own, self.group) if self.group and self.group not in own else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A limit on what one scope may newly pay; None: no limit of that kind."""

    scope: str
    nano: int | None = None
    tokens: int | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The call may be made; its worst cost is set aside."""

    attempt_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The call was made before: a reply, or a failure that asking again would not mend."""

    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another owner is making the same call; ask again in a moment."""

    owner: str
    batch: str = ""
    """The batch it is part of, which may take hours; empty: it is made by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An earlier attempt has an unknown outcome, and the policy is to leave it."""

    attempt_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A cap does not allow the call."""

    scope: str
    what: str
    """usd, tokens or calls."""
    limit: int
    spent: int
    """Settled and reserved together."""
    may_free: bool
    """Whether calls in flight could still give back a part of what they reserved; a batch's do not count."""


Outcome = Reserved | Kept | Busy | Left | Refused
"""The outcomes of a reservation."""


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
