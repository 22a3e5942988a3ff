"""Spread a choice over the pool: far from each other, over clusters, over domains.

Rows come in their rank, best first, and go out the same way. Knows no score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["by_cluster", "by_quota", "k_center"]

_ROUNDS = 25
"""After so many, k-means stops wherever it is."""


def k_center(vectors: np.ndarray, n: int) -> list[int]:
    """Choose rows far from each other: the best, then always the one farthest from all chosen before.

    Source: the greedy k-center of core-set selection (arXiv 1708.00489).
    Differs: rows asked in earlier rounds are no centres, and the first is the best-scored, not a drawn one.
    """
    chosen: list[int] = []
    nearest = np.full(len(vectors), np.inf)
    for _ in range(n):
        # The first argmax is the best-ranked of the farthest; a chosen row never comes again.
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, _distances(vectors, vectors[chosen[-1]]))
        nearest[chosen] = -1.0
    return chosen


def by_cluster(vectors: np.ndarray, n: int, *, clusters: int) -> list[int]:
    """Choose the best of each cluster in turn, then the second of each, until there are enough.

    Clusters by k-means: its first centres are those of `k_center`, so that nothing is drawn; at most 25
    rounds.
    """
    label = _k_means(vectors, min(clusters, len(vectors)))
    seen: dict[int, int] = {}
    turns = []
    for group in label.tolist():
        seen[group] = seen.get(group, 0) + 1
        turns.append(seen[group])
    return sorted(range(len(vectors)), key=lambda i: (turns[i], i))[:n]


def _k_means(vectors: np.ndarray, k: int) -> np.ndarray:
    centres = vectors[k_center(vectors, k)]  # (k, d)
    label = np.full(len(vectors), -1)
    for _ in range(_ROUNDS):
        found = np.argmin([_distances(vectors, centre) for centre in centres], axis=0)  # (rows, )
        if (found == label).all():
            break
        label = found
        filled = np.unique(label)
        # A centre that lost all its rows stays where it is.
        centres[filled] = [vectors[label == group].mean(axis=0) for group in filled]
    return label


def _distances(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.sqrt(((vectors - centre) ** 2).sum(axis=1))


def by_quota(domains: Sequence[str], n: int, *, choose: Callable[[list[int], int], list[int]]) -> list[int]:
    """Choose from each domain as many as its share of the rows, within one.

    A domain first gets the whole part of share times `n`; what is missing goes to the largest remainders, of
    equal ones to the domain with the better-ranked row. The domains are mixed evenly, so that whoever has to
    stop early has asked about all of them in nearly the same proportion.
    """
    groups: dict[str, list[int]] = {}
    for i, domain in enumerate(domains):
        groups.setdefault(domain, []).append(i)
    # Whole numbers: n·size / rows, as quotient and remainder.
    quotas = {domain: n * len(rows) // len(domains) for domain, rows in groups.items()}
    by_remainder = sorted(groups, key=lambda domain: -(n * len(groups[domain]) % len(domains)))
    for domain in by_remainder[: n - sum(quotas.values())]:
        quotas[domain] += 1
    chosen = {domain: choose(rows, quotas[domain]) for domain, rows in groups.items()}
    turns = [((j + 0.5) / len(rows), i) for rows in chosen.values() for j, i in enumerate(rows)]
    return [i for _, i in sorted(turns)]
