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
from tuition.core.records import Record, Usage
from tuition.core.store import Store
from tuition.core.store.ledger import count_attempt, free_attempt, lose_attempt
from tuition.core.store.upkeep.opening import money_of, open_store
from tuition.core.store.upkeep.usage import Charge, Charges, call_of, read_charges

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
    """What came of holding a store against a list of charges."""

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
    """Unknown outcomes that were not charged, for a list said to be complete does not have them."""
    counted: int
    """Settled attempts whose tokens nobody had counted: the list's counts stand in the place of estimates."""
    unknown: int
    """Unknown outcomes that remain."""
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
    """What has been found so far."""

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
) -> Reconciled:
    """Settle the unknown outcomes of a store against a list of charges, matched by tag.

    An unknown outcome that the list has becomes `lost`, at the list's tokens. One that the list does not have
    becomes a failure that cost nothing, but only where the list is said to be complete. What was settled
    before is compared; it is changed only where its tokens were an estimate, charged at the worst.

    Args:
        path: The store.
        listed: The list; `read_charges` says its forms.
        is_complete: The list holds every charge, so that a call which is not in it was not charged.
        endpoint: The only one that it is complete for; None: every one that it has charges of.
        since: From when on the list is complete, in seconds since 1970; None: from the beginning.

    Returns:
        The counts, the differences, and the money before and after.

    Raises:
        DataError: There is no store, or the list cannot be read.
    """
    tally = _Tally()
    with contextlib.closing(Charges(read_charges(listed))) as charges, open_store(path) as store:
        with store.read() as connection:
            before = money_of(connection)
        waiting = iter(charges)
        while part := list(itertools.islice(waiting, _AT_ONCE)):
            store.write(lambda to, part=part: _match(to, part, charges=charges, tally=tally)).result()
        for place in _whole(tally, endpoint) if is_complete else ():
            _look_for_absent(store, charges, tally, endpoint=place, since=since or 0.0)
        rows, tokens, first, last = charges.totals()
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
                usd_before=before,
                usd_after=money_of(connection),
            )


_COUNTS = (
    *("lost", "freed", "counted", "under_way", "agreed", "differing"),
    *("strange", "untagged", "strange_tokens", "doubled"),
)
# An index of rows that have a tag is of use only where the question says that it wants such a one.
_BY_TAG = "SELECT * FROM attempts WHERE tag = ? AND tag != '' ORDER BY state != 'unknown', id"
_BY_CALL = (
    "SELECT COUNT(*) AS n, SUM(prompt_tokens) AS prompt_tokens, SUM(cached_tokens) AS cached_tokens, "
    "SUM(completion_tokens) AS completion_tokens FROM attempts WHERE (tag = ? OR tag >= ? AND tag < ?) "
    "AND tag != '' AND state IN ('kept', 'failed', 'lost') AND tokens > 0"
)
_ESTIMATED = (
    "SELECT id FROM attempts WHERE tag >= ? AND tag < ? AND tag != '' AND id != ? AND is_estimated "
    "AND state IN ('kept', 'failed')"
)
_UNKNOWN = "SELECT COUNT(*) FROM attempts WHERE state = 'unknown'"


def _whole(tally: _Tally, endpoint: str | None) -> list[str]:
    return sorted(tally.endpoints) if endpoint is None else [endpoint]


def _match(connection: sqlite3.Connection, part: list[Charge], *, charges: Charges, tally: _Tally) -> None:
    """Hold some charges against the attempts they name."""
    for charge in part:
        tokens = charge.usage.prompt_tokens + charge.usage.completion_tokens
        # Where two stores were merged a tag may stand twice; the one that waits for news comes first.
        row = connection.execute(_BY_TAG, (charge.tag,)).fetchone()
        if row is None:
            tally.counts["strange" if charge.tag else "untagged"] += charge.rows
            tally.counts["strange_tokens"] += tokens
            continue
        tally.endpoints.add(row["endpoint"])
        tally.counts["doubled"] += charge.rows > 1
        if row["state"] == "unknown":
            tally.counts["lost"] += lose_attempt(connection, row["id"], charge.usage)
        elif row["state"] == "open":
            tally.counts["under_way"] += 1
        elif row["is_estimated"] and row["tokens"]:
            tally.counts["counted"] += _count(connection, row, charge)
        else:
            _compare(connection, row, charge, charges=charges, tally=tally)


