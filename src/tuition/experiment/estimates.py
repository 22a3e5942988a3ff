"""How good the estimates before the calls were: guess, bound and bill of each teacher, from the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tuition.core.budget import Price, guess_cost, to_usd
from tuition.core.records import Record, Request
from tuition.core.store import Store

__all__ = ["Estimate", "estimates_of"]

_ATTEMPTS = (
    "SELECT teacher, request, price, worst_nano, paid_nano FROM attempts "
    "WHERE run = ? AND state = 'kept' AND price IS NOT NULL AND worst_nano > 0 AND NOT is_estimated "
    "ORDER BY teacher, id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(Record):
    """What one teacher's answered calls were thought to cost before they were made, and what they cost."""

    teacher: str
    calls: int
    """Those this run made and paid at a known price, and whose tokens the provider counted."""
    guessed_usd: float | None
    """The guess that `tuition check` shows as expected."""
    bound_usd: float | None
    """What was set aside: no call may cost more."""
    paid_usd: float | None


def estimates_of(store: Store, run: str) -> list[Estimate]:
    """Hold guess and bound against the bill."""
    sums: dict[str, list[int]] = {}
    with store.read() as connection:
        for row in connection.execute(_ATTEMPTS, (run,)):
            request = Request.from_json(json.loads(row["request"]))
            expected = guess_cost(request, Price.from_json(json.loads(row["price"])))
            so_far = sums.setdefault(row["teacher"], [0] * 4)
            for i, one in enumerate((1, expected.nano or 0, row["worst_nano"], row["paid_nano"])):
                so_far[i] += one
    return [
        Estimate(
            teacher=name,
            calls=calls,
            guessed_usd=to_usd(guessed),
            bound_usd=to_usd(bound),
            paid_usd=to_usd(paid),
        )
        for name, (calls, guessed, bound, paid) in sums.items()
    ]
