"""Settle unknown outcomes against a list of what was charged: the provider's, a gateway's, a server's log."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tuition.core.budget import Cost, Price, to_usd
from tuition.core.errors import DataError
from tuition.core.records import Record, Usage
from tuition.core.store import Store
from tuition.core.store.ledger import count_attempt, free_attempt, lose_attempt
from tuition.upkeep.charges import Charge, Charges, call_of, read_charges
from tuition.upkeep.info import money_of, open_store

__all__ = ["Difference", "Reconciled", "reconcile_store"]

_AT_ONCE = 500
_SHOWN = 100
"""How many differences are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Record):
    """A settled attempt that the list knows otherwise."""

    attempt_id: int
    tag: str
    state: str
    tokens: int
    """As the store has it; 0: the call was not charged."""
    listed_tokens: int
    """As the list has it; 0: it has none of the kind."""
    usd: float | None
    listed_usd: float | None
    """At the attempt's price; None: unknown."""
    is_estimated: bool
    """Whether the store's count is an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled(Record):
    """The result of comparing a store with a list of charges."""

    rows: int
    """Of the list."""
    tokens: int
    """Of the list."""
    first: float | None
    """Earliest time of the list, seconds since 1970; None: it says no times."""
    last: float | None
    lost: int
    """Unknown outcomes that were charged: the answer is lost, the cost is known now."""
    freed: int
    """Unknown outcomes that were not charged: a list said to be complete does not have them, or another
    sample of the same call bears all of it."""
    counted: int
    """Settled attempts with estimated tokens: the list's counts replace the estimates."""
    charged: int
    """Settled attempts, failures most of all, that were thought to have cost nothing: they cost what the list
    says."""
    unknown: int
    """Unknown outcomes that remain."""
    until: float | None
    """Seconds since 1970: calls that began later were not judged by their absence; None: no call was."""
    under_way: int
    """Charges of calls that are still open."""
    agreed: int
    """Settled attempts whose charge is the same in both."""
    differing: int
    """Settled attempts whose charge is not."""
    differences: tuple[Difference, ...]
    """The first hundred of them."""
    strange: int
    """Rows whose tag no attempt here has: payments that this store knows nothing of."""
    untagged: int
    """Rows without a tag, which can be matched with nothing."""
    strange_tokens: int
    """Tokens of the strange and the untagged rows together."""
    doubled: int
    """Tags that stand in several rows; their tokens are added up."""
    usd_before: float | None
    """What all attempts of the store took from budgets; None: a price is unknown."""
    usd_after: float | None


@dataclass(slots=True)
class _Tally:
    """The list, with counts and differences so far."""

    charges: Charges
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    endpoints: set[str] = field(default_factory=set)
    """Where the attempts were made that the list has charges of."""


