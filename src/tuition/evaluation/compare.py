"""Compare two students, or a student and a teacher, on the same items. Knows grades, not answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tuition.core.errors import DataError, some_of
from tuition.core.records import Grade, Record

__all__ = ["Comparison", "compare", "mcnemar", "more_often"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Record):
    """How much better A is than B on the same items."""

    n: int
    """Items."""
    both_right: int
    only_a: int
    """Items that A alone has right."""
    only_b: int
    """Items that B alone has right."""
    neither: int
    """Items that both have wrong or unreadable."""
    difference: float
    """Accuracy of A less that of B, in [-1, 1]."""
    low: float
    """Lower end of the 95 % bootstrap interval."""
    high: float
    """Upper end."""
    p: float
    """Two-sided exact McNemar: how likely so unequal a split of the items they disagree on is, were they
    equally good."""


def mcnemar(only_a: int, only_b: int) -> float:
    """Give the two-sided exact p-value of the McNemar test.

    Under equal skill each item on which the two disagree falls to either side like a fair coin; the value is
    twice the smaller tail of that binomial, at most 1. Whole numbers throughout, so that nothing is lost
    with thousands of items.
    """
    n, smaller = only_a + only_b, min(only_a, only_b)
    term = tail = 1
    for i in range(smaller):
        term = term * (n - i) // (i + 1)
        tail += term
    return min(1.0, 2 * tail / 2**n)


def more_often(hits: int, n: int, *, of_hits: int, of_n: int) -> float:
    """Give the one-sided exact p-value of Fisher's test: that so many of `of_hits` fall among `n` by chance.

    `n` items are marked among `of_n`, of which `of_hits` are hits; `hits` of the marked ones are.
    """
    ways = (
        math.comb(of_hits, k) * math.comb(of_n - of_hits, n - k) for k in range(hits, min(n, of_hits) + 1)
    )
    return sum(ways) / math.comb(of_n, n)


def compare(
    grades_a: Mapping[str, Grade], grades_b: Mapping[str, Grade], *, seed: int, resamples: int = 10_000
) -> Comparison:
    """Compare A with B on the same items.

    Unreadable counts as not right. The interval is the percentile bootstrap over items: drawing items with
    replacement comes to drawing how many of them are right for A alone and for B alone, so only these counts
    are drawn.

    Args:
        grades_a: By item id.
        grades_b: By item id, of the same items.
        seed: Of the bootstrap; exchanging A and B mirrors the interval exactly.
        resamples: How many; 10,000 fixes the ends to about 1 % of the interval's width.

    Returns:
        The counts, the paired difference with its 95 % interval, and the p-value.

    Raises:
        DataError: There are no items, or some are not in both.
    """
    _check_items(grades_a, grades_b)
    right = [(grades_a[id] is Grade.RIGHT, grades_b[id] is Grade.RIGHT) for id in grades_a]
    n, only_a, only_b = len(right), right.count((True, False)), right.count((False, True))
    low, high = _interval(only_a, only_b, n=n, rng=np.random.default_rng(seed), resamples=resamples)
    return Comparison(
        n=n,
        both_right=right.count((True, True)),
        only_a=only_a,
        only_b=only_b,
        neither=right.count((False, False)),
        difference=(only_a - only_b) / n,
        low=low,
        high=high,
        p=mcnemar(only_a, only_b),
    )


def _check_items(grades_a: Mapping[str, Grade], grades_b: Mapping[str, Grade]) -> None:
    only_a, only_b = sorted(grades_a.keys() - grades_b.keys()), sorted(grades_b.keys() - grades_a.keys())
    if only_a or only_b:
        raise DataError(
            f"the two are not graded on the same items: {len(only_a)} only in A ({some_of(only_a)}), "
            f"{len(only_b)} only in B ({some_of(only_b)}), {len(grades_a) - len(only_a)} in both; "
            "compare runs of the same task and split"
        )
    if not grades_a:
        raise DataError("there are no items to compare; grade both on the same split first")


def _interval(
    only_a: int, only_b: int, *, n: int, rng: np.random.Generator, resamples: int
) -> tuple[float, float]:
    more, fewer = max(only_a, only_b), min(only_a, only_b)
    counts = rng.multinomial(n, [more / n, fewer / n, 1 - (more + fewer) / n], size=resamples)  # (R, 3)
    differences = (counts[:, 0] - counts[:, 1]) / n  # (R, )
    if more == fewer:
        # nothing says which of the two is A, so both readings are taken and the interval is symmetric
        differences = np.concatenate([differences, -differences])
    low, high = (float(end) for end in np.quantile(differences, [0.025, 0.975]))
    return (low, high) if only_a >= only_b else (-high, -low)
