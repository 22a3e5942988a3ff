"""How many examples a round can still ask about: what was allowed, less what was used. Asks nobody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from tuition.core.records import Record
from tuition.core.store import Spend
from tuition.experiment.rounds.config import Allowance

__all__ = ["PROBE", "Used", "affordable"]

PROBE = 4
"""Examples asked about first, to learn what one costs, where more than their number is limited."""
_PART = 0.5
"""Share of what seems affordable that is asked at once: prices differ, and the rest is asked knowing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used(Record):
    """What asking has used, as if every answer had been bought alone."""

    items: int = 0
    calls: int = 0
    tokens: int = 0
    usd: float | None = 0.0
    """None: an answer's price is unknown."""

    @classmethod
    def of(cls, spend: Spend, *, items: int) -> Self:
        """Read the use of a run from its spend."""
        roles: Any = spend.by_role
        answers = sum(role["answers"] for role in roles.values())
        tokens = spend.prompt_tokens + spend.completion_tokens
        return cls(items=items, calls=answers, tokens=tokens, usd=spend.usd)

    def since(self, before: Used) -> Used:
        """Give what was used after an earlier moment."""
        usd = None if self.usd is None or before.usd is None else self.usd - before.usd
        return Used(
            items=self.items - before.items,
            calls=self.calls - before.calls,
            tokens=self.tokens - before.tokens,
            usd=usd,
        )


def affordable(limits: Sequence[tuple[Allowance, Used]], *, so_far: Used) -> int | None:
    """Say about how many more examples to ask at once. None: nothing is limited.

    The mean cost of the run's examples so far stands for the next ones; of what it seems to allow one half is
    asked, yet never more at once than were asked before, for few examples say little of what others cost,
    and failures that cost nothing say nothing. So a limit is met to within about one example, of the dear
    ones where they differ, but for one that ends among the very first four, whose cost nobody knows yet.
    """
    counts = [
        max(0, allowance.items - used.items) for allowance, used in limits if allowance.items is not None
    ]
    shares = [share for allowance, used in limits for share in _left(allowance, used, so_far)]
    if any(share < 1 for share in shares):
        return 0
    if shares:
        at_most = max(PROBE, so_far.items)
        counts.append(math.floor(min(at_most, max(1.0, _PART * min(shares)))))
    return min(counts) if counts else None


def _left(allowance: Allowance, used: Used, so_far: Used) -> list[float]:
    """How many examples each limit but that on examples leaves room for, at the mean cost so far."""
    pairs = (
        (allowance.calls, used.calls, so_far.calls),
        (allowance.tokens, used.tokens, so_far.tokens),
        (allowance.usd, used.usd, so_far.usd),
    )
    found: list[float] = []
    for limit, spent, cost in pairs:
        if limit is None or spent is None or cost is None:
            continue
        mean = cost / so_far.items if so_far.items else 0.0
        left = limit - spent
        found.append(left / mean if mean > 0 else math.inf if left > 0 else 0.0)
    return found
