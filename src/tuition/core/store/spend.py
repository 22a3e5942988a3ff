"""What a run used and what it newly paid, counted from the ledger. Reads only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from tuition.core.budget import to_usd
from tuition.core.records import Json, Record
from tuition.core.store.sums import HELD_NANO

__all__ = ["Spend", "spend_of"]


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