def reconcile_store(
    path: Path,
    listed: Path,
    *,
    is_complete: bool = False,
    endpoint: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> Reconciled:
    """Settle the unknown outcomes of a store against a list of charges, matched by tag.

    An unknown outcome that the list has becomes `lost`, at the list's tokens. One that the list does not have
    becomes a failure that cost nothing, but only where the list is said to be complete. What was settled
    before is compared; it is changed only where its tokens were an estimate, charged at the worst, and where
    a failure that was thought to have cost nothing stands in the list.

    Args:
        path: The store.
        listed: The list; `read_charges` says its forms.
        is_complete: The list holds every charge, so that a call which is not in it was not charged.
        endpoint: The only one that it is complete for; None: every one that it has charges of.
        since: From when on the list is complete, in seconds since 1970; None: from the beginning.
        until: Up to when it is complete, such as the moment it was fetched; None: up to its last time.

    Returns:
        The counts, the differences, and the money before and after.

    Raises:
        DataError: There is no store, or the list cannot be read; or it is said to be complete, and neither it
            nor `until` says up to when.
    """
    with contextlib.closing(Charges(read_charges(listed))) as charges, open_store(path) as store:
        tally = _Tally(charges)
        rows, tokens, first, last = charges.totals()
        until = last if until is None else until
        if is_complete and until is None:
            raise DataError(
                f"{str(listed)!r} has no times, so that it is not known up to when it is complete; "
                "say when it was fetched: --until"
            )
        span = (since or 0.0, until) if is_complete and until is not None else None
        with store.read() as connection:
            before = money_of(connection)
        waiting = iter(charges)
        while part := list(itertools.islice(waiting, _AT_ONCE)):
            store.write(lambda to, part=part: _match(to, part, tally)).result()
        if span is not None:
            for place in sorted(tally.endpoints) if endpoint is None else [endpoint]:
                _look_for_absent(store, tally, endpoint=place, span=span)
        counts = tally.counts
        with store.read() as connection:
            return Reconciled(
                rows=rows,
                tokens=tokens,
                first=first,
                last=last,
                **{name: counts[name] for name in _COUNTS},
                unknown=connection.execute(_UNKNOWN).fetchone()[0],
                differences=tuple(tally.differences),
                until=None if span is None else span[1],
                usd_before=before,
                usd_after=money_of(connection),
            )


_COUNTS = (
    *("lost", "freed", "counted", "charged", "under_way", "agreed", "differing"),
    *("strange", "untagged", "strange_tokens", "doubled"),
)
# `tag != ''` is in the query because SQLite uses a partial index only where the query has its condition
_BY_TAG = "SELECT * FROM attempts WHERE tag = ? AND tag != '' ORDER BY state != 'unknown', id"
_BY_CALL = "SELECT * FROM attempts WHERE (tag = ? OR tag >= ? AND tag < ?) AND tag != '' ORDER BY id"
_TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")
_UNKNOWN = "SELECT COUNT(*) FROM attempts WHERE state = 'unknown'"


def _match(connection: sqlite3.Connection, part: list[Charge], tally: _Tally) -> None:
    """Match some charges with the attempts that they name."""
    for charge in part:
        tokens = charge.usage.prompt_tokens + charge.usage.completion_tokens
        # after a merge two attempts may have one tag; the one with an unknown outcome comes first
        row = connection.execute(_BY_TAG, (charge.tag,)).fetchone()
        if row is None:
            tally.counts["strange" if charge.tag else "untagged"] += charge.rows
            tally.counts["strange_tokens"] += tokens
            continue
        tally.endpoints.add(row["endpoint"])
        tally.counts["doubled"] += charge.rows > 1
        rows = [row]
        if tally.charges.is_alone(charge.tag):
            rows = _call(connection, charge.tag)
            if rows[0]["tag"] != charge.tag:
                # samples sent together are charged under their first tag
                rows = [row]
        _settle(connection, rows, charge, tally=tally)


def _call(connection: sqlite3.Connection, tag: str) -> list[sqlite3.Row]:
    """All samples of a call, in the order they were reserved."""
    call = call_of(tag)
    return connection.execute(_BY_CALL, (call, f"{call}.", f"{call}/")).fetchall()


def _settle(
    connection: sqlite3.Connection, rows: list[sqlite3.Row], charge: Charge, *, tally: _Tally
) -> None:
    """Charge attempts that share one charge; the first whose cost is not counted bears what is left."""
    if any(row["state"] == "open" for row in rows):
        tally.counts["under_way"] += 1
        return
    loose = [row for row in rows if _is_loose(row)]
    known = [row for row in rows if not _is_loose(row) and row["tokens"]]
    pairs = zip(_TOKENS, _sum_of(known), strict=True)
    # never less than nothing
    prompt, cached, completion = (max(0, getattr(charge.usage, name) - n) for name, n in pairs)
    rest = Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)
    free = [row for row in rows if row["state"] in ("kept", "failed") and not row["tokens"]]
    is_left = bool(rest.prompt_tokens + rest.completion_tokens)
    bearer = next(iter(loose or free), None)
    if bearer is None or not (is_left or (loose and bearer is rows[0])):
        _compare(connection, rows[0], charge, tally=tally)
        return
    for row in (bearer, *loose[1:]):
        usage = rest if row is bearer else Usage()
        if row["state"] != "unknown":
            name, is_done = "counted" if loose else "charged", count_attempt(connection, row["id"], usage)
        elif row is bearer:
            name, is_done = "lost", lose_attempt(connection, row["id"], usage)
        else:
            name, is_done = "freed", free_attempt(connection, row["id"])
        tally.counts[name] += is_done


