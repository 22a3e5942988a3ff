"""How good is it, and how sure are we: accuracy over all items with its interval.

Knows grades, not answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuition.core.records import Grade, Record

__all__ = ["Accuracy", "accuracy", "by_domain", "wilson"]

_Z = 1.959963984540054
"""Standard normal quantile of 0.975."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy(Record):
    """A share of right answers and the interval it could as well have been."""

    n: int
    """All items, the unreadable ones included."""
    right: int
    wrong: int
    unreadable: int
    """Neither right nor wrong: no answer could be read."""
    share: float
    """Right among all, in [0, 1]."""
    low: float
    """Lower end of the 95 % Wilson interval."""
    high: float
    """Upper end."""


def wilson(right: int, n: int) -> tuple[float, float]:
    """Give the lower and upper end of the 95 % Wilson score interval of a share."""
    share, slack = right / n, _Z**2 / n
    centre = (share + slack / 2) / (1 + slack)
    half = _Z / (1 + slack) * math.sqrt(share * (1 - share) / n + slack / (4 * n))
    # at the ends the formula is exact and only its rounding is not
    return (0.0 if right == 0 else centre - half), (1.0 if right == n else centre + half)


def accuracy(grades: Iterable[Grade]) -> Accuracy:
    """Count grades and give the share of right ones over all, with its 95 % interval.

    Args:
        grades: One an item.

    Returns:
        The counts, the share and the interval.

    Raises:
        ValueError: There are no grades.
    """
    counts = Counter(grades)
    n = counts.total()
    if n == 0:
        raise ValueError("there are no grades, so there is no accuracy; a split without examples has none")
    low, high = wilson(counts[Grade.RIGHT], n)
    return Accuracy(
        n=n,
        right=counts[Grade.RIGHT],
        wrong=counts[Grade.WRONG],
        unreadable=counts[Grade.UNREADABLE],
        share=counts[Grade.RIGHT] / n,
        low=low,
        high=high,
    )


def by_domain(grades: Sequence[Grade], domains: Sequence[str]) -> dict[str, Accuracy]:
    """Give the accuracy of each domain.

    Args:
        grades: One an item.
        domains: The domain of each item, in the same order.

    Returns:
        By domain, in alphabetical order.

    Raises:
        ValueError: The two are of unequal length.
    """
    groups: dict[str, list[Grade]] = {}
    for grade, domain in zip(grades, domains, strict=True):
        groups.setdefault(domain, []).append(grade)
    return {domain: accuracy(groups[domain]) for domain in sorted(groups)}