def _count(connection: sqlite3.Connection, row: sqlite3.Row, charge: Charge) -> int:
    """Take over the list's count; of a call that brought several answers, the first bears all of it."""
    call = call_of(row["tag"])
    rest = connection.execute(_ESTIMATED, (f"{call}.", f"{call}/", row["id"])).fetchall()
    for other in rest:
        count_attempt(connection, other["id"], Usage())
    return int(count_attempt(connection, row["id"], charge.usage)) + len(rest)


def _compare(
    connection: sqlite3.Connection, row: sqlite3.Row, charge: Charge, *, charges: Charges, tally: _Tally
) -> None:
    """Hold a settled attempt against its charge; of a call that brought several, all against all."""
    is_charged = row["state"] != "failed" or (row["tokens"] or 0) > 0
    ours, theirs = _counts(row), charge
    if is_charged and ours != _listed(theirs, ours):
        call = call_of(row["tag"])
        samples = connection.execute(_BY_CALL, (call, f"{call}.", f"{call}/")).fetchone()
        whole = charges.call(call)
        if samples["n"] > 1 and whole is not None:
            ours, theirs = _counts(samples), whole
    if is_charged and ours == _listed(theirs, ours):
        tally.counts["agreed"] += 1
    else:
        _note_difference(tally, row, _listed(charge, _counts(row)))


def _counts(row: sqlite3.Row) -> tuple[int, int, int]:
    return (row["prompt_tokens"] or 0, row["cached_tokens"] or 0, row["completion_tokens"] or 0)


def _listed(charge: Charge, ours: tuple[int, int, int]) -> tuple[int, int, int]:
    """The counts of the list; what it does not say of the cache is taken from ours."""
    usage = charge.usage
    cached = usage.cached_tokens if charge.has_cached else ours[1]
    return (usage.prompt_tokens, cached, usage.completion_tokens)


def _note_difference(tally: _Tally, row: sqlite3.Row, listed: tuple[int, int, int]) -> None:
    tally.counts["differing"] += 1
    if len(tally.differences) < _SHOWN:
        tally.differences.append(_difference(row, listed))


def _difference(row: sqlite3.Row, theirs: tuple[int, int, int]) -> Difference:
    price = None if row["price"] is None else Price.from_json(json.loads(row["price"]))
    usage = Usage(prompt_tokens=theirs[0], cached_tokens=theirs[1], completion_tokens=theirs[2])
    listed = Cost.of(usage, price)
    return Difference(
        attempt_id=row["id"],
        tag=row["tag"],
        state=row["state"],
        tokens=row["tokens"] or 0,
        listed_tokens=listed.tokens,
        usd=to_usd(row["paid_nano"]),
        listed_usd=to_usd(listed.nano),
        is_estimated=bool(row["is_estimated"]),
    )


def _look_for_absent(store: Store, charges: Charges, tally: _Tally, *, endpoint: str, since: float) -> None:
    """Settle what a complete list does not have: unknown outcomes cost nothing, settled ones differ."""
    with store.read() as connection:
        unknown = connection.execute(
            "SELECT id, tag FROM attempts WHERE state = 'unknown' AND endpoint = ? AND started_at >= ? "
            "AND tag != ''",
            (endpoint, since),
        )
        absent = [row["id"] for row in unknown if row["tag"] not in charges]
        settled = connection.execute(
            "SELECT * FROM attempts WHERE state IN ('kept', 'failed', 'lost') AND endpoint = ? "
            "AND started_at >= ? AND tag != '' AND tokens > 0 AND coalesce(paid_nano, 1) > 0",
            (endpoint, since),
        )
        for row in settled:
            if charges.call(row["tag"]) is None:
                _note_difference(tally, row, (0, 0, 0))
    for start in range(0, len(absent), _AT_ONCE):
        part = absent[start : start + _AT_ONCE]

        def free(connection: sqlite3.Connection, part: list[int] = part) -> int:
            return sum(free_attempt(connection, attempt_id) for attempt_id in part)

        tally.counts["freed"] += store.write(free).result()