def _is_loose(row: sqlite3.Row) -> bool:
    """Whether the cost of an attempt is not counted: an unknown outcome, or an estimate."""
    return row["state"] == "unknown" or bool(row["is_estimated"] and row["tokens"])


def _compare(connection: sqlite3.Connection, row: sqlite3.Row, charge: Charge, *, tally: _Tally) -> None:
    """Compare a settled attempt with its charge; where a call has several samples, all with all."""
    own = ours = _sum_of([row])
    theirs = charge
    if ours != _listed(theirs, ours):
        samples = [sample for sample in _call(connection, row["tag"]) if sample["tokens"]]
        whole = tally.charges.call(row["tag"])
        if len(samples) > 1 and whole is not None:
            ours, theirs = _sum_of(samples), whole
    if ours == _listed(theirs, ours):
        tally.counts["agreed"] += 1
    else:
        _note_difference(tally, row, _listed(charge, own))


def _sum_of(rows: list[sqlite3.Row]) -> tuple[int, int, int]:
    """Tokens of prompts, of their cached parts, and of answers; none of an attempt that was not charged."""
    charged = [row for row in rows if row["tokens"]]
    prompt, cached, completion = (sum(row[name] or 0 for row in charged) for name in _TOKENS)
    return prompt, cached, completion


def _listed(charge: Charge, ours: tuple[int, int, int]) -> tuple[int, int, int]:
    """The counts of the list; what it does not say of the cache is taken from ours."""
    usage = charge.usage
    cached = usage.cached_tokens if charge.has_cached else ours[1]
    return (usage.prompt_tokens, cached, usage.completion_tokens)


def _note_difference(tally: _Tally, row: sqlite3.Row, theirs: tuple[int, int, int]) -> None:
    tally.counts["differing"] += 1
    if len(tally.differences) == _SHOWN:
        return
    price = None if row["price"] is None else Price.from_json(json.loads(row["price"]))
    usage = Usage(prompt_tokens=theirs[0], cached_tokens=theirs[1], completion_tokens=theirs[2])
    listed = Cost.of(usage, price)
    difference = Difference(
        attempt_id=row["id"],
        tag=row["tag"],
        state=row["state"],
        tokens=row["tokens"] or 0,
        listed_tokens=listed.tokens,
        usd=to_usd(row["paid_nano"]),
        listed_usd=to_usd(listed.nano),
        is_estimated=bool(row["is_estimated"]),
    )
    tally.differences.append(difference)


def _look_for_absent(store: Store, tally: _Tally, *, endpoint: str, span: tuple[float, float]) -> None:
    """Settle what a complete list does not have: unknown outcomes cost nothing, settled ones differ."""
    with store.read() as connection:
        unknown = connection.execute(
            "SELECT id, tag FROM attempts WHERE state = 'unknown' AND endpoint = ? "
            "AND started_at BETWEEN ? AND ? AND tag != ''",
            (endpoint, *span),
        )
        absent = [row["id"] for row in unknown if row["tag"] not in tally.charges]
        settled = connection.execute(
            "SELECT * FROM attempts WHERE state IN ('kept', 'failed', 'lost') AND endpoint = ? "
            "AND started_at BETWEEN ? AND ? AND tag != '' AND tokens > 0 AND coalesce(paid_nano, 1) > 0",
            (endpoint, *span),
        )
        for row in settled:
            if tally.charges.call(row["tag"]) is None:
                _note_difference(tally, row, (0, 0, 0))
    for start in range(0, len(absent), _AT_ONCE):
        part = absent[start : start + _AT_ONCE]
        freed = store.write(lambda to, part=part: sum(free_attempt(to, attempt_id) for attempt_id in part))
        tally.counts["freed"] += freed.result()
