"""What a reservation asks for, its outcomes, the sums that are compared with limits, and what a run spent.

Knows no reply's content and no thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tuition.core.budget import Cost, to_usd
from tuition.core.errors import StoreError
from tuition.core.records import Json, Record, Reply
from tuition.core.store.leases import forget_dead

__all__ = [
    "HELD_NANO",
    "HELD_TOKENS",
    "AlreadySettled",
    "Busy",
    "Cap",
    "Kept",
    "Left",
    "Outcome",
    "Place",
    "Refused",
    "Reserved",
    "Spend",
    "add_to_sums",
    "held_by",
    "place_of",
    "recount_sums",
    "refusal",
    "scopes_of",
    "spend_of",
]


class AlreadySettled(StoreError):
    """A call was settled before, perhaps by another process that fetched the same answer."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend(Record):
    """The two figures of money of a run, and what lies behind them."""

    calls: int
    """Attempts this run made, the failed ones included."""
    reused_calls: int
    """Answers it used that another run had paid for."""
    prompt_tokens: int
    """Of the answers it used."""
    completion_tokens: int
    usd: float | None
    """Cost of every answer it used, as if bought alone; None: an answer's price is unknown."""
    paid_usd: float | None
    """What it newly paid; unknown outcomes count at their worst; None: a price is unknown."""
    failed_usd: float | None
    """The part of it that bought nothing: calls that were charged and gave no answer, or whose answer was
    lost."""
    unknown: int
    """Calls with an unknown outcome."""
    unpriced: int
    """Answers it used whose price is unknown."""
    estimated: int
    """Answers it used whose tokens were estimated, for the provider counted none."""
    by_teacher: dict[str, Json] = field(default_factory=dict)
    """For each teacher: answers, tokens, usd."""
    by_role: dict[str, Json] = field(default_factory=dict)


def spend_of(connection: sqlite3.Connection, run: str) -> Spend:
    """Count what a run used and paid."""
    attempts = connection.execute(
        "SELECT COUNT(*) AS calls, TOTAL(state = 'unknown') AS unknown, "
        "SUM(nano) AS paid, TOTAL(nano IS NULL) AS unpriced, "
        "SUM(iif(state IN ('failed', 'lost'), nano, 0)) AS failed, "
        "TOTAL(state IN ('failed', 'lost') AND nano IS NULL) AS failed_unpriced "
        f"FROM (SELECT state, {HELD_NANO} AS nano FROM attempts WHERE run = ?)",
        (run,),
    ).fetchone()
    groups = connection.execute(
        "SELECT uses.teacher, uses.role, COUNT(*) AS answers, SUM(a.run != uses.run) AS reused, "
        "SUM(a.prompt_tokens) AS prompt_tokens, SUM(a.completion_tokens) AS completion_tokens, "
        "SUM(a.cost_nano) AS nano, SUM(a.cost_nano IS NULL) AS unpriced, SUM(a.is_estimated) AS estimated "
        "FROM uses JOIN replies ON replies.key = uses.key JOIN attempts a ON a.id = replies.attempt_id "
        "WHERE uses.run = ? GROUP BY uses.teacher, uses.role ORDER BY uses.teacher, uses.role",
        (run,),
    ).fetchall()
    return Spend(
        calls=attempts["calls"],
        reused_calls=sum(group["reused"] for group in groups),
        prompt_tokens=sum(group["prompt_tokens"] for group in groups),
        completion_tokens=sum(group["completion_tokens"] for group in groups),
        usd=_usd(groups),
        paid_usd=None if attempts["unpriced"] else to_usd(attempts["paid"] or 0),
        failed_usd=None if attempts["failed_unpriced"] else to_usd(attempts["failed"] or 0),
        unknown=int(attempts["unknown"]),
        unpriced=sum(group["unpriced"] for group in groups),
        estimated=sum(group["estimated"] for group in groups),
        by_teacher=_by("teacher", groups),
        by_role=_by("role", groups),
    )


def _by(column: str, groups: list[sqlite3.Row]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name in sorted({group[column] for group in groups}):
        those = [group for group in groups if group[column] == name]
        found[name] = {
            "answers": sum(group["answers"] for group in those),
            "tokens": sum(group["prompt_tokens"] + group["completion_tokens"] for group in those),
            "usd": _usd(those),
        }
    return found


def _usd(groups: list[sqlite3.Row]) -> float | None:
    unpriced = any(group["unpriced"] for group in groups)
    return None if unpriced else to_usd(sum(group["nano"] for group in groups))
