"""Pools made by hand: rows of evidence with more doubt or less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuition.core.protocols import Pool
from tuition.core.records import Evidence

__all__ = ["evidence", "permuted", "pool_of"]


def evidence(name: str, doubt: float, *, steps: int = 3) -> Evidence:
    """Make every kind of evidence of an example, with more doubt the higher the number is, in [0, 1]."""
    sure = round(100 * (1 - doubt))
    votes = (50 + sure, 100 - sure) if sure < 100 else (150,)
    return Evidence.from_json(
        {
            "example_id": name,
            "steps": steps,
            "logprobs": (-doubt, -doubt),
            "entropies": (doubt, 2 * doubt),
            "votes": votes,
            "confidence": 1 - doubt / 4,
            "perplexity": 1 + doubt,
            "without_step": (1 - doubt,) * steps,
            "changed": (doubt > 0.5,) * steps,
            "prefix_votes": (votes,) * (steps + 1),
        }
    )


def pool_of(doubts: Sequence[float], **columns: Any) -> Pool:
    """Make a pool with a row of evidence for each of these doubts."""
    rows = [evidence(f"e{i}", doubt) for i, doubt in enumerate(doubts)]
    return Pool(size=len(rows), evidence=rows, **columns)


def permuted(pool: Pool, order: Sequence[int]) -> Pool:
    """Lay the same rows in another order."""
    columns = ("domains", "evidence", "costs", "vectors")
    moved: dict[str, Any] = {
        name: tuple(getattr(pool, name)[i] for i in order) for name in columns if getattr(pool, name)
    }
    return Pool(size=pool.size, asked=frozenset(order.index(i) for i in pool.asked), **moved)
